"""What people are told about releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient


@dataclass(frozen=True)
class Notifier:
    """The notification topic. `event` is a message attribute, so that subscriptions can filter."""

    sns: SNSClient
    topic_arn: str

    def _publish(self, event: str, subject: str, *lines: str) -> None:
        self.sns.publish(
            TopicArn=self.topic_arn,
            Subject=subject[:100],  # SNS refuses longer ones
            Message="\n".join(lines),
            MessageAttributes={"event": {"DataType": "String", "StringValue": event}},
        )

    def requested(self, package_arn: str, stack: str, replaced_arn: str) -> None:
        """The stack update was accepted."""
        self._publish(
            "release_requested",
            f"Release of model version {_version(package_arn)} started",
            f"{package_arn} was approved and the stack {stack} is being updated to serve it.",
            f"It replaces {replaced_arn}." if replaced_arn else "It is the first model of this endpoint.",
            "CloudFormation shifts the traffic and rolls back by itself when an alarm of the endpoint fires.",
        )

    def failed(self, package_arn: str, stack: str, reason: str) -> None:
        """CloudFormation refused the update."""
        self._publish(
            "release_failed",
            f"Release of model version {_version(package_arn)} failed",
            f"{package_arn} was approved but the stack {stack} could not be updated; what served before still serves.",
            f"Why: {reason}",
            "What to do: bring the stack into a state that can be updated (its events in CloudFormation say what "
            "failed), then approve the package again.",
        )

    def superseded(self, package_arn: str, serving_arn: str) -> None:
        """A later approval has been released already."""
        self._publish(
            "release_superseded",
            f"Model version {_version(package_arn)} was not released",
            f"{package_arn} is approved, but {serving_arn} was approved after it and is the one to serve.",
            "To go back to the earlier version, reject the later one, then set the earlier one to "
            "PendingManualApproval and approve it.",
        )

    def rejected_while_serving(self, package_arn: str, stack: str) -> None:
        """The package that serves was rejected, which by itself changes nothing."""
        set_status = "aws sagemaker update-model-package --model-package-arn <arn of an earlier version>"
        self._publish(
            "serving_model_rejected",
            f"Rejected model version {_version(package_arn)} is still serving",
            f"{package_arn} was rejected, but it is the model of the stack {stack} and still serves: "
            "rejecting a version takes nothing off the endpoint.",
            "To roll back, approve the version to return to. One that is Approved already has to be set back first:",
            f"  {set_status} --model-approval-status PendingManualApproval",
            f"  {set_status} --model-approval-status Approved",
        )


def _version(package_arn: str) -> str:
    return package_arn.rsplit("/", 1)[-1]
