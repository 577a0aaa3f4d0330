"""Files of a deployment are copied to keys that stay, and CloudFormation hears about it whatever happens."""

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.custom_resource.answer import WAITS_SECONDS

FILES = [
    {"FromBucketName": "assets", "FromKey": "ab.gz", "Key": "code/ab.tar.gz"},
    {"FromBucketName": "assets", "FromKey": "cd.zip", "Key": "code/cd.zip"},
]


@pytest.fixture
def publish(load_handler, monkeypatch, context, cloudformation):
    """Call the handler for one request; the stubber refuses every call to S3 that was not announced."""
    url, received = cloudformation
    module, handle = load_handler("lambdas.publish.handler.handle")
    client = boto3.client("s3")
    monkeypatch.setattr(module, "s3", lambda: client)

    def call(request: str):
        event = {
            "RequestType": request,
            "ResponseURL": url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Published",
            "ResourceProperties": {"ServiceToken": "arn", "BucketName": "artifacts", "Files": FILES},
        }
        handle(event, context)
        return received[-1]

    with Stubber(client) as stubber:
        yield call, stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_every_file_is_copied(publish, request_type):
    call, stubber = publish
    for file in FILES:
        source = {"Bucket": "assets", "Key": file["FromKey"]}
        stubber.add_response("copy_object", {}, {"Bucket": "artifacts", "Key": file["Key"], "CopySource": source})

    answer = call(request_type)

    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == "Published", "another id would have CloudFormation delete the older one"


def test_nothing_is_removed_while_an_execution_may_need_it(publish):
    call, _ = publish
    assert call("Delete")["Status"] == "SUCCESS"


def test_a_refusal_is_answered_with_its_reason_instead_of_silence(publish):
    call, stubber = publish
    for _ in range(1 + len(WAITS_SECONDS)):
        stubber.add_client_error("copy_object", "AccessDenied", "not allowed to copy")

    answer = call("Create")

    assert answer["Status"] == "FAILED"
    assert "not allowed to copy" in answer["Reason"]
