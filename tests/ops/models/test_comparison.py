"""Two versions side by side, with their intervals and with what a reader must know of them."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.response import StreamingBody
from typer.testing import Result

from model_code.contract.metrics import METRICS
from ops.base.errors import ExitCode
from ops.models import comparison
from ops.models.registry import ModelVersion
from tests.ops.conftest import GROUP_ARN, START, Cloud
from tests.ops.site_documents import calibrated_document, site_document

REPOSITORY = Path(__file__).resolve().parents[3]


def evaluation(auroc: float, dataset: str = "aa" * 32) -> dict[str, Any]:
    figure = {"value": auroc, "confidence_interval": [auroc - 0.01, auroc + 0.01]}
    return {
        "binary_classification_metrics": {"auc": figure, "true_positive_rate": {"value": 0.9}},
        "calibration": {"expected_calibration_error": {"value": "NaN"}},
        "threshold": 0.4321,
        "dataset_sha256": dataset,
        "test": {"images": 624},
    }


def _has(cloud: Cloud, version: int, document: dict[str, Any] | None, *sites: dict[str, Any]) -> None:
    cloud.has_models("Approved", "PendingManualApproval")
    details = {
        "ModelPackageName": f"cxr-dev/{version}",
        "ModelPackageArn": f"{GROUP_ARN}/{version}",
        "CreationTime": START,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "json", "S3Uri": f"s3://a/{version}.json"}}},
    }
    cloud.answers("sagemaker", "describe_model_package", details, {"ModelPackageName": f"{GROUP_ARN}/{version}"})
    if document is None:
        cloud.fails("s3", "get_object", "NoSuchKey", status=404)
        return
    content = json.dumps(document).encode()
    answer = {"Body": StreamingBody(io.BytesIO(content), len(content))}
    cloud.answers("s3", "get_object", answer, {"Bucket": "a", "Key": f"{version}.json"})
    cloud.has_site_evaluations(version, *sites)


def _opened(cloud: Cloud) -> None:
    for part in ("training", "endpoint", "data"):
        cloud.has_stack(part)


def test_compare_shows_both_with_their_intervals_and_the_difference(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud)
    _has(cloud, 1, evaluation(0.95))
    _has(cloud, 2, evaluation(0.97), site_document())
    result = cxr("compare", "1", "2")
    assert result.exit_code == 0
    assert "Version 2 on a site's 240 radiographs" in result.stderr
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert "0.950 (0.940 to 0.960)" in lines["AUROC"]
    assert "0.970 (0.960 to 0.980)" in lines["AUROC"]
    assert lines["AUROC"].rstrip().endswith("+0.020")
    assert lines["sensitivity"].split()[1:] == ["0.900", "0.900", "+0.000"], "one without an interval is shown without"
    assert lines["calibration error"].split()[2:] == ["-", "-"], "what is no number is not shown as one"
    assert "tested on the same images" in result.stderr


def test_of_different_test_images_the_reader_is_warned(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud)
    _has(cloud, 1, evaluation(0.95))
    _has(cloud, 2, evaluation(0.97, dataset="bb" * 32))
    document = json.loads(cxr("compare", "1", "2", "--json").stdout)
    assert document["caution"].startswith("They were tested on different images")
    first, second = document["versions"]
    assert first["metrics"]["AUROC"] == {"value": 0.95, "confidence_interval": [0.94, 0.96]}
    assert (second["version"], second["test_images"]) == (2, 624)


def test_a_version_and_its_calibration_are_told_apart_by_the_images_and_joined_by_the_weights(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """Both name the dataset that trained the weights; what one was tested on is not what the other was."""
    _opened(cloud)
    _has(cloud, 2, evaluation(0.95))
    _has(cloud, 1, calibrated_document())
    result = cxr("compare", "2", "1")
    assert "tested on different images and have the same weights" in result.stderr
    assert "no calibration changes which radiograph ranks above which" in " ".join(result.stderr.split())
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert lines["tested on"].split()[2:] == ["aa" * 6, "cc" * 6]
    assert lines["calibrated from"].split()[2:] == ["-", "cxr-dev/2"]


def test_two_calibrations_on_one_archive_were_tested_on_the_same_images() -> None:
    """Half of the same archive, by the same draw."""
    sides = [
        comparison.Evaluated(ModelVersion(number, f"{GROUP_ARN}/{number}", "Approved", START), calibrated_document())
        for number in (8, 9)
    ]
    assert comparison.caution(*sides).startswith("They were tested on the same images")


def test_of_different_target_prevalences_the_reader_is_warned() -> None:
    """A calibration error for one in twenty says nothing beside one for three of four."""
    sides = [
        comparison.Evaluated(
            ModelVersion(number, f"{GROUP_ARN}/{number}", "Approved", START),
            calibrated_document() | {"target_prevalence": target},
        )
        for number, target in ((8, None), (9, 0.05))
    ]
    assert "Their probabilities are for different prevalences" in comparison.caution(*sides)
    assert "different prevalences" not in comparison.caution(sides[1], sides[1])
    assert [one.as_json()["target_prevalence"] for one in sides] == [None, 0.05]


def test_a_version_whose_evaluation_is_gone_cannot_be_compared(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud)
    _has(cloud, 1, None)
    result = cxr("compare", "1", "2")
    assert result.exit_code == ExitCode.FAILED
    assert "The evaluation of version 1 is not there" in result.stderr


def test_what_is_compared_is_what_evaluations_hold() -> None:
    """The names are the evaluation's own; a renamed one would silently show as a dash."""
    # Read, not imported: the report needs TensorFlow.
    tree = ast.parse((REPOSITORY / "model_code" / "reports" / "evaluation_report.py").read_text(encoding="utf-8"))
    targets = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    assert {METRICS[name][-1] for name in comparison.SHOWN.values()} <= set(ast.literal_eval(targets["SHOWN"]))
