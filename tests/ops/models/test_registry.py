"""Listing of models: what they reached, and which one really serves."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from typer.testing import Result

from ops.base.errors import CommandError, ExitCode
from ops.models import registry
from ops.models.registry import ModelRegistry
from tests.ops.conftest import GROUP_ARN, START, Cloud
from tests.ops.site_documents import CALIBRATED, calibrated_document, site_document

EVALUATION = {
    "binary_classification_metrics": {
        "auc": {"value": 0.9541},
        "true_positive_rate": {"value": 0.97},
        "true_negative_rate": {"value": "NaN"},
    },
    "calibration": {"expected_calibration_error": {"value": 0.031}},
}


def _registry(cloud: Cloud) -> ModelRegistry:
    return ModelRegistry(cloud.client("sagemaker"), cloud.client("s3"), group="cxr-dev", endpoint="cxr-dev")


def _details(cloud: Cloud, version: int, approval: str, **more: Any) -> None:
    cloud.answers(
        "sagemaker",
        "describe_model_package",
        {
            "ModelPackageName": f"cxr-dev/{version}",
            "ModelPackageArn": f"{GROUP_ARN}/{version}",
            "CreationTime": START,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "ModelApprovalStatus": approval,
            **more,
        },
        {"ModelPackageName": f"{GROUP_ARN}/{version}"},
    )


def _evaluated(cloud: Cloud, version: int, approval: str, evaluation: dict[str, Any] | None = None) -> None:
    uri = "s3://artifacts/executions/e1/evaluation.json"
    statistics = {"Statistics": {"ContentType": "application/json", "S3Uri": uri}}
    _details(cloud, version, approval, ModelMetrics={"ModelQuality": statistics}, ApprovalDescription="[demo]")
    content = json.dumps(evaluation or EVALUATION).encode()
    cloud.answers(
        "s3",
        "get_object",
        {"Body": StreamingBody(io.BytesIO(content), len(content))},
        {"Bucket": "artifacts", "Key": "executions/e1/evaluation.json"},
    )


def test_models_shows_figures_and_which_one_is_serving(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    for _ in range(2):
        cloud.has_stack("training")
        cloud.has_stack("endpoint")
        cloud.has_models("Approved", "PendingManualApproval")
        _evaluated(cloud, 2, "PendingManualApproval")
        _details(cloud, 1, "Approved")
        cloud.serves(1)
        cloud.has_stack("data")
        cloud.has_site_evaluations(2, site_document())
        cloud.has_site_evaluations(1)
    shown = cxr("models")
    assert "Version 2 on a site's 240 radiographs (" in shown.stderr
    assert "): not usable; AUROC 0.450 (0.420 to 0.480), refused 33.0%." in shown.stderr
    assert "Report: s3://artifact-bucket/site-evaluations/2/s0/report.html" in shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[1].split()[:2] == ["2", "PendingManualApproval"]
    assert "0.954" in lines[1]
    assert any(line.startswith("Version 2: ") and "[demo]" in line for line in lines[3:])
    assert lines[2].split()[:2] == ["1", "serving"]
    newest, oldest = json.loads(cxr("models", "--json").stdout)
    assert newest["metrics"] == {"auroc": 0.9541, "sensitivity": 0.97, "calibration_error": 0.031}
    assert (newest["serving"], oldest["serving"]) == (False, True)
    assert [one["verdict"] for one in newest["site_evaluations"]] == ["not_usable"]
    assert oldest["site_evaluations"] == []


def test_a_calibrated_version_says_whose_weights_it_has(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    for _ in range(2):
        for part in ("training", "endpoint"):
            cloud.has_stack(part)
        cloud.has_models("PendingManualApproval")
        _evaluated(cloud, 1, "PendingManualApproval", calibrated_document())
        cloud.serves(None)
        cloud.has_stack("data")
        cloud.has_site_evaluations(1)
    assert f"Version 1: {CALIBRATED}" in cxr("models").stderr
    (found,) = json.loads(cxr("models", "--json").stdout)
    assert (found["calibrated_from"], found["calibration"]) == (2, CALIBRATED)


def test_a_model_whose_artifacts_are_gone_is_still_listed(cloud: Cloud) -> None:
    cloud.has_models("Approved")
    uri = {"ContentType": "application/json", "S3Uri": "s3://artifacts/gone.json"}
    _details(cloud, 1, "Approved", ModelMetrics={"ModelQuality": {"Statistics": uri}})
    cloud.fails("s3", "get_object", "NoSuchKey", status=404)
    registry = _registry(cloud)
    assert registry.with_metrics(registry.versions()[0]).metrics == {}


@pytest.mark.parametrize(("name", "version"), [("latest", 3), ("2", 2), (f"{GROUP_ARN}/1", 1)])
def test_a_version_is_named_by_number_arn_or_latest(cloud: Cloud, name: str, version: int) -> None:
    cloud.has_models("Rejected", "Approved", "PendingManualApproval")
    assert _registry(cloud).resolve(name).version == version


def test_an_unknown_version_names_the_known_ones(cloud: Cloud) -> None:
    cloud.has_models("Approved", "Approved")
    with pytest.raises(CommandError, match="no version 9: there are 2, 1"):
        _registry(cloud).resolve("9")


def test_the_serving_version_is_the_endpoints_models_package(cloud: Cloud) -> None:
    cloud.serves(3, "Updating")
    serving = _registry(cloud).serving()
    assert (serving.status, serving.version) == ("Updating", 3)


def test_before_the_first_release_nothing_serves(cloud: Cloud) -> None:
    cloud.serves(None)
    serving = _registry(cloud).serving()
    assert (serving.status, serving.version) == (None, None)


def test_a_configuration_replaced_between_two_looks_is_looked_up_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_SECONDS_BETWEEN_LOOKS", 0)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/cxr-dev"
    endpoint = {"EndpointName": "cxr-dev", "EndpointArn": arn, "EndpointStatus": "Updating"}
    times = {"CreationTime": START, "LastModifiedTime": START}
    cloud.answers("sagemaker", "describe_endpoint", {**endpoint, **times, "EndpointConfigName": "old"})
    message = 'Could not find endpoint configuration "old".'
    cloud.fails("sagemaker", "describe_endpoint_config", "ValidationException", message)
    cloud.serves(1)
    assert _registry(cloud).serving().package_arn == f"{GROUP_ARN}/1"


def test_reject_keeps_the_reason_and_says_when_it_still_serves(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models("Approved")
    decision = {
        "ModelPackageArn": f"{GROUP_ARN}/1",
        "ModelApprovalStatus": "Rejected",
        "ApprovalDescription": "misses lobar opacities",
    }
    cloud.answers("sagemaker", "update_model_package", {"ModelPackageArn": f"{GROUP_ARN}/1"}, decision)
    cloud.serves(1)
    cloud.has_stack("endpoint")
    result = cxr("reject", "1", "--reason", "misses lobar opacities")
    assert result.exit_code == 0
    assert "version 1 is rejected" in result.stdout
    assert "still what serves" in result.stderr
    cloud.all_asked()


def test_a_rejection_says_for_scripts_that_the_version_still_serves(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    for part in ("training", "endpoint"):
        cloud.has_stack(part)
    cloud.has_models("Approved")
    cloud.answers("sagemaker", "update_model_package", {"ModelPackageArn": f"{GROUP_ARN}/1"})
    cloud.serves(1)
    cloud.has_stack("endpoint")
    answered = json.loads(cxr("reject", "1", "--reason", "misses lobar opacities", "--json").stdout)
    assert (answered["approval"], answered["serving"], answered["being_released"]) == ("Rejected", True, False)


def test_a_rejection_needs_a_reason(cxr: Callable[..., Result], tmp_path: Path) -> None:
    assert cxr("reject", "1").exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "command", [("approve", "1", "--comment"), ("reject", "1", "--reason"), ("rollback", "1", "--reason")]
)
def test_a_remark_that_sagemaker_would_not_keep_is_refused_first(
    command: tuple[str, ...], cxr: Callable[..., Result]
) -> None:
    """A rollback would have been made when the rejection of what it leaves is refused."""
    result = cxr(*command, "x" * 1025)
    assert result.exit_code == ExitCode.USAGE
    assert "1,024" in result.stderr


def test_a_remark_of_several_lines_is_kept_as_one(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """The service's pattern has no line ends."""
    for part in ("training", "endpoint"):
        cloud.has_stack(part)
    cloud.has_models("Approved")
    decision = {"ModelPackageArn": f"{GROUP_ARN}/1", "ModelApprovalStatus": "Rejected", "ApprovalDescription": "a b"}
    cloud.answers("sagemaker", "update_model_package", {"ModelPackageArn": f"{GROUP_ARN}/1"}, decision)
    cloud.serves(2)
    cloud.has_stack("endpoint")
    assert cxr("reject", "1", "--reason", "a\n  b\n").exit_code == 0


def test_the_latest_version_is_not_approved_after_its_rejection(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """Repeating `cxr approve` after a rollback, which rejects the version that it leaves, means another one."""
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models("Approved", "Rejected")
    refused = cxr("approve", "latest")
    assert refused.exit_code == ExitCode.USAGE
    assert "`cxr approve 2` approves it all the same" in " ".join(refused.stderr.split())
    cloud.all_asked()


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("PendingManualApproval", {}),
        ("Rejected", {"ApprovalDescription": "approved after a rejection, without a comment"}),
    ],
)
def test_a_rejections_reason_is_not_left_as_the_comment_of_an_approval(
    cloud: Cloud, before: str, kept: dict[str, str]
) -> None:
    """A decision without a comment leaves the one before it, "misses opacities", to be read as why it was approved."""
    decision = {"ModelPackageArn": f"{GROUP_ARN}/1", "ModelApprovalStatus": "Approved", **kept}
    cloud.answers("sagemaker", "update_model_package", {"ModelPackageArn": f"{GROUP_ARN}/1"}, decision)
    _registry(cloud).decide(registry.ModelVersion(1, f"{GROUP_ARN}/1", before, START), "Approved", "")
    cloud.all_asked()
