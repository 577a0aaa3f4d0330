"""Release of approved packages: from a decision to a stack update, and from its end to a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.release.endpoint import Evidence, NotServingError, ServingEndpoint
from lambdas.release.package import ModelPackage, StateChange, describe
from lambdas.release.signature_gate import NotYetSignedError
from lambdas.release.stack import EndpointStack, StackRefusedError, StackState, Token

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

    from lambdas.release.notification import Notifier
    from lambdas.release.objection import Objection
    from lambdas.release.signature_gate import SignatureGate
    from lambdas.release.site_gate import SiteGate
    from lambdas.release.verdict import Verdicts

POLL_SECONDS = 15.0
# A package that was registered a moment ago is signed in seconds.
SIGNATURE_POLL_SECONDS = 2.0
# What one more look at the stack and an update need, with retries.
_RESERVE_SECONDS = 20.0


class StackBusyError(RuntimeError):
    """The wait for stack or signature outlasted this invocation. Raised so that Lambda delivers the event again."""


@dataclass(frozen=True)
class _Wait:
    seconds: float
    reason: str


@dataclass(frozen=True)
class Release:
    """Releases approved packages of one group onto one stack.

    Events come at least once and in any order, so an event is only a reason to look: the registry says what is
    approved now, the stack what serves now, and of two approved packages the one approved last wins.
    """

    sagemaker: SageMakerClient
    stack: EndpointStack
    endpoint: ServingEndpoint
    notifier: Notifier
    verdicts: Verdicts
    group: str
    signature_gate: SignatureGate
    site_gate: SiteGate | None = None
    sleep: Callable[[float], None] = time.sleep
    poll_seconds: float = POLL_SECONDS

    def follow(self, change: StateChange, remaining_seconds: Callable[[], float]) -> str:
        """Act on one event; returns what was done, in one word.

        While another update of the stack runs this waits, as long as `remaining_seconds()` allows. A rollout with a
        canary can take longer than the 15 minutes a function may run; Lambda then delivers the event again, twice,
        one and two minutes later (the asynchronous default), which with a 15-minute timeout adds up to 48 minutes.

        Raises:
            StackBusyError: the other update outlasted this invocation.
            botocore.exceptions.ClientError: nothing was decided; the event has to be delivered again.
        """
        if change.group != self.group:
            return "other_group"
        if change.approval == "Approved":
            return self._approved(change.package_arn, remaining_seconds)
        if change.approval == "Rejected":
            return self._rejected(change.package_arn)
        if change.approval == "PendingManualApproval":
            return self._registered(change.package_arn)
        return "not_an_approval"

    def conclude(self, token: Token, status: str, stack_arn: str) -> str:
        """Say how a release has ended, having asked the endpoint; returns how, in one word.

        A release that CloudFormation calls done, but whose model does not answer, is rolled back: where no alarm
        guards the traffic, as with a serverless endpoint, nobody else would. So is one whose package was rejected
        while it was rolled out.

        Raises:
            botocore.exceptions.ClientError: nothing was said; the event has to be delivered again.
        """
        released = self._arn(token.version, stack_arn)
        replaced = self._arn(token.replaced, stack_arn)
        if status == "UPDATE_ROLLBACK_COMPLETE":
            # Where the failed update was itself a rollback, the release that failed is the one that it replaced.
            failed = replaced if token.restoring else released
            reasons = self.stack.failures(token)
            self.notifier.rolled_back(failed, self.endpoint.package(), reasons)
            return self._ended(token, released, "rolled_back", f"It was rolled back: {_first_reason(reasons)}.")
        if status != "UPDATE_COMPLETE":
            reasons = self.stack.failures(token)
            self.notifier.stuck(released, self.stack.name, status, reasons)
            return self._ended(
                token, released, "stuck", f"The stack {self.stack.name} is {status}: {_first_reason(reasons)}."
            )
        if not token.restoring and token.replaced and self._is_rejected(released):
            return self._roll_back(token, released, replaced, "It was rejected while it was rolled out.")
        try:
            evidence = self._verify(released)
        except NotServingError as problem:
            return self._roll_back(token, released, replaced, str(problem))
        if token.restoring:
            self.notifier.rolled_back(replaced, released, [])
            return "restored"
        self.notifier.released(released, answered=evidence.answered)
        return self._ended(token, released, "released", "The endpoint was asked, and serves it.")

    def _verify(self, arn: str) -> Evidence:
        package = self._package(arn)
        digest = self.signature_gate.served_digest(package.described) if package is not None else None
        return self.endpoint.verify(arn, digest)

    def _ended(self, token: Token, released: str, outcome: str, sentence: str) -> str:
        if token.restoring:  # that the release before it failed was said when it was rolled back
            return outcome
        return self.verdicts.record(released, token.text, outcome, sentence)

    def _is_rejected(self, arn: str) -> bool:
        package = self._package(arn)
        return package is not None and package.approval == "Rejected"

    def _roll_back(self, token: Token, released: str, replaced: str, problem: str) -> str:
        try:
            state = self.stack.state()
            if state.busy or state.package_arn != released:
                # By another update, whose end will be told.
                sentence = f"Another release began before it was asked whether it serves: that of {state.package_arn}."
                return self._ended(token, released, "overtaken", sentence)
            if token.restoring or not token.replaced:
                self.notifier.unverified(released, self.stack.name, problem)
                return self._ended(token, released, "unverified", f"{problem} There is no version to put back.")
            back = Token.make(replaced, released, occasion=token.text, restoring=True)
            self.stack.release(replaced, state, back)
        except StackRefusedError as refusal:
            reason = f"{problem} It could not be rolled back: {refusal}"
            self.notifier.failed(released, self.stack.name, reason)
            return self._ended(token, released, "failed", reason)
        self.notifier.taken_back(released, replaced, problem)
        return self._ended(token, released, "taken_back", f"{problem} {replaced} is being put back.")

    def _arn(self, version: int, stack_arn: str) -> str:
        """The group's version in the account and region of the stack."""
        _, partition, _, region, account, _ = stack_arn.split(":", 5)
        return f"arn:{partition}:sagemaker:{region}:{account}:model-package/{self.group}/{version}"

    def _registered(self, arn: str) -> str:
        package = self._package(arn)
        if package is None or package.approval != "PendingManualApproval" or package.status != "Completed":
            return "stale"
        if not package.just_registered:
            return "set_back"
        self.notifier.approval_wanted(arn, evaluated_first=self.site_gate is not None)
        return "approval_wanted"

    def _approved(self, arn: str, remaining_seconds: Callable[[], float]) -> str:
        package = None
        try:
            while True:
                # Read again on every turn: the approval can be withdrawn while this waits.
                package = self._package(arn)
                if package is None or package.approval != "Approved" or package.status != "Completed":
                    if package is not None and package.approval == "Rejected":
                        self._without_update(package, "withdrawn", "It was rejected before its release began.")
                    return "stale"
                state = self.stack.state()
                if state.releasing(arn):
                    return "already_requested"
                decided = self._attempt(package, state)
                if isinstance(decided, str):
                    return decided
                if remaining_seconds() < decided.seconds + _RESERVE_SECONDS:
                    raise StackBusyError(f"{arn} still waits: {decided.reason}.")
                self.sleep(decided.seconds)
        except StackRefusedError as refusal:
            # Told to people instead of raised: asking again cannot help, and would tell them three times.
            self.notifier.failed(arn, self.stack.name, str(refusal))
            if package is None:
                return "failed"
            return self._without_update(package, "failed", f"The stack could not be updated: {refusal}")

    def _attempt(self, package: ModelPackage, state: StackState) -> str | _Wait:
        """The outcome of an approval, or what it has to wait for."""
        if not state.busy:
            try:
                return self._update(package, state)
            except NotYetSignedError:
                return _Wait(SIGNATURE_POLL_SECONDS, "what was registered is not signed yet")
            except StackRefusedError:
                # Refused for good, or only because another update began since the state was read?
                state = self.stack.state()
                if not state.busy:
                    raise
        return _Wait(self.poll_seconds, f"the stack {self.stack.name} is {state.status}")

    def _update(self, package: ModelPackage, state: StackState) -> str:
        if self._overtaken(package, state):
            self.notifier.superseded(package.arn, state.package_arn)
            sentence = f"{state.package_arn} was approved after it and is what is served."
            return self._without_update(package, "superseded", sentence)
        # What serves already is let through: there is nothing to hold back.
        objection = self._objection(package) if state.package_arn != package.arn else None
        if objection is not None:
            self.notifier.held_back(package.arn, state.package_arn, objection.reason, objection.advice)
            return self._without_update(package, objection.outcome, str(objection))
        remark = self.signature_gate.remark(package.described)
        token = Token.make(package.arn, state.package_arn, occasion=str(package.modified))
        if not self.stack.release(package.arn, state, token):
            if state.package_arn != package.arn:
                return "already_requested"
            try:
                self._verify(package.arn)
            except NotServingError as problem:
                return self._without_update(package, "unverified", str(problem))
            self._without_update(package, "released", "The endpoint was asked, and serves it.")
            return "already_serving"
        self.notifier.requested(package.arn, self.stack.name, state.package_arn, remark)
        return "requested"

    def _objection(self, package: ModelPackage) -> Objection | None:
        found = self.signature_gate.objection(package.described)
        if found is None and self.site_gate is not None:
            found = self.site_gate.objection(package.arn.rpartition("/")[2])
        return found

    def _without_update(self, package: ModelPackage, outcome: str, sentence: str) -> str:
        """The verdict on an approval that led to no update."""
        return self.verdicts.record(package.arn, f"{package.approval} {package.modified}", outcome, sentence)

    def _overtaken(self, package: ModelPackage, state: StackState) -> bool:
        """Whether what serves was approved after this package, and still is: this event is late or a repeat."""
        if state.package_arn in {"", package.arn}:
            return False
        serving = describe(self.sagemaker, state.package_arn)
        if serving is None or serving.approval != "Approved" or not serving.modified or not package.modified:
            return False
        return serving.modified > package.modified

    def _rejected(self, arn: str) -> str:
        package = self._package(arn)
        if package is None or package.approval != "Rejected":
            return "stale"
        try:
            state = self.stack.state()
        except StackRefusedError:
            return "rejected"
        if state.package_arn != arn:
            return "rejected"
        self.notifier.rejected_while_serving(arn, self.stack.name)
        return "rejected_while_serving"

    def _package(self, arn: str) -> ModelPackage | None:
        package = describe(self.sagemaker, arn)
        # The event's group is a claim; the registry's is what the permission is about.
        return package if package is not None and package.group == self.group else None


def _first_reason(reasons: list[str]) -> str:
    return (reasons[0] if reasons else "CloudFormation gives no reason").rstrip(".")
