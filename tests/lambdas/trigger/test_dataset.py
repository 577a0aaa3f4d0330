"""The start and the notification as botocore's service models accept them: a fake would take any parameter."""

import boto3
from botocore.stub import ANY, Stubber

from lambdas.trigger import dataset, report
from lambdas.trigger.rejection import Reason, Rejection
from lambdas.trigger.upload import Upload

UPLOAD = Upload("data", "incoming/archive.zip", "v1", 10)


def client(service):
    return boto3.client(service, "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


def test_start_is_a_valid_request():
    sagemaker = client("sagemaker")
    with Stubber(sagemaker) as stub:
        stub.add_response("start_pipeline_execution", {"PipelineExecutionArn": "arn:execution"})
        asked = {"token": UPLOAD.token, "name": dataset.display_name(UPLOAD), "description": UPLOAD.uri}
        uri = "s3://data/datasets/0/archive.zip"
        assert dataset.start(sagemaker, "cxr-dev", uri, **asked) == "arn:execution"


def test_a_description_is_one_line():
    """A key may have line ends, and the service's pattern of a description has none: the start would be refused."""
    sagemaker = client("sagemaker")
    with Stubber(sagemaker) as stub:
        expected = {
            **dict.fromkeys(("PipelineName", "PipelineExecutionDisplayName", "PipelineParameters"), ANY),
            "PipelineExecutionDescription": "s3://data/incoming/a b.zip",
            "ClientRequestToken": UPLOAD.token,
        }
        stub.add_response("start_pipeline_execution", {"PipelineExecutionArn": "arn:execution"}, expected)
        asked = {"token": UPLOAD.token, "name": "chest", "description": "s3://data/incoming/a\nb.zip"}
        dataset.start(sagemaker, "cxr-dev", "s3://data/datasets/0/archive.zip", **asked)


def test_token_is_that_of_bucket_key_and_version():
    """The folder of the copy is a contract with preprocessing: sha256 of bucket, key and version, one a line."""
    assert UPLOAD.token == "4f90d2f5299a876a8942c6e34151db4c4fc4062a015c7991d807fe2e21771878"


def test_refusal_is_valid_to_sns_and_s3():
    sns, s3 = client("sns"), client("s3")
    rejection = Rejection(Reason.UNSAFE_NAME, "The entry räntgen\\n is unsafe.", entry="räntgen\n")
    with Stubber(sns) as topic, Stubber(s3) as bucket:
        bucket.add_client_error("head_object", "404", http_status_code=404)
        topic.add_response("publish", {"MessageId": "id"})
        bucket.add_response(
            "put_object",
            {},
            {
                "Bucket": "data",
                "Key": "incoming/archive.zip.rejected.json",
                "Body": ANY,
                "ContentType": "application/json",
                "Metadata": {"source-version-id": "v1"},
            },
        )
        assert report.publish(s3, sns, "arn:topic", UPLOAD, rejection)
        topic.assert_no_pending_responses()
        bucket.assert_no_pending_responses()
