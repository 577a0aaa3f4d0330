"""Files of a deployment are copied to keys that stay, and CloudFormation hears about it whatever happens."""

import pytest

from lambdas.custom_resource.answer import WAITS_SECONDS

FILES = [
    {"FromBucketName": "assets", "FromKey": "ab.gz", "Key": "code/ab.tar.gz"},
    {"FromBucketName": "assets", "FromKey": "cd.zip", "Key": "code/cd.zip"},
]


@pytest.fixture
def publish(custom_resource):
    properties = {"BucketName": "artifacts", "Files": FILES}
    with custom_resource("publish", "s3", logical_id="Published", properties=properties) as resource:
        yield resource


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_every_file_is_copied(publish, request_type):
    call, stubber = publish
    for file in FILES:
        asked = {"CopySource": {"Bucket": "assets", "Key": file["FromKey"]}, "TaggingDirective": "REPLACE"}
        stubber.add_response("copy_object", {}, {"Bucket": "artifacts", "Key": file["Key"], **asked})

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
