"""Whoever asks which package an endpoint serves gets the same answer: functions and commands walk one way."""

from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from lambdas.aws.errors import is_absent
from lambdas.aws.served_package import LOOKS, Served, find
from lambdas.find_serving_model.endpoint import Endpoint, NoPackageError
from lambdas.release.endpoint import ServingEndpoint

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/7"


def absent(operation, what):
    return ClientError({"Error": {"Code": "ValidationException", "Message": f'Could not find {what} "x".'}}, operation)


@dataclass
class SageMaker:
    """An endpoint whose configuration is not there for the first so many looks, as after a release."""

    status: str | None = "InService"
    model: dict = field(default_factory=lambda: {"PrimaryContainer": {"ModelPackageName": PACKAGE}})
    vanished: int = 0
    looks: int = 0

    def describe_endpoint(self, **_request):
        self.looks += 1
        if self.status is None:
            raise absent("DescribeEndpoint", "endpoint")
        return {"EndpointStatus": self.status, "EndpointConfigName": "config", "FailureReason": "no capacity"}

    def describe_endpoint_config(self, **_request):
        if self.looks <= self.vanished:
            raise absent("DescribeEndpointConfig", "endpoint configuration")
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, **_request):
        return self.model

    def describe_model_package(self, **_request):
        return {"InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://a/model.tar.gz"}]}}


def everybody(sagemaker):
    """Served package, as each of those who ask finds it."""
    waits = []
    served = find(sagemaker, "cxr-dev", sleep=waits.append)
    sagemaker.looks = 0
    release = ServingEndpoint(sagemaker, None, "cxr-dev", waits.append).package()
    sagemaker.looks = 0
    try:
        model = Endpoint(sagemaker, "cxr-dev", waits.append).served_model()
    except NoPackageError:
        model = None
    return served.package_arn, release, model and model.package_arn


CONTAINER = {"ModelPackageName": PACKAGE}
VARIABLE = {"Environment": {"MODEL_PACKAGE_ARN": PACKAGE}}


@pytest.mark.parametrize(
    ("sagemaker", "package"),
    [
        (SageMaker(), PACKAGE),
        (SageMaker(status="Updating"), PACKAGE),
        (SageMaker(model={"PrimaryContainer": VARIABLE}), PACKAGE),
        (SageMaker(model={"Containers": [{}, CONTAINER]}), PACKAGE),
        (SageMaker(vanished=LOOKS - 1), PACKAGE),
        (SageMaker(vanished=LOOKS), None),
        (SageMaker(status=None), None),
        (SageMaker(status="Creating"), None),
        (SageMaker(status="OutOfService"), None),
        (SageMaker(model={"PrimaryContainer": {"Image": "somebody's"}}), None),
    ],
    ids=["served", "updating", "by its variable", "of several containers", "just released", "gone for good",
         "no endpoint", "creating", "out of service", "no package"],
)  # fmt: skip
def test_everybody_finds_the_same_package(sagemaker, package):
    assert everybody(sagemaker) == (package,) * 3


def test_what_is_known_of_an_endpoint_that_does_not_serve_is_said():
    assert find(SageMaker(status="Failed"), "cxr-dev") == Served("Failed", failure_reason="no capacity")


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ValidationException", 'Could not find endpoint "x".', True),
        ("ValidationError", "Endpoint x of account 1 not found.", True),
        ("ValidationException", "Model Package x does not exist.", True),
        ("ResourceNotFound", "Model Package Group does not exist", True),
        ("ValidationException", "1 validation error detected", False),
        ("AccessDeniedException", "not found by this role", False),
    ],
)
def test_what_is_not_there_is_told_from_what_is_wrong(code, message, expected):
    assert is_absent(ClientError({"Error": {"Code": code, "Message": message}}, "Describe")) is expected


def test_an_error_of_something_else_says_nothing_about_a_resource():
    assert not is_absent(KeyError("not found"))
