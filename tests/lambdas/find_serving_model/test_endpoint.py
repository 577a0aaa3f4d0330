"""From the endpoint's name to the package it serves; the stubber refuses every call that was not announced."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from lambdas.find_serving_model.endpoint import Endpoint, NoPackageError, ServedModel

NAME = "cxr-dev"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
PACKAGE = f"{ARN}model-package/{NAME}/7"
ARTIFACT = "s3://artifacts/executions/abc/model/job/output/model.tar.gz"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SageMaker:
    """Announces the calls and their answers, in order."""

    def __init__(self):
        self.client = boto3.client("sagemaker")
        self.stubber = Stubber(self.client)
        self.slept = []

    def endpoint(self, status="InService", config="config-1", **more):
        answer = {
            "EndpointName": NAME,
            "EndpointArn": f"{ARN}endpoint/{NAME}",
            "EndpointStatus": status,
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            **({"EndpointConfigName": config} if config else {}),
            **more,
        }
        self.stubber.add_response("describe_endpoint", answer, {"EndpointName": NAME})

    def config(self, name="config-1", model="model-1"):
        answer = {
            "EndpointConfigName": name,
            "EndpointConfigArn": f"{ARN}endpoint-config/{name}",
            "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": model}],
            "CreationTime": NOW,
        }
        self.stubber.add_response("describe_endpoint_config", answer, {"EndpointConfigName": name})

    def model(self, name="model-1", **container):
        answer = {
            "ModelName": name,
            "ModelArn": f"{ARN}model/{name}",
            "PrimaryContainer": container or {"ModelPackageName": PACKAGE},
            "CreationTime": NOW,
        }
        self.stubber.add_response("describe_model", answer, {"ModelName": name})

    def package(self, arn=PACKAGE, *, baselines=None, **container):
        answer = {
            "ModelPackageName": arn,
            "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "CreationTime": NOW,
            "InferenceSpecification": {
                "Containers": [{"Image": "image", **(container or {"ModelDataUrl": ARTIFACT})}],
                "SupportedContentTypes": [],
                "SupportedResponseMIMETypes": [],
            },
            **({"DriftCheckBaselines": baselines} if baselines else {}),
        }
        self.stubber.add_response("describe_model_package", answer, {"ModelPackageName": arn})

    def refuses(self, operation, message, code="ValidationException"):
        self.stubber.add_client_error(operation, code, message)

    def served_model(self):
        return Endpoint(self.client, NAME, sleep=self.slept.append).served_model()


@pytest.fixture
def sagemaker(no_account):
    fake = SageMaker()
    with fake.stubber:
        yield fake
        fake.stubber.assert_no_pending_responses()


def test_endpoint_leads_to_its_package_and_artifact(sagemaker):
    sagemaker.endpoint()
    sagemaker.config()
    sagemaker.model()
    sagemaker.package()
    assert sagemaker.served_model() == ServedModel(PACKAGE, ARTIFACT)


def test_package_tells_where_its_reference_is(sagemaker):
    statistics = {"ContentType": "application/json", "S3Uri": "s3://artifacts/evaluation/reference.json"}
    sagemaker.endpoint()
    sagemaker.config()
    sagemaker.model()
    sagemaker.package(baselines={"ModelDataQuality": {"Statistics": statistics}})
    assert sagemaker.served_model().reference_uri == "s3://artifacts/evaluation/reference.json"


def test_container_s_own_variable_names_the_package_too(sagemaker):
    sagemaker.endpoint()
    sagemaker.config()
    sagemaker.model(Image="image", Environment={"MODEL_PACKAGE_ARN": PACKAGE})
    sagemaker.package()
    assert sagemaker.served_model() == ServedModel(PACKAGE, ARTIFACT)


def test_endpoint_that_does_not_exist_serves_nothing(sagemaker):
    sagemaker.refuses("describe_endpoint", f'Could not find endpoint "{ARN}endpoint/{NAME}".')
    assert sagemaker.served_model() is None


@pytest.mark.parametrize("status", ["Creating", "Deleting", "Failed", "OutOfService"])
def test_endpoint_that_does_not_answer_serves_nothing(sagemaker, status):
    sagemaker.endpoint(status)
    assert sagemaker.served_model() is None


def test_endpoint_without_a_configuration_serves_nothing(sagemaker):
    sagemaker.endpoint(config=None)
    assert sagemaker.served_model() is None


@pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"])
def test_what_is_being_released_is_not_yet_what_serves(sagemaker, status):
    sagemaker.endpoint(status, PendingDeploymentSummary={"EndpointConfigName": "config-2"})
    sagemaker.config("config-1")
    sagemaker.model()
    sagemaker.package()
    assert sagemaker.served_model() == ServedModel(PACKAGE, ARTIFACT)


@pytest.mark.parametrize("gone", ["describe_endpoint_config", "describe_model"])
def test_release_that_ends_while_this_looks_is_followed(sagemaker, gone):
    sagemaker.endpoint("Updating")
    if gone == "describe_model":
        sagemaker.config()
    sagemaker.refuses(gone, "Could not find it.")
    sagemaker.endpoint(config="config-2")
    sagemaker.config("config-2", "model-2")
    sagemaker.model("model-2", ModelPackageName=f"{ARN}model-package/{NAME}/8")
    sagemaker.package(f"{ARN}model-package/{NAME}/8")
    assert sagemaker.served_model().package_arn.endswith("/8")
    assert sagemaker.slept == [10]


def test_configuration_that_stays_away_is_said(sagemaker):
    for _ in range(3):
        sagemaker.endpoint()
        sagemaker.refuses("describe_endpoint_config", 'Could not find endpoint configuration "config-1".')
    with pytest.raises(NoPackageError, match="cxr-dev or its model was not there, 3 times"):
        sagemaker.served_model()
    assert sum(sagemaker.slept) < 60


def test_model_that_comes_from_no_package_is_said(sagemaker):
    sagemaker.endpoint()
    sagemaker.config()
    sagemaker.model(Image="image", ModelDataUrl=ARTIFACT)
    with pytest.raises(NoPackageError, match="model-1 of the endpoint cxr-dev comes from no model package"):
        sagemaker.served_model()


def test_package_that_was_deleted_is_not_taken_for_nothing(sagemaker):
    # It still answers, so a model that is worse than it must not pass unseen.
    sagemaker.endpoint()
    sagemaker.config()
    sagemaker.model()
    sagemaker.refuses("describe_model_package", f"Model Package {PACKAGE} does not exist.")
    with pytest.raises(NoPackageError, match="not in the registry any more: release another version"):
        sagemaker.served_model()


def test_package_without_an_artifact_is_said(sagemaker):
    sagemaker.endpoint()
    sagemaker.config()
    sagemaker.model()
    sagemaker.package(ImageDigest="sha256:0")
    with pytest.raises(NoPackageError, match="names no artifact"):
        sagemaker.served_model()


@pytest.mark.parametrize("operation", ["describe_endpoint", "describe_endpoint_config", "describe_model_package"])
def test_missing_permission_is_not_taken_for_nothing(sagemaker, operation):
    calls = {"describe_endpoint": [], "describe_endpoint_config": ["endpoint"]}
    for call in calls.get(operation, ["endpoint", "config", "model"]):
        getattr(sagemaker, call)()
    sagemaker.refuses(operation, "is not authorized to perform", code="AccessDeniedException")
    with pytest.raises(ClientError, match="not authorized"):
        sagemaker.served_model()
