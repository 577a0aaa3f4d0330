"""What serves is found from the endpoint, with the figures it was registered with, and looked at twice a minute."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from lambdas.api.documents import ServingModel
from tests.lambdas.rest_events import event, problem

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/12"
REGISTERED, APPROVED = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


def figure(value):
    return {"value": value, "standard_deviation": 0.01, "confidence_interval": [value - 0.02, value + 0.01]}


EVALUATION = {
    "binary_classification_metrics": {
        "auc": figure(0.97),
        "true_positive_rate": figure(0.95),
        "true_negative_rate": figure(0.9),
    },
    "calibration": {"expected_calibration_error": figure(0.04)},
    "engine": {"name": "litert", "weights": "float16", "strays": 0, "rejected": [{"weights": "int8", "message": "…"}]},
    "threshold": 0.42,
    "indeterminate": {"low": 0.3, "high": 0.6, "images": 20},
    "test": {"images": 624, "patients": 300},
    "dataset_sha256": "ab" * 32,
}


class SageMaker:
    """An endpoint with one model, and the registry."""

    def __init__(self, status="InService", approval="Approved"):
        self.status, self.approval, self.calls = status, approval, []

    def describe_endpoint(self, EndpointName):  # noqa: N803 - botocore's names
        self.calls.append("endpoint")
        if self.status is None:
            error = {"Error": {"Code": "ValidationException", "Message": f'Could not find endpoint "{EndpointName}".'}}
            raise ClientError(error, "DescribeEndpoint")
        return {"EndpointStatus": self.status, "EndpointConfigName": "configuration"}

    def describe_endpoint_config(self, EndpointConfigName):  # noqa: N803
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, ModelName):  # noqa: N803
        return {"PrimaryContainer": {"ModelPackageName": PACKAGE}}

    def describe_model_package(self, ModelPackageName):  # noqa: N803
        assert ModelPackageName == PACKAGE
        return {
            "ModelPackageGroupName": "cxr-dev",
            "ModelPackageVersion": 12,
            "CreationTime": REGISTERED,
            "LastModifiedTime": APPROVED,
            "LastModifiedBy": {"IamIdentity": {"Arn": "arn:aws:iam::1:user/jane.doe"}},
            "ApprovalDescription": "by Jane Doe",
            "ModelApprovalStatus": self.approval,
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://artifacts/executions/x/model.tar.gz"}]},
            "ModelMetrics": {
                "ModelQuality": {"Statistics": {"S3Uri": "s3://artifacts/executions/x/evaluation/evaluation.json"}}
            },
        }


class S3:
    """The evaluation's object."""

    def get_object(self, Bucket, Key):  # noqa: N803
        assert (Bucket, Key) == ("artifacts", "executions/x/evaluation/evaluation.json")
        return {"Body": io.BytesIO(json.dumps(EVALUATION).encode())}


@pytest.fixture
def look(load_handler, context, monkeypatch):
    module, handle = load_handler("lambdas.api.model.handle", ENDPOINT_NAME="cxr-dev")
    monkeypatch.setattr(module, "s3", S3)

    def looked(sagemaker):
        monkeypatch.setattr(module, "sagemaker", lambda: sagemaker)
        return handle(event("GET", "/v1/model"), context)

    looked.module = module
    return looked


def test_the_serving_model_with_its_figures_and_their_intervals(look):
    answer = look(SageMaker())
    assert answer["statusCode"] == 200
    model = ServingModel.model_validate_json(answer["body"])
    assert (model.package_arn, model.group, model.version) == (PACKAGE, "cxr-dev", 12)
    assert (model.registered_at, model.approval.status, model.approval.changed_at) == (REGISTERED, "Approved", APPROVED)
    assert model.metrics.auroc.model_dump() == {"value": 0.97, "low": pytest.approx(0.95), "high": pytest.approx(0.98)}
    assert model.metrics.sensitivity.value == 0.95
    assert model.metrics.specificity.value == 0.9
    assert model.metrics.calibration_error.value == 0.04
    assert (model.metrics.images, model.metrics.patients) == (624, 300)
    assert (model.threshold, model.indeterminate.low, model.indeterminate.high) == (0.42, 0.3, 0.6)
    assert model.guarantee is None, "an evaluation of before there were guarantees"
    assert "not for diagnosis" in model.notice


def test_what_is_guaranteed_is_told_without_what_the_test_split_says_to_it(look, monkeypatch):
    guarantee = {"negative_predictive_value": 0.95, "positive_predictive_value": None, "confidence": 0.95,
                 "prevalence": 0.4, "patients": 200, "sentence": "For patients like these …"}  # fmt: skip
    monkeypatch.setitem(EVALUATION, "guarantee", {**guarantee, "test": {}})
    monkeypatch.setitem(EVALUATION, "schema", 2)
    assert json.loads(look(SageMaker())["body"])["guarantee"] == guarantee


def test_whom_it_is_meant_for_is_told(look, monkeypatch):
    population = {"ages": ["0-17"], "views": ["AP"], "modalities": ["CR"]}
    assert json.loads(look(SageMaker())["body"])["population"] is None
    monkeypatch.setattr("lambdas.api.model._seen", {})
    monkeypatch.setitem(EVALUATION, "population", population)
    assert json.loads(look(SageMaker())["body"])["population"] == population


def test_which_weights_serve_is_told(look):
    assert json.loads(look(SageMaker())["body"])["engine"] == {"name": "litert", "weights": "float16"}


@pytest.mark.parametrize(
    ("described", "wanted"),
    [
        (None, {"name": "tensorflow", "weights": "float32"}),
        ({"name": "tensorflow", "strays": 0}, {"name": "tensorflow", "weights": "float32"}),
        ({"name": "litert", "strays": 0}, {"name": "litert", "weights": None}),
    ],
)
def test_an_earlier_evaluation_says_what_it_knows(look, monkeypatch, described, wanted):
    monkeypatch.delitem(EVALUATION, "engine")
    if described:
        monkeypatch.setitem(EVALUATION, "engine", described)
    assert json.loads(look(SageMaker())["body"])["engine"] == wanted


def test_who_approved_it_is_not_told(look):
    """Names of staff and their words are in the registry, for people who may read that."""
    assert "Jane" not in look(SageMaker())["body"]
    assert "jane" not in look(SageMaker())["body"]


def test_a_model_that_was_rejected_while_it_serves_says_so(look):
    assert json.loads(look(SageMaker(approval="Rejected"))["body"])["approval"]["status"] == "Rejected"


@pytest.mark.parametrize("status", [None, "Creating", "Failed"])
def test_before_the_first_release_there_is_none(look, status):
    problem(look(SageMaker(status)), 503, "no_model_released")


def test_polling_asks_sagemaker_twice_a_minute(look, monkeypatch):
    sagemaker, now = SageMaker(), [100.0]
    monkeypatch.setattr(look.module.time, "monotonic", lambda: now[0])
    for _ in range(5):
        look(sagemaker)
    assert sagemaker.calls == ["endpoint"]
    now[0] += 30
    look(sagemaker)
    assert sagemaker.calls == ["endpoint"] * 2
