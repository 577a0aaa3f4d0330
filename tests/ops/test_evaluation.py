"""A model is evaluated on a site's archive, and a bad verdict is told without being a failure of the command."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY
from typer.testing import Result

from lambdas.trigger.upload import Upload as TriggerUpload
from model_code.contract.documents import read_site_evaluation
from ops.base.errors import ExitCode
from ops.pipelines import uploads
from tests.ops.conftest import GROUP_ARN, START, Cloud, ran
from tests.ops.pipelines.test_watching import step
from tests.ops.site_documents import SENTENCE, calibrated_document, site_document

NAME = "site-20261128T000000000000Z.zip"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A site's archive: all of it in test/, which training would refuse."""
    path = tmp_path / "site.zip"
    with zipfile.ZipFile(path, "w") as file:
        for label in ("NORMAL", "PNEUMONIA"):
            for number in range(6):
                file.writestr(f"test/{label}/{number}.png", f"{label}{number}")
    return path


def _body(content: bytes) -> dict[str, Any]:
    return {"Body": StreamingBody(io.BytesIO(content), len(content))}


def _starts(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, what: str = "evaluate") -> None:
    """Version 2 of two; the upload goes where the trigger looks for one to do that with, and starts an execution."""
    monkeypatch.setattr(uploads, "upload_key", lambda _name, *, folder: f"{folder}/{NAME}")
    key = f"incoming/{what}/2/{NAME}"
    for part in ("training", "endpoint", "data"):
        cloud.has_stack(part)
    cloud.has_models("Approved", "PendingManualApproval")
    put = {"Bucket": "data-bucket", "Key": key, "Body": ANY, "ContentType": "application/zip"}
    cloud.answers("s3", "put_object", {"VersionId": "v7"}, put)
    cloud.fails("s3", "get_object", "NoSuchKey")  # no refusal beside it
    token = TriggerUpload(bucket="data-bucket", key=key, version_id="v7", size=1).token
    cloud.has_newest_execution("s1")
    uri = f"s3://data-bucket/evaluations/{token}/archive.zip"
    parameters = {"PipelineParameters": [{"Name": "InputArchiveUri", "Value": uri}]}
    cloud.answers("sagemaker", "list_pipeline_parameters_for_execution", parameters)


def _ends(cloud: Cloud) -> None:
    cloud.has_execution("s1", "Succeeded", [step("EvaluateSite", "Succeeded", 2, Metadata=ran("site-1"))])
    cloud.has_processing_job("site-1", "site", "s3://artifact-bucket/site-evaluations/2/s1")
    for name, content in (("site_evaluation.json", json.dumps(site_document())), ("report.html", "<html>site</html>")):
        expected = {"Bucket": "artifact-bucket", "Key": f"site-evaluations/2/s1/{name}"}
        cloud.answers("s3", "get_object", _body(content.encode()), expected)


