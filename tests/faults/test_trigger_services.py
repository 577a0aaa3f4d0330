"""The Trigger function while services throttle it or break off: it starts each upload once, or nothing at all."""

from __future__ import annotations

import json
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.faults import fault_proxy
from tests.faults.archives import good, zipped
from tests.faults.conftest import BUCKET, CONTEXT, ENVIRONMENT, KEY
from tests.faults.fault_proxy import Fault
from tests.faults.services import Services
from tests.lambdas.recorders import Pipeline

REPORT = f"{KEY}.rejected.json"


class Uploads:
    """The function, and the data bucket behind the faults."""

    def __init__(self, aws: Services) -> None:
        self.aws, self.s3, self.pipeline = aws, aws.client("s3"), Pipeline()
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        topic = aws.client("sns").create_topic(Name="topic")["TopicArn"]
        # moto takes a token for a new execution each time; SageMaker does not.
        aws.proxy.stand_in(
            "StartPipelineExecution", lambda body: self.pipeline.start_pipeline_execution(**json.loads(body))
        )
        self.trigger: ModuleType = aws.function(
            "lambdas.trigger.handler", **{**ENVIRONMENT, "NOTIFICATION_TOPIC_ARN": topic}
        )

    def upload(self, body: bytes) -> dict[str, Any]:
        version = self.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)["VersionId"]
        detail = {"bucket": {"name": BUCKET}, "object": {"key": KEY, "version-id": version}}
        return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        return dict(self.trigger.handle(event, SimpleNamespace(**vars(CONTEXT))))

    def keys(self) -> list[str]:
        return sorted(item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"])


@pytest.fixture
def uploads(aws: Services) -> Uploads:
    return Uploads(aws)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("HeadObject", fault_proxy.SLOW_DOWN),
        ("GetObject", fault_proxy.SLOW_DOWN),
        ("GetObject", fault_proxy.OVERLOADED),
        ("GetObject", fault_proxy.RESET),
        ("CopyObject", fault_proxy.SLOW_DOWN),
        ("CopyObject", fault_proxy.FAILED_LATE),
        ("CopyObject", fault_proxy.RESET),
        ("StartPipelineExecution", fault_proxy.THROTTLING_EXCEPTION),
        ("StartPipelineExecution", fault_proxy.RESET),
    ],
)
def test_what_fails_twice_is_asked_a_third_time_and_starts_once(uploads: Uploads, operation: str, fault: Fault) -> None:
    body = zipped(good())
    event = uploads.upload(body)
    uploads.aws.proxy.fail(operation, fault, times=2)
    outcome = uploads.handle(event)
    assert outcome["status"] == "started"
    assert len(uploads.pipeline.requests) == 1
    assert uploads.aws.proxy.done.count("CopyObject") == 1
    assert uploads.aws.proxy.asked.count(operation) == uploads.aws.proxy.done.count(operation) + 2
    copy = outcome["archive_uri"].removeprefix(f"s3://{BUCKET}/")
    assert uploads.s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == body
    assert uploads.keys() == [copy, KEY]


@pytest.mark.parametrize("operation", ["CopyObject", "StartPipelineExecution"])
def test_an_answer_that_gets_lost_makes_nothing_twice(uploads: Uploads, operation: str) -> None:
    event = uploads.upload(zipped(good()))
    uploads.aws.proxy.fail(operation, fault_proxy.LOST, times=1)
    assert uploads.handle(event)["status"] == "started"
    assert uploads.aws.proxy.done.count(operation) == 2, "it was done before its answer got lost"
    assert len(uploads.pipeline.executions) == 1
    assert len(uploads.keys()) == 2


def test_a_start_of_which_no_answer_comes_is_the_next_delivery_s_too(uploads: Uploads) -> None:
    event = uploads.upload(zipped(good()))
    uploads.aws.proxy.fail("StartPipelineExecution", fault_proxy.LOST)
    with pytest.raises(BotoCoreError):
        uploads.handle(event)
    uploads.aws.proxy.mend()
    assert uploads.handle(event)["execution_arn"] == next(iter(uploads.pipeline.executions.values()))
    assert len(uploads.pipeline.executions) == 1


@pytest.mark.parametrize(
    ("operation", "fault", "copied"),
    [
        ("HeadObject", fault_proxy.SLOW_DOWN, False),
        ("GetObject", fault_proxy.SLOW_DOWN, False),
        ("GetObject", fault_proxy.CUT, False),
        ("CopyObject", fault_proxy.SLOW_DOWN, False),
        ("StartPipelineExecution", fault_proxy.THROTTLING_EXCEPTION, True),
    ],
)
def test_what_fails_for_good_is_delivered_again(
    uploads: Uploads, operation: str, fault: Fault, *, copied: bool
) -> None:
    """Lambda does so when the function raises. Nobody is told that a good archive is bad, and nothing runs."""
    event = uploads.upload(zipped(good()))
    uploads.aws.proxy.fail(operation, fault)
    with pytest.raises((ClientError, BotoCoreError, OSError)):
        uploads.handle(event)
    assert uploads.pipeline.executions == {}
    assert "Publish" not in uploads.aws.proxy.asked
    assert len(uploads.keys()) == 1 + copied, "the copy alone, which the next delivery finds"
    uploads.aws.proxy.mend()
    assert uploads.handle(event)["status"] == "started"
    assert uploads.aws.proxy.done.count("CopyObject") == (not copied)
    assert len(uploads.pipeline.executions) == 1


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("Publish", fault_proxy.THROTTLING),
        ("PutObject", fault_proxy.SLOW_DOWN),
        ("PutObject", fault_proxy.RESET),
    ],
)
def test_a_refusal_is_reported_once_and_kept(uploads: Uploads, operation: str, fault: Fault) -> None:
    event = uploads.upload(b"no archive")
    uploads.aws.proxy.fail(operation, fault, times=2)
    assert uploads.handle(event) == uploads.handle(event) | {"first_time": True}
    assert [name for name in uploads.aws.proxy.done if name in {"Publish", "PutObject"}] == ["Publish", "PutObject"]
    assert uploads.keys() == [KEY, REPORT]


def test_a_report_that_cannot_be_written_is_made_by_the_next_delivery(uploads: Uploads) -> None:
    event = uploads.upload(b"no archive")
    uploads.aws.proxy.fail("PutObject", fault_proxy.SLOW_DOWN)
    with pytest.raises(ClientError):
        uploads.handle(event)
    assert uploads.keys() == [KEY]
    uploads.aws.proxy.mend()
    assert uploads.handle(event)["status"] == "rejected"
    assert uploads.keys() == [KEY, REPORT]
