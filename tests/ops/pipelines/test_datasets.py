"""An execution can be started on an archive that is there already, with parameters that the pipeline has."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from typer.testing import Result

from ops.base.errors import CommandError, ExitCode
from ops.pipelines import parameters
from ops.pipelines.executions import Execution
from ops.pipelines.reports import Reporting, of_execution
from tests.ops.conftest import GROUP_ARN, PIPELINE_ARN, START, Cloud
from tests.ops.pipelines.test_watching import step

OLD, NEW = "0a" * 32, "0b" * 32
REPOSITORY = Path(__file__).resolve().parents[3]
DEFINITION: dict[str, Any] = json.loads((REPOSITORY / "pipeline" / "definition.json").read_text(encoding="utf-8"))


def uri(token: str) -> str:
    return f"s3://data-bucket/datasets/{token}/archive.zip"


def _kept(cloud: Cloud, *tokens: str) -> None:
    """The next listing; each is a day younger than the one before it."""
    contents = [
        {"Key": f"datasets/{token}/archive.zip", "Size": 12_300_000, "LastModified": START + timedelta(days=day)}
        for day, token in enumerate(tokens)
    ]
    contents.append({"Key": "datasets/notes.txt", "Size": 1, "LastModified": START + timedelta(days=9)})
    expected = {"Bucket": "data-bucket", "Prefix": "datasets/"}
    cloud.answers("s3", "list_objects_v2", {"Contents": contents, "IsTruncated": False}, expected)


def _deployed(cloud: Cloud, *tokens: str) -> None:
    cloud.has_stack("training")
    cloud.answers(
        "sagemaker", "describe_pipeline", {"PipelineArn": PIPELINE_ARN, "PipelineDefinition": json.dumps(DEFINITION)}
    )
    cloud.has_stack("data")
    _kept(cloud, *tokens)


def test_datasets_lists_the_copies_newest_first(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    for _ in range(2):
        cloud.has_stack("data")
        _kept(cloud, OLD, NEW)
    lines = cxr("datasets").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [NEW[:12], OLD[:12]]
    assert "12.3 MB" in lines[1]
    newest, _ = json.loads(cxr("datasets", "--json").stdout)
    assert (newest["token"], newest["uri"]) == (NEW, uri(NEW))


def test_start_takes_the_newest_dataset_and_the_parameters_that_were_set(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    _deployed(cloud, OLD, NEW)
    cloud.takes_a_start("cxr-dev", "abc", {"InputArchiveUri": uri(NEW), "Epochs": "24", "LearningRate": "0.002"})
    result = cxr("start", "--set", "Epochs=24", "--set", "LearningRate=0.002")
    assert result.exit_code == 0
    assert result.stdout == "execution abc started; follow it with `cxr watch`\n"
    cloud.all_asked()


@pytest.mark.parametrize("name", [OLD, OLD[:6], uri(OLD)])
def test_a_dataset_is_named_by_its_token_the_beginning_of_it_or_its_uri(
    cloud: Cloud, cxr: Callable[..., Result], name: str
) -> None:
    _deployed(cloud, OLD, NEW)
    cloud.takes_a_start("cxr-dev", "abc", {"InputArchiveUri": uri(OLD)})
    document = json.loads(cxr("start", name, "--json").stdout)
    assert (document["execution"], document["dataset"], document["parameters"]) == ("abc", uri(OLD), {})


@pytest.mark.parametrize(("name", "sentence"), [("ff", "No datasets are called ff"), ("0", "2 datasets are called 0")])
def test_a_name_of_none_or_of_several_starts_nothing(
    cloud: Cloud, cxr: Callable[..., Result], name: str, sentence: str
) -> None:
    _deployed(cloud, OLD, NEW)
    result = cxr("start", name)
    assert result.exit_code == ExitCode.FAILED
    assert sentence in result.stderr
    assert NEW[:12] in result.stderr


def test_before_the_first_upload_there_is_nothing_to_start_on(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _deployed(cloud)
    assert "upload an archive with `cxr upload PATH`" in cxr("start").stderr


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("Epoch=3", "The pipeline has no parameter Epoch. Is it Epochs?"),
        ("Epochs=many", "Epochs is of type Integer, which 'many' is not: docs/settings.md explains it."),
        ("LearningRate=fast", "LearningRate is of type Float, which 'fast' is not: docs/settings.md explains it."),
        ("Epochs", "--set Epochs is not NAME=VALUE"),
        ("InputArchiveUri=s3://b/k", "InputArchiveUri follows from the archive that you name"),
        ("NetworkIsolation=false", "NetworkIsolation follows from the archive that you name"),
    ],
)
def test_a_parameter_that_the_pipeline_cannot_take_is_wrong_usage(
    cloud: Cloud, cxr: Callable[..., Result], given: str, sentence: str
) -> None:
    """SageMaker would take a misspelt one for an error too, but only one at a time, and a wrong type not at all."""
    _deployed(cloud, OLD)
    result = cxr("start", "--set", given)
    assert result.exit_code == ExitCode.USAGE
    assert sentence in result.stderr


def test_a_parameter_is_named_once() -> None:
    with pytest.raises(CommandError, match="names Epochs twice"):
        parameters.pairs(["Epochs=1", "Epochs=2"])
    assert parameters.pairs(["BackboneWeights=s3://b/k#sha256=00"]) == {"BackboneWeights": "s3://b/k#sha256=00"}


# The report of what was trained.


def _evaluated(cloud: Cloud, prefix: str) -> None:
    output = {
        "OutputName": "evaluation",
        "S3Output": {"S3Uri": prefix, "LocalPath": "/opt", "S3UploadMode": "EndOfJob"},
    }
    job = {
        "ProcessingJobName": "job-EvaluateModel",
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:processing-job/job-EvaluateModel",
        "ProcessingJobStatus": "Completed",
        "CreationTime": START,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
        },
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingOutputConfig": {"Outputs": [output]},
    }
    cloud.answers("sagemaker", "describe_processing_job", job, {"ProcessingJobName": "job-EvaluateModel"})


def _page(cloud: Cloud, bucket: str, key: str, page: bytes = b"<html>") -> None:
    answer = {"Body": StreamingBody(io.BytesIO(page), len(page))}
    cloud.answers("s3", "get_object", answer, {"Bucket": bucket, "Key": key})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: addresses.append(address) or True)
    return addresses


def _execution_with_evaluation(cloud: Cloud, *more: dict[str, Any]) -> None:
    cloud.has_stack("training")
    cloud.has_newest_execution("abc", "Succeeded")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/job-EvaluateModel"
    evaluate = {**step("EvaluateModel", "Succeeded", 9), "Metadata": {"ProcessingJob": {"Arn": arn}}}
    cloud.has_execution("abc", "Succeeded", [evaluate, *more])
    # A cached step: its job wrote to the folder of the execution that ran it.
    _evaluated(cloud, "s3://artifacts/executions/earlier/evaluation")
    _page(cloud, "artifacts", "executions/earlier/evaluation/report.html")


def test_report_opens_what_the_evaluation_of_the_newest_execution_wrote(
    cloud: Cloud, cxr: Callable[..., Result], opened: list[str]
) -> None:
    _execution_with_evaluation(cloud)
    result = cxr("report")
    assert result.exit_code == 0
    path = Path(result.stdout.strip())
    assert path.read_bytes() == b"<html>"
    assert opened == [path.as_uri()]


def test_the_report_outlives_the_version_that_its_execution_registered(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    registered = step("RegisterModel", "Succeeded", 1, Metadata={"RegisterModel": {"Arn": f"{GROUP_ARN}/7"}})
    _execution_with_evaluation(cloud, registered)
    cloud.has_stack("endpoint")
    cloud.fails("sagemaker", "describe_model_package", "ValidationException", "Model Package cxr-dev/7 does not exist.")
    result = cxr("report", "--save", str(tmp_path / "r.html"))
    assert result.exit_code == 0, result.stderr
    assert "Version 7 was deleted from the registry, and with it what was decided." in result.stderr


def test_report_saves_without_opening(
    cloud: Cloud, cxr: Callable[..., Result], opened: list[str], tmp_path: Path
) -> None:
    _execution_with_evaluation(cloud)
    document = json.loads(cxr("report", "--save", str(tmp_path / "r.html"), "--json").stdout)
    assert (tmp_path / "r.html").read_bytes() == b"<html>"
    assert document["source"] == "s3://artifacts/executions/earlier/evaluation/report.html"
    assert (document["opened"], opened) == (False, [])


def _described(cloud: Cloud, version: int, uri: str | None, **more: Any) -> None:
    statistics = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": uri}}} if uri else {}
    details = {
        "ModelPackageName": f"cxr-dev/{version}",
        "ModelPackageArn": f"{GROUP_ARN}/{version}",
        "CreationTime": START,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelMetrics": statistics,
        **more,
    }
    cloud.answers("sagemaker", "describe_model_package", details)


def test_report_of_a_version_lies_beside_its_evaluation(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    page = _decided(cloud, cxr, tmp_path)
    assert "<h1>Evaluation</h1><p><strong>Version 1: nobody has approved or rejected it yet.</strong>" in page
    assert page.endswith("</header><main>")
    cloud.all_asked()


def _decided(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path, approval: str = "", **more: Any) -> str:
    """The saved copy of version 1's report, where it is described so."""
    uri = "s3://artifacts/executions/e1/evaluation/evaluation.json"
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models(approval or "PendingManualApproval", "PendingManualApproval")
    _described(cloud, 1, uri)
    _page(cloud, "artifacts", "executions/e1/evaluation/report.html", b"<header><h1>Evaluation</h1></header><main>")
    _described(cloud, 1, uri, ModelApprovalStatus=approval or "PendingManualApproval", **more)
    result = cxr("report", "--model", "1", "--save", str(tmp_path / "r.html"))
    assert result.exit_code == 0, result.stderr
    return (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_copy_of_a_decided_version_s_report_says_who_decided_when_and_why(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    """SageMaker keeps who made the last change, and a comment is somebody's text."""
    changed = {
        "LastModifiedTime": datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        "LastModifiedBy": {"IamIdentity": {"Arn": "arn:aws:sts::1:assumed-role/approvers/jane"}},
        "ApprovalDescription": "Read by two <b>people</b>",
    }
    page = _decided(cloud, cxr, tmp_path, "Approved", **changed)
    assert (
        "<strong>Version 1 was approved 2026-11-02 09:30 UTC, by arn:aws:sts::1:assumed-role/approvers/jane. "
        "Comment: Read by two &lt;b&gt;people&lt;/b&gt;</strong>" in page
    )


def test_a_rejection_by_an_unknown_person_is_reported(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path) -> None:
    page = _decided(cloud, cxr, tmp_path, "Rejected", LastModifiedTime=datetime(2026, 11, 2, 9, 30, tzinfo=UTC))
    assert "was rejected 2026-11-02 09:30 UTC, by whom SageMaker does not tell. No comment was left.</strong>" in page


def test_an_execution_that_evaluated_nothing_has_no_report(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_newest_execution("abc", "Failed")
    cloud.has_execution("abc", "Failed", [step("TrainModel", "Failed", 9)], FailureReason="It broke.")
    result = cxr("report")
    assert result.exit_code == ExitCode.FAILED
    assert "Execution abc (Failed) has evaluated no model: It broke. Name one that has: `cxr exec" in result.stderr


@pytest.mark.parametrize("what", [one for one in Reporting if one is not Reporting.EVALUATION])
def test_only_of_the_training_pipeline_another_execution_is_advised(what: Reporting) -> None:
    """`cxr executions` lists no other pipeline's, and the commands about these take none by name."""
    ended = Execution("arn:aws:sagemaker:::pipeline/p/execution/abc", "Stopped", None, None)
    asked_nothing: Any = None
    with pytest.raises(CommandError, match=r"^Execution abc \(Stopped\) has [a-z ]+\.$"):
        of_execution(asked_nothing, ended, what)


def test_a_report_that_expired_is_a_sentence(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models("Approved")
    _described(cloud, 1, "s3://artifacts/e/evaluation.json")
    cloud.fails("s3", "get_object", "NoSuchKey", status=404)
    assert "There is no report.html in s3://artifacts/e: " in cxr("report", "--model", "latest").stderr


def test_report_is_of_one_thing(cxr: Callable[..., Result]) -> None:
    assert cxr("report", "abc", "--model", "1").exit_code == ExitCode.USAGE
