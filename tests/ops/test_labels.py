"""Labels go to readers in the order of the ranking."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

from botocore.response import StreamingBody
from typer.testing import Result

from ops.base.errors import ExitCode
from tests.ops.conftest import Cloud, ran
from tests.ops.pipelines.test_watching import step

TABLE = (
    "rank,file,split,label,suggested,score,reviewed_label,reviewer,comment\n"
    "1,train/NORMAL/a.jpeg,train,NORMAL,PNEUMONIA,0.012000,,,\n"
    '2,"test/PNEUMONIA/b, c.jpeg",test,PNEUMONIA,NORMAL,0.310000,,,\n'
)


def _has_table(cloud: Cloud, table: str | None = TABLE) -> None:
    """The newest execution has evaluated a model, and left the table beside its report."""
    for part in ("training", "data", "endpoint"):
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
