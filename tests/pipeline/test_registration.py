"""The model package request: valid for the service, never approved by itself, traceable to data and evaluation."""

import json
import re

import pytest


@pytest.fixture
def package(definition, resolver):
    return resolver(definition).arguments("RegisterModel")


def test_service_model_accepts_the_request(package, refusals):
    assert refusals("CreateModelPackage", package) == ""


def test_the_registry_shows_the_commit_of_the_code(definition):
    """The code that trained: where the console and whoever lists versions look for it."""
    registered = definition.steps["RegisterModel"]["Arguments"]
    assert registered["MetadataProperties"] == {"CommitId": "${SourceRevision}"}


def test_a_person_has_to_approve(package):
    assert package["ModelApprovalStatus"] == "PendingManualApproval"


def test_description_limits_the_use(package):
    assert "research use only" in package["ModelPackageDescription"]


def test_container_serves_what_the_evaluation_let_serve(package, definition, resolver):
    """The archive says which weights these are: no variable has to say so to whoever loads it."""
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["Image"].endswith("tensorflow-inference:2.20-cpu")
    assert "Environment" not in container
    outputs = resolver(definition).arguments("EvaluateModel")["ProcessingOutputConfig"]["Outputs"]
    (served,) = (output["S3Output"]["S3Uri"] for output in outputs if output["OutputName"] == "served")
    assert container["ModelDataUrl"] == f"{served}/served.tar.gz"


def test_a_warm_start_finds_the_float32_network_beside_what_is_registered(package, definition, resolver):
    inputs = resolver(definition).arguments("EvaluateModel")["ProcessingInputs"]
    beside = {item["InputName"]: item["S3Input"]["S3Uri"].rpartition("/")[0] for item in inputs}
    (container,) = package["InferenceSpecification"]["Containers"]
    folder = container["ModelDataUrl"].rpartition("/")[0]
    assert folder == beside["training"] == beside["model"]


def test_images_are_an_accepted_content_type(package):
    assert package["InferenceSpecification"]["SupportedContentTypes"] == ["image/jpeg", "image/png", "application/json"]


def test_no_instance_type_is_left_out(package):
    """Settings choose on which a version is served and works through batches; a list here could refuse theirs."""
    assert not [name for name in package["InferenceSpecification"] if name.endswith("InstanceTypes")]


def test_metrics_are_the_evaluation_that_was_gated(package, definition):
    statistics = package["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics["S3Uri"] == "s3://artifacts/executions/abcdef012345/evaluation/evaluation.json"
    files = [f"/{file['OutputName']}/{file['FilePath']}" for file in definition.steps["EvaluateModel"]["PropertyFiles"]]
    assert any(statistics["S3Uri"].endswith(file) for file in files)


def test_reference_of_monitoring_lies_beside_the_evaluation(package):
    statistics = package["DriftCheckBaselines"]["ModelDataQuality"]["Statistics"]
    assert statistics["S3Uri"] == "s3://artifacts/executions/abcdef012345/evaluation/reference.json"


def test_model_card_is_reviewed_with_the_version(package):
    assert package["ModelCard"]["ModelCardStatus"] == "PendingReview"
    assert isinstance(json.loads(package["ModelCard"]["ModelCardContent"]), dict)


def test_version_can_be_traced(package):
    metadata = package["CustomerMetadataProperties"]
    assert metadata["PipelineExecutionArn"].endswith("/execution/abcdef012345")
    assert metadata["InputArchiveUri"].endswith("/archive.zip")
    assert metadata["DatasetReportUri"].endswith("/report/dataset.json")
    assert metadata["EvaluationReportUri"].endswith("/evaluation/report.html")
    assert metadata["Backbone"] == "ResNet50V2"
    assert metadata["ComparedWithPackage"].endswith(":model-package/cxr-dev/7")


def test_metadata_holds_only_characters_the_service_takes(package):
    # The pattern of CustomerMetadataValue, written for Python: letters, digits, blanks and _.:/=+-@
    for key, value in package["CustomerMetadataProperties"].items():
        assert re.fullmatch(r"[\w .:/=+\-@]{1,256}", value), key
