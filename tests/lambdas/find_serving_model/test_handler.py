"""The function as SageMaker Pipelines calls it: three strings, whatever serves."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from lambdas.find_serving_model.endpoint import NoPackageError, ServedModel

HANDLER = "lambdas.find_serving_model.handler.handle"
ENVIRONMENT = {"ENDPOINT_NAME": "cxr-dev", "NOTHING_SERVED_URI": "s3://assets/0123.gz"}
SERVED = ServedModel(
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/7",
    "s3://artifacts/model.tar.gz",
    "s3://artifacts/evaluation/reference.json",
)


def test_what_serves_is_answered_with_its_artifact_and_reference(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.setattr(module, "endpoint", lambda: SimpleNamespace(served_model=lambda: SERVED))
    assert handle({}, context) == {
        "ServingPackageArn": SERVED.package_arn,
        "ServingModelUri": SERVED.artifact_uri,
        "ReferenceUri": SERVED.reference_uri,
    }


def test_a_package_without_a_reference_is_answered_with_an_object_that_exists(load_handler, monkeypatch, context):
    # It was registered before there was monitoring; a processing input cannot be left out.
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    older = replace(SERVED, reference_uri=None)
    monkeypatch.setattr(module, "endpoint", lambda: SimpleNamespace(served_model=lambda: older))
    assert handle({}, context)["ReferenceUri"] == "s3://assets/0123.gz"
    assert handle({}, context)["ServingModelUri"] == SERVED.artifact_uri


def test_nothing_is_answered_with_an_object_that_exists(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.setattr(module, "endpoint", lambda: SimpleNamespace(served_model=lambda: None))
    nothing = "s3://assets/0123.gz"
    assert handle({}, context) == {
        "ServingPackageArn": "none",
        "ServingModelUri": nothing,
        "ReferenceUri": nothing,
    }


def test_what_cannot_be_told_fails_the_step_with_its_sentence(load_handler, monkeypatch, context):
    # An answer of "none" would let a worse model pass the gate.
    module, handle = load_handler(HANDLER, **ENVIRONMENT)

    def unknown():
        raise NoPackageError("The endpoint serves a package that is gone.")

    monkeypatch.setattr(module, "endpoint", lambda: SimpleNamespace(served_model=unknown))
    with pytest.raises(NoPackageError, match="a package that is gone"):
        handle({}, context)


def test_the_daily_call_asks_nobody(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.setattr(module, "endpoint", lambda: pytest.fail("asked"))
    scheduled = {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    assert handle(scheduled, context) == {}


def test_service_is_made_from_the_environment(load_handler):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    endpoint = module.endpoint()
    assert endpoint.name == "cxr-dev"
    # SageMaker Pipelines does not repeat a Lambda step.
    assert endpoint.sagemaker.meta.config.retries["total_max_attempts"] > 1


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_variable_is_named(load_handler, monkeypatch, context, name):
    _, handle = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=name):
        handle({}, context)
