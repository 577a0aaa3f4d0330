"""Labels go to readers in the order of the ranking, and what they changed starts an execution on a new version."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from typer.testing import Result

from ops.base.errors import ExitCode
from ops.pipelines import label_import
from ops.pipelines.uploads import Upload
from tests.ops.conftest import Cloud, ran
from tests.ops.pipelines.test_watching import step

URI = "s3://data-bucket/datasets/" + "0f" * 32 + "/archive.zip"
TABLE = (
    "rank,file,split,label,suggested,score,reviewed_label,reviewer,comment\n"
    "1,train/NORMAL/a.jpeg,train,NORMAL,PNEUMONIA,0.012000,,,\n"
    '2,"test/PNEUMONIA/b, c.jpeg",test,PNEUMONIA,NORMAL,0.310000,,,\n'
)


def _has_table(cloud: Cloud, table: str | None = TABLE) -> None:
    """The newest execution has evaluated a model, and left the table beside its report."""
    for part in ("training", "data"):
        cloud.has_stack(part)
    cloud.has_newest_execution("e1", "Succeeded")
    cloud.has_execution("e1", "Succeeded", [step("EvaluateModel", "Succeeded", 2, Metadata=ran("evaluate-1"))])
    cloud.has_processing_job("evaluate-1", "evaluation", "s3://artifact-bucket/executions/e1/evaluation")
    if table is None:
        cloud.fails("s3", "get_object", "NoSuchKey")
        return
    body = {"Body": StreamingBody(io.BytesIO(table.encode()), len(table.encode()))}
    expected = {"Bucket": "artifact-bucket", "Key": "executions/e1/evaluation/suspect_labels.csv"}
    cloud.answers("s3", "get_object", body, expected)


def test_the_table_is_printed_as_it_is(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _has_table(cloud)
    result = cxr("labels", "export")
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    assert result.stdout == TABLE


def test_or_written_to_a_file(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path) -> None:
    _has_table(cloud)
    path = tmp_path / "review.csv"
    found = json.loads(cxr("labels", "export", "--csv", str(path), "--json").stdout)
    assert path.read_text() == TABLE
    uri = "s3://artifact-bucket/executions/e1/evaluation/suspect_labels.csv"
    assert found == {"source": uri, "file": str(path), "images": 2}


def test_an_execution_without_a_ranking_is_one_sentence(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _has_table(cloud, None)
    result = cxr("labels", "export")
    assert result.exit_code == ExitCode.FAILED
    assert "There is no suspect_labels.csv in s3://artifact-bucket/executions/e1/evaluation: " in result.stderr


def test_an_execution_and_a_version_at_once_are_wrong_usage(cxr: Callable[..., Result]) -> None:
    assert cxr("labels", "export", "e1", "--model", "2").exit_code == ExitCode.USAGE


def _starts(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], bytes]]:
    """The table's execution worked on an archive; what is sent of it starts another. What was sent."""
    given = {"PipelineParameters": [{"Name": "InputArchiveUri", "Value": URI}]}
    cloud.answers("sagemaker", "list_pipeline_parameters_for_execution", given)
    sent = []

    def send(_s3: Any, archive: str, changed: dict[str, Any], table: bytes, *, bucket: str) -> Upload:
        sent.append((archive, changed, table))
        return Upload(bucket, "incoming/reviewed.zip", "v1")

    monkeypatch.setattr(label_import, "send", send)
    cloud.fails("s3", "get_object", "NoSuchKey")  # no refusal beside it
    cloud.has_newest_execution("e2")
    token = Upload("data-bucket", "incoming/reviewed.zip", "v1").token
    uri = f"s3://data-bucket/datasets/{token}/archive.zip"
    parameters = {"PipelineParameters": [{"Name": "InputArchiveUri", "Value": uri}]}
    cloud.answers("sagemaker", "list_pipeline_parameters_for_execution", parameters)
    return sent


def test_a_reviewed_table_starts_an_execution_on_a_new_version(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _has_table(cloud)
    sent = _starts(cloud, monkeypatch)
    path = tmp_path / "review.csv"
    path.write_text(TABLE.replace("0.012000,,,", "0.012000,PNEUMONIA,Dr. X,consolidation"))
    result = cxr("labels", "import", str(path), "--json")
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    assert "1 labels change (1 NORMAL to PNEUMONIA)" in result.stderr
    found = json.loads(result.stdout)
    assert (found["execution"], found["derived_from"], found["changed"]) == ("e2", URI, {"NORMAL to PNEUMONIA": 1})
    change = {"train/NORMAL/a.jpeg": {"given": "NORMAL", "reviewed": "PNEUMONIA"}}
    assert sent == [(URI, change, path.read_bytes())]
    cloud.all_asked()


def test_a_table_that_changes_nothing_starts_nothing(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _has_table(cloud)
    sent = _starts(cloud, monkeypatch)
    path = tmp_path / "review.csv"
    path.write_text(TABLE)
    result = cxr("labels", "import", str(path))
    assert result.exit_code == ExitCode.FAILED
    assert "review.csv changes no label" in result.stderr
    assert not sent
