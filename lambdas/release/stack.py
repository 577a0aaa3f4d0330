"""The endpoint stack: which package it serves, and the one update this function may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

PARAMETER = "ModelPackageArn"

# The role's policy requires exactly this list (condition key cloudformation:ResourceTypes), so an update asked for
# here can touch nothing else, whatever the template says.
RESOURCE_TYPES = ("AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint")

_RELEASING = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"})


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
class EndpointStack:
    """The stack, by name."""

    cloudformation: CloudFormationClient
    name: str

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

    def release(self, package_arn: str, state: StackState) -> bool:
        """Ask for the update of the one parameter; False when the stack has that value already.

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
                Capabilities=["CAPABILITY_IAM"],
                ResourceTypes=list(RESOURCE_TYPES),
            )
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"].get("Message", ""):
                return False
            raise _refusal(error) from error
        return True


def _refusal(error: ClientError) -> Exception:
    """CloudFormation answers every request it will not fulfil with ValidationError; the rest may pass."""
    if error.response["Error"]["Code"] in {"ValidationError", "InsufficientCapabilitiesException"}:
        return StackRefusedError(error.response["Error"].get("Message", "") or "CloudFormation gave no reason.")
    return error
