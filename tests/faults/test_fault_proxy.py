"""The proxy itself: every kind of fault reaches a client as botocore knows it, as often as was asked for."""

from __future__ import annotations

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.errors import error_code
from tests.faults import fault_proxy
from tests.faults.fault_proxy import Fault
from tests.faults.services import Services

ONCE = Config(retries={"total_max_attempts": 1})
FAULTS = {
    "refused": (fault_proxy.SLOW_DOWN, "SlowDown"),
    "refused without a code": (fault_proxy.OVERLOADED, "503"),
    "reset": (fault_proxy.RESET, "ConnectionClosedError"),
    "lost": (fault_proxy.LOST, "ConnectionClosedError"),
    "cut": (fault_proxy.CUT, "ResponseStreamingError"),
}


@pytest.mark.parametrize(("fault", "seen"), FAULTS.values(), ids=FAULTS)
def test_s3_fails_so_often_and_is_itself_again(aws: Services, fault: Fault, seen: str) -> None:
    aws.client("s3").create_bucket(Bucket="data")
    aws.client("s3").put_object(Bucket="data", Key="a", Body=bytes(1000))
    s3 = boto3.client("s3", endpoint_url=aws.proxy.url, region_name="us-east-1", config=ONCE)
    aws.proxy.fail("GetObject", fault, times=2)
    for _ in range(2):
        with pytest.raises((ClientError, BotoCoreError)) as caught:
            s3.get_object(Bucket="data", Key="a")["Body"].read()
        assert (error_code(caught.value) or type(caught.value).__name__) == seen
    assert s3.get_object(Bucket="data", Key="a")["Body"].read() == bytes(1000)
    assert aws.proxy.asked == ["GetObject"] * 3
    assert len(aws.proxy.done) == (3 if fault.kind in {"lost", "cut"} else 1)


@pytest.mark.parametrize(
    ("service", "operation", "asked", "fault"),
    [
        ("dynamodb", "ListTables", {}, fault_proxy.THROUGHPUT_EXCEEDED),
        ("kms", "ListKeys", {}, fault_proxy.THROTTLING_EXCEPTION),
        ("sagemaker", "ListModels", {}, fault_proxy.THROTTLING_EXCEPTION),
        ("sns", "ListTopics", {}, fault_proxy.THROTTLING),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "a", "Body": b""}, fault_proxy.UNAVAILABLE),
    ],
)
def test_each_protocol_says_it_in_its_way(
    aws: Services, service: str, operation: str, asked: dict[str, object], fault: Fault
) -> None:
    client = boto3.client(service, endpoint_url=aws.proxy.url, region_name="us-east-1", config=ONCE)
    aws.proxy.fail(operation, fault, times=1)
    with pytest.raises(ClientError) as caught:
        getattr(client, xform_name(operation))(**asked)
    assert caught.value.response["Error"]["Code"] == fault.code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == fault.status
    getattr(client, xform_name(operation))(**asked)
    assert aws.proxy.done == [operation]
