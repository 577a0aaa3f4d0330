"""A registration is signed once, soon, and by what the registry says."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.lambdas.signing import BUCKET, KEY, Artifacts, Kms, refusal

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/3"
EVENT = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Model Package State Change",
    "detail": {
        "ModelPackageGroupName": "cxr-dev",
        "ModelPackageArn": ARN,
        "ModelApprovalStatus": "PendingManualApproval",
    },
}


class Registry:
    def __init__(self):
        self.packages = {
            ARN: {
                "ModelPackageArn": ARN,
                "ModelPackageGroupName": "cxr-dev",
                "CreationTime": datetime.now(UTC),
                "InferenceSpecification": {
                    "Containers": [{"ModelDataUrl": f"s3://{BUCKET}/executions/e/served.tar.gz"}]
                },
            }
        }

    def describe_model_package(self, *, ModelPackageName):  # noqa: N803
        if ModelPackageName not in self.packages:
            raise refusal("DescribeModelPackage", "ValidationException", "Model Package does not exist")
        return self.packages[ModelPackageName]


@pytest.fixture
def sign(load_handler, monkeypatch, context):
    module, handle = load_handler(
        "lambdas.sign.handler.handle",
        MODEL_PACKAGE_GROUP_NAME="cxr-dev",
        ARTIFACT_BUCKET_NAME=BUCKET,
        SIGNING_KEY_ARN=KEY,
    )
    registry, artifacts = Registry(), Artifacts()
    artifacts.objects["executions/e/served.tar.gz"] = b"model"
    clients = {"sagemaker": registry, "s3": artifacts, "kms": Kms()}
    monkeypatch.setattr(module.boto3, "client", lambda service, **_: clients[service])

    def deliver(**detail):
        return handle({**EVENT, "detail": {**EVENT["detail"], **detail}}, context)["status"]

    deliver.registry, deliver.artifacts = registry, artifacts
    return deliver


def statements(sign):
    return [key for key in sign.artifacts.objects if key.startswith("signatures/3/")]


def test_a_registration_is_signed_and_a_repeated_event_changes_nothing(sign):
    assert sign() == "signed"
    (key,) = statements(sign)
    before = sign.artifacts.objects[key]
    assert sign() == "signed_already"
    assert sign.artifacts.objects[key] == before


def test_another_group_is_not_signed_whatever_the_event_calls_it(sign):
    assert sign(ModelPackageGroupName="other") == "ignored"
    sign.registry.packages[ARN]["ModelPackageGroupName"] = "other"
    assert sign() == "ignored"
    assert statements(sign) == []


def test_long_after_its_registration_nothing_is_signed_whoever_asks(sign):
    sign.registry.packages[ARN]["CreationTime"] = datetime.now(UTC) - timedelta(hours=2)
    assert sign() == "too_late"
    assert statements(sign) == []


def test_a_package_that_was_deleted_is_no_failure(sign):
    sign.registry.packages.clear()
    assert sign() == "gone"


def test_a_model_that_is_not_there_fails_and_is_tried_again(sign):
    del sign.artifacts.objects["executions/e/served.tar.gz"]
    with pytest.raises(Exception, match=r"The model of .*/3 is not where its package says"):
        sign()
    assert statements(sign) == []
