"""Retraining on a drift alarm, with the newest dataset that a model was trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.aws.topic import Topic
from lambdas.trigger import dataset

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sns.client import SNSClient


@dataclass(frozen=True)
class Alarm:
    """An alarm that went off; `event` is the event's id, the same when it is delivered again."""

    name: str
    event: str

    @property
    def token(self) -> str:
        """64 hexadecimal characters that stand for this event: the execution's ClientRequestToken."""
        return hashlib.sha256(f"{self.name}\n{self.event}".encode()).hexdigest()


def alarm(event: dict[str, Any]) -> Alarm | None:
    """Read an EventBridge event of CloudWatch; None for anything but an alarm that went off."""
    if event.get("source") != "aws.cloudwatch" or event.get("detail-type") != "CloudWatch Alarm State Change":
        return None
    detail = event.get("detail") or {}
    name, identifier = detail.get("alarmName"), event.get("id")
    if not name or not identifier or (detail.get("state") or {}).get("value") != "ALARM":
        return None
    return Alarm(name, identifier)


@dataclass(frozen=True)
class Retraining:
    """Retraining on the drift alarm. A repeat starts nothing twice, but may tell people twice."""

    s3: S3Client
    sagemaker: SageMakerClient
    sns: SNSClient
    pipeline_name: str
    topic_arn: str
    data_bucket: str

    def start(self, alarm: Alarm) -> dict[str, Any]:
        """Start the pipeline on the newest dataset that has trained, and tell people; without one, tell that.

        Raises:
            botocore.exceptions.ClientError: nothing may have happened; the event has to be delivered again.
        """
        topic = Topic(self.sns, self.topic_arn)
        dataset_uri = dataset.newest_trained(self.s3, self.sagemaker, self.data_bucket, self.pipeline_name)
        if dataset_uri is None:
            topic.publish(
                "retraining_impossible",
                "Drift, and nothing to train on",
                f"The alarm {alarm.name} went off, but no model was trained on any archive that is kept.\n\n"
                "What to do: upload an archive below incoming/ of the data bucket, or see in `cxr executions` why the "
                "last one did not train.",
            )
            return {"status": "no_dataset", "alarm": alarm.name}
        execution_arn = dataset.start(
            self.sagemaker,
            self.pipeline_name,
            dataset_uri,
            token=alarm.token,
            name=f"drift-{alarm.token[:8]}",
            description=f"{alarm.name} went off",
        )
        topic.publish(
            "retraining_started",
            "Drift: training was started",
            f"The alarm {alarm.name} went off, so training was started on the newest dataset that a model was "
            "trained on before.\n\n"
            f"Dataset: {dataset_uri}\nExecution: {execution_arn}\n\n"
            "What to do: if this dataset has no radiographs like those that changed, upload an archive that has. "
            "Nothing is released before somebody approves it.",
        )
        return {
            "status": "started",
            "alarm": alarm.name,
            "execution_arn": execution_arn,
            "archive_uri": dataset_uri,
        }
