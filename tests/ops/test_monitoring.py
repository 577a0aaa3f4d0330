"""Predictions are compared when somebody asks, and the report opens; drift is a finding and no failure."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.response import StreamingBody
from typer.testing import Result

from ops.base.errors import ExitCode
from tests.ops.conftest import PIPELINE_ARN, Cloud, ran
from tests.ops.pipelines.test_watching import step

REPOSITORY = Path(__file__).resolve().parents[2]
DEFINITION = (REPOSITORY / "pipeline" / "definition-monitoring.json").read_text(encoding="utf-8")
SENTENCE = "Drift in 250 predictions of cxr-dev/3: probability (PSI 0.61)."
FINDINGS: dict[str, Any] = {
    "sentence": SENTENCE,
    "requests": {"predictions": None, "api": None, "sentence": "How many requests were refused is not known."},
    "trend": {"runs": [], "sentence": "4 runs, the first of them on 2026-11-01."},
}


def _starts(cloud: Cloud, **given: str) -> None:
    cloud.has_stack("monitoring")
    cloud.answers("sagemaker", "describe_pipeline", {"PipelineArn": PIPELINE_ARN, "PipelineDefinition": DEFINITION})
    cloud.takes_a_start("cxr-dev-monitoring", "m1", given, name="cxr-monitor")


def _ends(cloud: Cloud, findings: Mapping[str, Any] = FINDINGS) -> None:
    cloud.has_execution("m1", "Succeeded", [step("MonitorModel", "Succeeded", 2, Metadata=ran("monitor-1"))])
    cloud.has_processing_job("monitor-1", "monitoring", "s3://artifact-bucket/monitoring/m1")
    for name, body in (("monitoring.json", json.dumps(findings)), ("report.html", "<html>report</html>")):
        content = body.encode()
        cloud.answers(
            "s3",
            "get_object",
            {"Body": StreamingBody(io.BytesIO(content), len(content))},
            {"Bucket": "artifact-bucket", "Key": f"monitoring/m1/{name}"},
        )


def test_a_run_ends_with_its_sentence_and_its_report(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path) -> None:
    _starts(cloud, Days="30")
    _ends(cloud)
    report = tmp_path / "report.html"
    result = cxr("monitor", "--set", "Days=30", "--save", str(report))
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    for sentence in (SENTENCE, FINDINGS["requests"]["sentence"], FINDINGS["trend"]["sentence"]):
        assert f"{sentence}\n" in result.stdout
    assert report.read_text() == "<html>report</html>"
    cloud.all_asked()


def test_findings_are_there_for_scripts(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path) -> None:
    _starts(cloud)
    _ends(cloud)
    document = json.loads(cxr("monitor", "--json", "--save", str(tmp_path / "report.html")).stdout)
    assert document["findings"] == FINDINGS
    assert document["source"] == "s3://artifact-bucket/monitoring/m1/report.html"


def test_the_newest_run_is_shown_without_starting_one(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path) -> None:
    cloud.has_stack("monitoring")
    cloud.has_newest_execution("m1", "Succeeded")
    _ends(cloud)
    result = cxr("monitor", "--newest", "--save", str(tmp_path / "report.html"))
    assert SENTENCE in result.stdout
    cloud.all_asked()


def test_a_result_of_before_requests_were_counted_is_shown_too(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    cloud.has_stack("monitoring")
    cloud.has_newest_execution("m1", "Succeeded")
    _ends(cloud, {"sentence": SENTENCE})
    result = cxr("monitor", "--newest", "--save", str(tmp_path / "report.html"))
    assert result.exit_code == ExitCode.SUCCEEDED, result.output
    assert SENTENCE in result.stdout


def test_before_the_first_run_the_newest_says_how_to_start_one(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("monitoring")
    cloud.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": []})
    assert "start one with `cxr monitor`" in cxr("monitor", "--newest").stderr


def test_a_run_that_could_not_look_is_a_failure(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _starts(cloud)
    cloud.has_execution("m1", "Failed", [step("MonitorModel", "Failed", 2, FailureReason="The reference is damaged.")])
    result = cxr("monitor")
    assert result.exit_code == ExitCode.FAILED
    assert "The reference is damaged." in result.stderr


def test_a_parameter_of_the_other_pipeline_is_wrong_usage(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("monitoring")
    cloud.answers("sagemaker", "describe_pipeline", {"PipelineArn": PIPELINE_ARN, "PipelineDefinition": DEFINITION})
    result = cxr("monitor", "--set", "Epochs=3")
    assert result.exit_code == ExitCode.USAGE
    assert "no parameter Epochs" in result.stderr


def test_parameters_are_not_for_a_run_that_ended(cxr: Callable[..., Result]) -> None:
    assert cxr("monitor", "--newest", "--set", "Days=3").exit_code == ExitCode.USAGE
