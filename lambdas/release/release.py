"""What an approval or rejection means for the endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.release.package import ModelPackage, StateChange, describe
from lambdas.release.stack import EndpointStack, StackRefusedError, StackState

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

    from lambdas.release.notification import Notifier

POLL_SECONDS = 15.0
# What one more look at the stack and an update need, with retries.
_RESERVE_SECONDS = 20.0


class StackBusyError(RuntimeError):
    """Another update outlasted this invocation. Raised so that Lambda delivers the event again."""


@dataclass(frozen=True)
class Release:
    """Releases approved packages of one group onto one stack.

    Events come at least once and in any order, so an event is only a reason to look: the registry says what is
    approved now, the stack what serves now, and of two approved packages the one approved last wins.
    """

    sagemaker: SageMakerClient
    stack: EndpointStack
    notifier: Notifier
    group: str
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
        return "not_an_approval"

    def _approved(self, arn: str, remaining_seconds: Callable[[], float]) -> str:
        try:
            while True:
                # Read again on every turn: the approval can be withdrawn while this waits.
                package = self._package(arn)
                if package is None or package.approval != "Approved" or package.status != "Completed":
                    return "stale"
                state = self.stack.state()
                if state.releasing(arn):
                    return "already_requested"
                if not state.busy:
                    try:
                        return self._update(package, state)
                    except StackRefusedError:
                        # Refused for good, or only because another update began since the state was read?
                        state = self.stack.state()
                        if not state.busy:
                            raise
                if remaining_seconds() < self.poll_seconds + _RESERVE_SECONDS:
                    raise StackBusyError(
                        f"The stack {self.stack.name} is still {state.status}; {arn} waits for it to finish."
                    )
                self.sleep(self.poll_seconds)
        except StackRefusedError as refusal:
            # Told to people instead of raised: asking again cannot help, and would tell them three times.
            self.notifier.failed(arn, self.stack.name, str(refusal))
            return "failed"

    def _update(self, package: ModelPackage, state: StackState) -> str:
        if self._overtaken(package, state):
            self.notifier.superseded(package.arn, state.package_arn)
            return "superseded"
        if not self.stack.release(package.arn, state):
            return "already_serving"
        self.notifier.requested(package.arn, self.stack.name, state.package_arn)
        return "requested"

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
