"""An asynchronous endpoint reads its requests from S3, writes answers and failures there, and tells topics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.fake_cloud import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.hosted import Hosting

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def notified(hosting: Hosting) -> Callable[[], list[dict[str, Any]]]:
    """The endpoint `queued`; called, what its topics told so far."""
    topics = {name: hosting.client("sns").create_topic(Name=name)["TopicArn"] for name in ("done", "failed")}
    hosting.allow("sns", {"Effect": "Allow", "Action": "sns:Publish", "Resource": list(topics.values())})
    sqs = hosting.client("sqs")
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    deliver = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**deliver, "Resource": arn}]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    for topic in topics.values():
        hosting.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    output = {
        "S3OutputPath": "s3://artifacts/answers",
        "S3FailurePath": "s3://artifacts/failures",
        "NotificationConfig": {"SuccessTopic": topics["done"], "ErrorTopic": topics["failed"]},
    }
    config = {"OutputConfig": output, "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2}}
    hosting.endpoint("queued", hosting.config("queued", hosting.model("queued"), AsyncInferenceConfig=config))
    told: list[dict[str, Any]] = []

    def receive() -> list[dict[str, Any]]:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            told.append(json.loads(json.loads(message["Body"])["Message"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return told

    return receive


def queue(hosting: Hosting, key: str, body: bytes, **more: Any) -> dict[str, Any]:
    hosting.s3.put_object(Bucket="artifacts", Key=key, Body=body)
    answer: dict[str, Any] = hosting.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="queued", InputLocation=f"s3://artifacts/{key}", ContentType="text/plain", **more
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    return answer


def test_an_answer_is_written_where_the_request_was_told(hosting: Hosting, notified: Callable[[], Any]) -> None:
    queued = queue(hosting, "requests/four", b"four", InferenceId="request-4")

    answer = json.loads(wait_for(lambda: hosting.read(queued["OutputLocation"])))

    assert queued["InferenceId"] == "request-4"
    assert queued["OutputLocation"].startswith("s3://artifacts/answers/")
    assert (answer["length"], answer["type"]) == (4, "text/plain")
    told = wait_for(lambda: [item for item in notified() if item["inferenceId"] == "request-4"])[0]
    assert told["invocationStatus"] == "Completed"
    assert told["responseParameters"]["outputLocation"] == queued["OutputLocation"]
    assert told["requestParameters"]["inputLocation"] == "s3://artifacts/requests/four"


def test_a_small_input_may_travel_in_the_request_itself(hosting: Hosting, notified: Callable[[], Any]) -> None:
    runtime = hosting.client("sagemaker-runtime")
    queued = runtime.invoke_endpoint_async(
        EndpointName="queued", ContentType="text/plain", Body=b"four", InferenceId="inline"
    )

    answer = json.loads(wait_for(lambda: hosting.read(queued["OutputLocation"])))

    assert (answer["length"], answer["type"]) == (4, "text/plain")
    told = wait_for(lambda: [item for item in notified() if item["inferenceId"] == "inline"])[0]
    assert "inputLocation" not in told["requestParameters"]
    for wrong in ({}, {"Body": b"four", "InputLocation": "s3://artifacts/requests/four"}):
        with pytest.raises(ClientError, match="Exactly one of Body and InputLocation"):
            runtime.invoke_endpoint_async(EndpointName="queued", **wrong)
    with pytest.raises(ClientError, match="Body has 128001 bytes"):
        runtime.invoke_endpoint_async(EndpointName="queued", Body=bytes(128_001))


def test_a_failure_is_written_apart_with_what_the_container_said(hosting: Hosting, notified: Callable[[], Any]) -> None:
    queued = queue(hosting, "requests/no-text", b"\xff\xfe", InferenceId="no-text")

    said = wait_for(lambda: hosting.read(queued["FailureLocation"]))

    assert b"can't decode" in said
    assert hosting.read(queued["OutputLocation"]) is None
    told = wait_for(lambda: [item for item in notified() if item["inferenceId"] == "no-text"])[0]
    assert told["invocationStatus"] == "Failed"
    assert "can't decode" in told["failureReason"]


def test_what_the_role_may_not_read_fails(hosting: Hosting, notified: Callable[[], Any]) -> None:
    hosting.s3.create_bucket(Bucket="closed")
    hosting.s3.put_object(Bucket="closed", Key="request", Body=b"abc")
    queued = hosting.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="queued", InputLocation="s3://closed/request"
    )
    assert b"AccessDenied" in wait_for(lambda: hosting.read(queued["FailureLocation"]))


def test_each_kind_of_endpoint_takes_its_own_kind_of_request(hosting: Hosting, notified: Callable[[], Any]) -> None:
    with pytest.raises(ClientError, match="InvokeEndpointAsync only"):
        hosting.ask("queued")
    hosting.endpoint("direct", hosting.config("direct", hosting.model("direct")))
    with pytest.raises(ClientError, match="is not asynchronous"):
        hosting.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName="direct", InputLocation="s3://artifacts/requests/four"
        )
    with pytest.raises(ClientError, match="not found"):
        hosting.client("sagemaker-runtime").invoke_endpoint_async(EndpointName="none", InputLocation="s3://a/b")
