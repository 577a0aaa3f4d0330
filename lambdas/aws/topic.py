"""SNS topic for notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient

MAX_SUBJECT_CHARACTERS = 100
"""SNS refuses longer subjects, and any with other than ASCII characters (API_Publish, 2026-11)."""


@dataclass(frozen=True)
class Topic:
    """The topic, by ARN."""

    sns: SNSClient
    arn: str

    def publish(self, event: str, subject: str, message: str, **attributes: str) -> None:
        """Publish a message to the topic.

        Args:
            event: name of what happened, a message attribute by which subscriptions can filter.
            subject: subject in ASCII; cut to what SNS takes.
        """
        self.sns.publish(
            TopicArn=self.arn,
            Subject=subject[:MAX_SUBJECT_CHARACTERS],
            Message=message,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in {"event": event, **attributes}.items()
            },
        )
