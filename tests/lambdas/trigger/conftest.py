"""The Trigger function's intake over a bucket of moto's, for the tests of this folder."""

import boto3
import pytest

from lambdas.trigger.archive import Limits
from lambdas.trigger.intake import Intake
from lambdas.trigger.upload import Announcement
from tests.lambdas.recorders import Pipeline, Topic

BUCKET = "data"
PACKAGES = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev"
KEY = "incoming/Chest X-ray (2018).zip"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def client():
    """Made once: loading S3's API description takes most of a second."""
    from moto import mock_aws

    with mock_aws():
        return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(client):
    from moto import mock_aws

    with mock_aws():
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def intake(s3):
    return Intake(
        s3=s3,
        sagemaker=Pipeline(),
        sns=Topic(),
        pipeline_name="cxr-dev",
        site_pipeline_name="cxr-dev-site-evaluation",
        calibration_pipeline_name="cxr-dev-calibration",
        packages_arn=PACKAGES,
        topic_arn="arn:aws:sns:us-east-1:123456789012:topic",
        limits=Limits(max_archive_bytes=100 * MIB, max_uncompressed_bytes=200 * MIB, max_files=1000),
    )


@pytest.fixture
def put(s3):
    def put(body, key=KEY):
        return Announcement(BUCKET, key, s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"])

    return put


@pytest.fixture
def calls(s3):
    """Operations and, of GetObject, answered bytes, as they went over the wire."""
    seen = []

    def record(model, parsed, **_):
        seen.append((model.name, parsed))

    s3.meta.events.register("after-call.s3", record)
    yield seen
    s3.meta.events.unregister("after-call.s3", record)


def keys(s3):
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}
