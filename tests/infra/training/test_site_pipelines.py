"""The pipelines that take a site's archive: the deployment's own limits, and no more rights than they need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.settings.environment import Settings
from model_code.contract.parameters import GATES
from model_code.contract.site_parameters import CALIBRATION_REQUIRED, LABEL_CALIBRATION_REQUIRED
from tests.infra.conftest import ENVIRONMENTS, of_type, untagged
from tests.infra.training.test_training_stack import REPOSITORY, Templates, defaults, definition


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_site_is_held_to_what_a_model_must_keep_to_be_registered_here(
    environment: str, templates: Templates, context: dict[str, Any]
) -> None:
    """Two places for one limit would let a site's verdict and the gates contradict each other."""
    settings = Settings.load({**context, "env": environment})
    training, _ = definition(templates(environment)["training"])
    site, _ = definition(templates(environment)["training"], "SiteEvaluation")
    committed = json.loads((REPOSITORY / "pipeline" / "definition-site-evaluation.json").read_text(encoding="utf-8"))
    assert untagged(site) == committed["Steps"]
    own = {"ModelVersion", "ModelUri", "EvaluationUri", "MaxRefusedShare", "DatasetReportPrefix"}
    shared = {name: value for name, value in defaults(site).items() if name not in own}
    assert shared == {name: defaults(training)[name] for name in shared}
    assert {"MinAuroc", "MinSensitivity", "MinSpecificity", "MaxCalibrationError", "ImageSize"} <= set(shared)
    assert defaults(site)["MaxRefusedShare"] == settings.site_evaluation.max_refused_share


def statements_of(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """Statements of the role whose policies' logical ids begin so."""
    return [
        statement
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        if name.startswith(role)
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def object_keys(statements: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Objects that may be read and written: actions with the ends of their resources."""

    def several(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    return {
        (action, resource["Fn::Join"][1][-1])
        for statement in statements
        for action in several(statement["Action"])
        for resource in several(statement["Resource"])
        if action in {"s3:GetObject", "s3:PutObject"}
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_evaluates_a_site_reads_models_and_writes_findings_and_no_more(
    environment: str, templates: Templates
) -> None:
    """It sees another hospital's images: not the archive, not the patients' key, and no model can it register."""
    template = templates(environment)["training"]
    statements = statements_of(template, "SiteEvaluationSiteRole")
    assert object_keys(statements) == {
        ("s3:GetObject", "/executions/*"),
        ("s3:GetObject", "/site-images/*"),
        ("s3:GetObject", "/code/*"),
        ("s3:PutObject", "/site-evaluations/*"),
    }
    assert "sagemaker:" not in json.dumps(statements)
    pipeline = statements_of(template, "SiteEvaluationPipelineRole")
    assert "CreateModelPackage" not in json.dumps(pipeline)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_calibrated_version_keeps_what_a_trained_one_has_to_keep_here(
    environment: str, templates: Templates, context: dict[str, Any]
) -> None:
    """Easier gates would be a way round them."""
    settings = Settings.load({**context, "env": environment})
    training, _ = definition(templates(environment)["training"])
    calibration, _ = definition(templates(environment)["training"], "CalibrationPipeline")
    committed = json.loads((REPOSITORY / "pipeline" / "definition-calibration.json").read_text(encoding="utf-8"))
    assert untagged(calibration) == committed["Steps"]
    own = {*CALIBRATION_REQUIRED, "MaxRefusedShare"}
    shared = {name: value for name, value in defaults(calibration).items() if name not in own}
    assert shared == {name: defaults(training)[name] for name in shared}
    assert {*GATES, "ServingComparison", "GuaranteedNpv", "GuaranteedPpv"} <= set(shared)
    assert defaults(calibration)["MaxRefusedShare"] == settings.site_evaluation.max_refused_share


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_calibrates_sees_no_archive_and_no_key_and_only_its_pipeline_registers(
    environment: str, templates: Templates
) -> None:
    template = templates(environment)["training"]
    step = statements_of(template, "CalibrationCalibrationRole")
    pipeline = statements_of(template, "CalibrationPipelineRole")
    assert object_keys(step) == {
        ("s3:GetObject", "/executions/*"),
        ("s3:GetObject", "/site-images/*"),
        ("s3:GetObject", "/code/*"),
        ("s3:PutObject", "/executions/*"),
    }
    assert "sagemaker:" not in json.dumps(step)
    assert "CreateModelPackage" in json.dumps(pipeline)
    assert "UpdateModelPackage" not in json.dumps(pipeline), "who may call that could approve"
    assert object_keys(pipeline) == {("s3:GetObject", "/executions/*")}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_calibrates_on_labels_reads_predictions_and_models_and_no_radiograph(
    environment: str, templates: Templates
) -> None:
    """It is not isolated from the network, and shards of executions are radiographs."""
    template = templates(environment)["training"]
    step = statements_of(template, "LabelCalibrationLabelCalibrationRole")
    files = ("served.tar.gz", "model.tar.gz", "output.tar.gz")
    files += ("evaluation.json", "dataset.json", "training_images.jsonl.gz")
    assert object_keys(step) == {
        *(("s3:GetObject", f"/executions/*/{name}") for name in files),
        ("s3:GetObject", "/code/*"),
        ("s3:PutObject", "/executions/*"),
    }
    lists = (one["Condition"]["StringLike"]["s3:prefix"] for one in step if one["Action"] == "s3:ListBucket")
    listed = {prefix for prefixes in lists for prefix in prefixes}
    assert "executions/*/report*" in listed, "the folder of the dataset report is an input"
    assert "executions/*" not in listed
    scanned = [one["Action"] for one in step if "dynamodb" in json.dumps(one["Action"])]
    assert scanned == ["dynamodb:Scan"]
    assert "sagemaker:" not in json.dumps(step)
    pipeline = statements_of(template, "LabelCalibrationPipelineRole")
    assert "UpdateModelPackage" not in json.dumps(pipeline), "who may call that could approve"
    assert "DecodeRole" not in json.dumps(pipeline), "there is no archive to decode"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_version_calibrated_on_labels_keeps_what_a_trained_one_has_to_keep_here(
    environment: str, templates: Templates
) -> None:
    training, _ = definition(templates(environment)["training"])
    calibration, _ = definition(templates(environment)["training"], "LabelCalibrationPipeline")
    shared = {name: value for name, value in defaults(calibration).items() if name not in LABEL_CALIBRATION_REQUIRED}
    assert shared == {name: defaults(training)[name] for name in shared}
    assert {*GATES, "ServingComparison", "GuaranteedNpv", "GuaranteedPpv"} <= set(shared)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_copies_of_sites_archives_are_written_once_and_go_when_uploads_go(
    environment: str, templates: Templates, context: dict[str, Any]
) -> None:
    settings = Settings.load({**context, "env": environment})
    data = templates(environment)["data"]
    (bucket,) = [item for name, item in of_type(data, "AWS::S3::Bucket").items() if name.startswith("Data")]
    rules = {rule["Id"]: rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}
    assert (rules["Evaluations"]["Prefix"], rules["Evaluations"]["ExpirationInDays"]) == (
        "evaluations/",
        settings.buckets.incoming_days,
    )
    (once,) = [
        statement
        for policy in of_type(data, "AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "WrittenByOneRole" and "Data" in json.dumps(policy["Properties"]["Bucket"])
    ]
    assert [one["Fn::Join"][1][-1] for one in once["Resource"]] == ["/datasets/*", "/evaluations/*"]