def test_figures_stand_beside_the_models_own_with_the_verdict_and_the_report(
    *,
    cloud: Cloud,
    cxr: Callable[..., Result],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _starts(cloud, monkeypatch)
    _ends(cloud)
    report = tmp_path / "report.html"
    result = cxr("evaluate", str(archive), "--model", "2", "--save", str(report))
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    assert SENTENCE in result.stdout
    assert re.search(r"AUROC\s+0\.450 \(0\.420 to 0\.480\)\s+0\.960 \(0\.930 to 0\.990\)\s+-0\.510", result.stdout)
    assert "whether the model has seen these images is not known" in result.output.lower()
    assert "guarantee does not hold here" in result.output
    assert report.read_text() == "<html>site</html>"
    cloud.all_asked()


def test_everything_found_is_there_for_scripts(
    *,
    cloud: Cloud,
    cxr: Callable[..., Result],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _starts(cloud, monkeypatch)
    _ends(cloud)
    result = cxr("evaluate", str(archive), "--model", "2", "--json", "--save", str(tmp_path / "r.html"))
    assert json.loads(result.stdout)["evaluation"] == dict(read_site_evaluation(site_document()))


def test_an_execution_that_could_not_look_fails_with_its_reason(
    cloud: Cloud, cxr: Callable[..., Result], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _starts(cloud, monkeypatch)
    reason = "12 of 12 images, or their patients, are in the dataset that the model was made with"
    cloud.has_execution("s1", "Failed", [step("EvaluateSite", "Failed", 2, FailureReason=reason)])
    result = cxr("evaluate", str(archive), "--model", "2")
    assert result.exit_code == ExitCode.FAILED
    assert "Version 2 was not evaluated" in result.stderr
    assert reason in result.stderr


def test_an_archive_of_one_class_is_refused_before_it_is_sent(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("NORMAL/1.png", "x")
    for part in ("training", "endpoint"):
        cloud.has_stack(part)
    cloud.has_models("Approved")
    result = cxr("evaluate", str(path), "--model", "1")
    assert result.exit_code == ExitCode.FAILED
    assert "No PNEUMONIA image to evaluate on was found" in result.stderr


def test_the_newest_of_no_versions_is_reported_before_anything_is_sent(
    cloud: Cloud, cxr: Callable[..., Result], archive: Path
) -> None:
    for part in ("training", "endpoint"):
        cloud.has_stack(part)
    cloud.has_models()
    assert "no registered model yet" in cxr("evaluate", str(archive), "--model", "latest").stderr


def _calibrated(cloud: Cloud) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/3"
    steps = [
        step("CalibrateModel", "Succeeded", 2, Metadata=ran("calibrate-1")),
        step("RegisterModel-RegisterModel", "Succeeded", 3, Metadata={"RegisterModel": {"Arn": arn}}),
    ]
    cloud.has_execution("s1", "Succeeded", steps)
    cloud.has_processing_job("calibrate-1", "evaluation", "s3://artifact-bucket/executions/s1/evaluation")
    document = json.dumps(calibrated_document())
    for name, content in (("evaluation.json", document), ("report.html", "<html>calibrated</html>")):
        expected = {"Bucket": "artifact-bucket", "Key": f"executions/s1/evaluation/{name}"}
        cloud.answers("s3", "get_object", _body(content.encode()), expected)


def test_a_calibration_says_what_it_mended_what_it_did_not_and_which_version_waits(
    *,
    cloud: Cloud,
    cxr: Callable[..., Result],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _starts(cloud, monkeypatch, "calibrate")
    _calibrated(cloud)
    report = tmp_path / "report.html"
    result = cxr("calibrate", "2", "--archive", str(archive), "--save", str(report))
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    assert re.search(r"version 2\s+version 3", result.stdout)
    assert re.search(r"calibration error\s+0\.310 \(.*\)\s+0\.050 \(", result.stdout)
    assert "no calibration changes which radiograph ranks above which" in result.stdout
    assert "at least 95 % of the answers NORMAL are right" in result.stdout
    assert "Version 3 waits for approval: `cxr approve 3` releases it." in result.stderr
    assert report.read_text() == "<html>calibrated</html>"
    cloud.all_asked()


def test_a_calibration_for_scripts_names_the_version(
    *,
    cloud: Cloud,
    cxr: Callable[..., Result],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _starts(cloud, monkeypatch, "calibrate")
    _calibrated(cloud)
    result = cxr("calibrate", "2", "--archive", str(archive), "--json", "--save", str(tmp_path / "r.html"))
    found = json.loads(result.stdout)
    assert found["version"] == 3
    assert found["evaluation"]["calibrated_from"] == calibrated_document()["calibrated_from"]


def test_what_is_not_calibrated_fails_with_what_no_calibration_mends(
    cloud: Cloud, cxr: Callable[..., Result], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _starts(cloud, monkeypatch, "calibrate")
    reason = "Nothing was registered. AUROC 0.450. No calibration mends that."
    cloud.has_execution("s1", "Failed", [step("CalibrateModel", "Failed", 2, FailureReason=reason)])
    result = cxr("calibrate", "2", "--archive", str(archive))
    assert result.exit_code == ExitCode.FAILED
    assert "Version 2 was not calibrated" in result.stderr
    assert reason in result.stderr


def _starts_on_labels(cloud: Cloud, since: str, until: str) -> None:
    for part in ("training", "endpoint"):
        cloud.has_stack(part)
    cloud.has_models("Approved", "PendingManualApproval")
    arn, folder = f"{GROUP_ARN}/2", "s3://artifact-bucket/executions/e1"
    package = {
        "ModelPackageName": "cxr-dev", "ModelPackageArn": arn, "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []}, "CreationTime": START,
        "InferenceSpecification": {
            "Containers": [{"Image": "i", "ModelDataUrl": f"{folder}/model/served.tar.gz"}],
            "SupportedContentTypes": [], "SupportedResponseMIMETypes": [],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": {
            "ContentType": "application/json", "S3Uri": f"{folder}/evaluation/evaluation.json"}}},
        "CustomerMetadataProperties": {"ImageSize": "220", "DatasetReportUri": f"{folder}/report/dataset.json"},
    }  # fmt: skip
    cloud.answers("sagemaker", "describe_model_package", package, {"ModelPackageName": arn})
    parameters = {
        "LabelledPackageArn": arn,
        "EvaluationUri": f"{folder}/evaluation/evaluation.json",
        "ModelUri": f"{folder}/model/served.tar.gz",
        "TrainingOutputUri": f"{folder}/model/output.tar.gz",
        "ImageSize": "220",
        "DatasetReportPrefix": f"{folder}/report",
        "Since": since,
        "Until": until,
    }
    cloud.takes_a_start("cxr-dev-label-calibration", "s1", parameters, name="cxr-calibrate-labels")


def test_a_calibration_on_labels_starts_without_an_archive_for_the_days_that_are_named(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    _starts_on_labels(cloud, "2026-02-01", "2026-02-28")
    _calibrated(cloud)
    days = ("--since", "2026-02-01", "--until", "2026-02-28")
    result = cxr("calibrate", "2", "--labels", *days, "--save", str(tmp_path / "report.html"))
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    assert "Version 3 waits for approval: `cxr approve 3` releases it." in result.stderr
    cloud.all_asked()


def test_too_few_labels_fail_with_the_number_that_is_missing(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _starts_on_labels(cloud, "2020-01-01", datetime.now(UTC).date().isoformat())
    reason = "Nothing was registered. 38 more labels PNEUMONIA are needed."
    cloud.has_execution("s1", "Failed", [step("CalibrateModel", "Failed", 2, FailureReason=reason)])
    result = cxr("calibrate", "2", "--labels")
    assert result.exit_code == ExitCode.FAILED
    assert reason in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name what to calibrate on: --archive ARCHIVE"),
        (("--labels", "--archive", "ARCHIVE"), "Name what to calibrate on: --archive ARCHIVE"),
        (("--archive", "ARCHIVE", "--since", "2026-01-01"), "they go with --labels"),
        (("--labels", "--since", "2026-02-02", "--until", "2026-02-01"), "From 2026-02-02 to 2026-02-01 no label"),
        (("--labels", "--until", "2999-01-01"), "From 2020-01-01 to 2999-01-01 no label was given"),
    ],
)
def test_what_names_no_source_or_no_period_is_refused_before_anything_is_asked(
    cloud: Cloud, cxr: Callable[..., Result], archive: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = cxr("calibrate", "2", *(str(archive) if one == "ARCHIVE" else one for one in arguments))
    assert result.exit_code == ExitCode.USAGE
    assert said in " ".join(result.stderr.split())
    cloud.all_asked()


def test_both_sides_mean_the_same_folders() -> None:
    """The commands write where the trigger reads a version's number."""
    for folder, calibrates in ((uploads.to_evaluate(2), False), (uploads.to_calibrate(2), True)):
        key = uploads.upload_key("site.zip", folder=folder)
        found = TriggerUpload(bucket="b", key=key, version_id="v", size=1)
        assert (found.purpose, found.calibrates) == ("evaluate", calibrates)
