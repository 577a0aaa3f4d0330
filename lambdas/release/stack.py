"""The endpoints' stack: its state, and the update that changes its model package."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

PARAMETER = "ModelPackageArn"

_RELEASING = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"})
_TOKEN = re.compile(r"^(?P<kind>release|restore)-(?P<version>\d+)-(?P<replaced>\d+)-[0-9a-f]{12}$")
# Of the events of one update; a longer list would only hold what failed because of the first.
_MOST_FAILURES = 5


class StackRefusedError(Exception):
    """CloudFormation will not make the update, however often it is asked. `str()` is its sentence."""


@dataclass(frozen=True)
class StackState:
    """The stack as it is now."""

    status: str
    package_arn: str
    """The parameter's value: the package serving, or being rolled out while an update runs. Empty before a release."""
    parameters: tuple[str, ...]
    """Names of all parameters."""

    @property
    def busy(self) -> bool:
        """Whether an update has to wait. A stack in review was never created and would be waited for in vain."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def releasing(self, package_arn: str) -> bool:
        """Whether this very package is being rolled out now."""
        return self.status in _RELEASING and self.package_arn == package_arn


@dataclass(frozen=True)
class Token:
    """ClientRequestToken of an update asked for here, by which its end is recognised among those of all updates.

    CloudFormation puts the token of a request into every event of the update (docs/adr/0017).
    """

    restoring: bool
    """Whether the update rolls a release back that could not be verified."""
    version: int
    """Of the package to serve."""
    replaced: int
    """Of the package that is replaced, and 0 where there is none."""
    text: str

    @classmethod
    def make(cls, package_arn: str, replaced_arn: str, *, occasion: str, restoring: bool = False) -> Token:
        """A token for one occasion: the same for a repeated event, which CloudFormation then takes once.

        Args:
            package_arn: ARN of the package to serve.
            replaced_arn: ARN of the package it replaces; empty for none.
            occasion: when the package was approved, or the token of the release that is rolled back.
            restoring: whether a release is rolled back.
        """
        version = _version(package_arn)
        replaced = _version(replaced_arn)
        unique = hashlib.sha256(f"{package_arn} {occasion} {restoring}".encode()).hexdigest()[:12]
        kind = "restore" if restoring else "release"
        return cls(restoring, version, replaced, f"{kind}-{version}-{replaced}-{unique}")

    @classmethod
    def read(cls, text: str) -> Token | None:
        """The token of an update, or None when the update was not asked for here."""
        match = _TOKEN.match(text)
        if match is None:
            return None
        return cls(match["kind"] == "restore", int(match["version"]), int(match["replaced"]), text)


@dataclass(frozen=True)
class EndpointStack:
    """The stack, by name.

    The role's policy requires exactly `resource_types` (condition key cloudformation:ResourceTypes), so an update asked
    for here can touch nothing else, whatever the template says.
    """

    cloudformation: CloudFormationClient
    name: str
    resource_types: tuple[str, ...]

    def state(self) -> StackState:
        """Read the stack.

        Raises:
            StackRefusedError: it does not exist, or is not the endpoint stack.
        """
        try:
            stack: StackTypeDef = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            raise _refusal(error) from error
        parameters = {item["ParameterKey"]: item.get("ParameterValue", "") for item in stack.get("Parameters", [])}
        if PARAMETER not in parameters:
            raise StackRefusedError(f"The stack {self.name} has no parameter {PARAMETER}: is it the endpoint stack?")
        return StackState(stack["StackStatus"], parameters[PARAMETER], tuple(parameters))

    def release(self, package_arn: str, state: StackState, token: Token) -> bool:
        """Ask for the update of the one parameter; False when the stack has that value, or was asked on that occasion.

        Raises:
            StackRefusedError: the stack is in a state, or the update of a kind, that CloudFormation refuses.
        """
        parameters: list[ParameterTypeDef] = [{"ParameterKey": PARAMETER, "ParameterValue": package_arn}]
        for key in state.parameters:
            if key != PARAMETER:
                parameters.append({"ParameterKey": key, "UsePreviousValue": True})
        try:
            self.cloudformation.update_stack(
                StackName=self.name,
                UsePreviousTemplate=True,
                Parameters=parameters,
                # No Capabilities: only one of the two may be given (botocore 1.43's service model), and none is needed.
                ResourceTypes=list(self.resource_types),
                ClientRequestToken=token.text,
            )
        except ClientError as error:
            answer = error.response["Error"]
            if "No updates are to be performed" in answer.get("Message", ""):
                return False
            if answer["Code"] == "TokenAlreadyExistsException":
                return False
            raise _refusal(error) from error
        return True

    def failures(self, token: Token) -> list[str]:
        """Failures in the update with that token, the first failure first, each as `LogicalId: reason`."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
        found: list[str] = []
        began = False
        for event in (event for page in pages for event in page["StackEvents"]):
            if event.get("ClientRequestToken") != token.text:
                if began:  # events are told newest first: what follows is older than the update
                    break
                continue
            began = True
            if event.get("ResourceStatus", "").endswith("_FAILED"):
                found.append(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}")
        return found[::-1][:_MOST_FAILURES]


def update_ended(event: dict[str, Any]) -> tuple[Token, str, str] | None:
    """Token, status and stack ARN of a "CloudFormation Stack Status Change" event of an update asked for here."""
    if event.get("source") != "aws.cloudformation" or event.get("detail-type") != "CloudFormation Stack Status Change":
        return None
    detail = event.get("detail") or {}
    token = Token.read(detail.get("client-request-token") or "")
    status = (detail.get("status-details") or {}).get("status")
    if token is None or not status or not detail.get("stack-id"):
        return None
    return token, status, detail["stack-id"]


def _version(package_arn: str) -> int:
    last = package_arn.rpartition("/")[2]
    return int(last) if last.isdigit() else 0


def _refusal(error: ClientError) -> Exception:
    """CloudFormation answers every request it will not fulfil with ValidationError; the rest may pass."""
    if error.response["Error"]["Code"] in {"ValidationError", "InsufficientCapabilitiesException"}:
        return StackRefusedError(error.response["Error"].get("Message", "") or "CloudFormation gave no reason.")
    return error
