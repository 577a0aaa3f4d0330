"""Watching ends with the execution: its outcome is the exit code, and a failure says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from ops import watching
from ops.errors import CommandError, ExitCode
from ops.executions import ExecutionReader
from tests.ops.conftest import GROUP_ARN, START, Cloud, execution_arn

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
GATE = "AUROC 0.512 is below MinAuroc 0.900."


def step(name: str, status: str, seconds: int | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"StepName": name, "StepStatus": status, "StartTime": START, **more}
    if seconds is not None:
        made["EndTime"] = START + timedelta(seconds=seconds)
    return made


def training(status: str, **more: Any) -> dict[str, Any]:
    return step("TrainModel", status, Metadata={"TrainingJob": {"Arn": f"{ARN}:training-job/train-1"}}, **more)


def _logs(cloud: Cloud, *lines: str) -> None:
    streams = [{"logStreamName": "train-1/algo-1-1", "lastEventTimestamp": 5}]
    cloud.answers(
        "logs",
        "describe_log_streams",
        {"logStreams": streams},
        {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": "train-1/"},
    )
    events = [{"timestamp": number, "message": line} for number, line in enumerate(lines)]
    cloud.answers("logs", "get_log_events", {"events": events, "nextForwardToken": "f/1"})


def test_a_failed_execution_shows_its_steps_and_reason_and_ends_with_1(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """The reason is the failed step's: the execution itself only says that a step failed."""
    cloud.has_stack("training")
    cloud.has_newest_execution("abc")
    running = [step("PreprocessImages", "Succeeded", 42), training("Executing")]
    cloud.has_execution("abc", "Executing", running)
    _logs(cloud, "epoch=2 loss=0.41", "I0000 00:00:17.1 1 cuda.cc:31] No GPU.", " ")
    ended = [
        step("PreprocessImages", "Succeeded", 42),
        training("Succeeded", seconds=150),
        step("QualityGateFailed", "Failed", 150, FailureReason=GATE),
    ]
    cloud.has_execution("abc", "Failed", ended, FailureReason="Step failure: one or more steps failed.")
    result = cxr("watch")
    assert result.exit_code == ExitCode.FAILED
    lines = result.stdout.splitlines()
    assert lines[0] == "execution abc"
    assert "  PreprocessImages   Succeeded  42 s" in lines
    assert "  TrainModel         Executing" in lines
    assert "    epoch=2 loss=0.41" in lines
    assert "  TrainModel         Succeeded  2 min 30 s" in lines
    assert f"error: Execution abc failed after 3 min 05 s: QualityGateFailed: {GATE}" in result.stderr
    cloud.all_asked()


def test_a_succeeded_execution_names_the_version_it_registered(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    registered = step("RegisterModel", "Succeeded", 1, Metadata={"RegisterModel": {"Arn": f"{GROUP_ARN}/7"}})
    cloud.has_execution("abc", "Succeeded", [registered])
    result = cxr("watch", execution_arn("abc"))
    assert result.exit_code == 0
    assert "Succeeded in 3 min 05 s; version 7 is registered, `cxr approve 7` releases it" in result.stdout


def test_a_stopped_execution_is_not_a_success(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Stopped", [])
    assert cxr("watch", execution_arn("abc")).exit_code == ExitCode.FAILED


def test_json_is_one_document_at_the_end(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Failed", [step("TrainModel", "Failed", 9, FailureReason="Out of memory.")])
    result = cxr("watch", execution_arn("abc"), "--json")
    document = json.loads(result.stdout)
    assert (document["status"], document["reason"]) == ("Failed", "TrainModel: Out of memory.")
    assert document["steps"][0]["ended"] == "2026-03-01T12:00:09+00:00"
    assert result.exit_code == ExitCode.FAILED


def test_giving_up_is_exit_code_4_and_says_that_it_goes_on(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [])
    result = cxr("watch", execution_arn("abc"), "--timeout", "0")
    assert result.exit_code == ExitCode.TIMED_OUT
    assert "is still Executing" in result.stderr


def test_an_unknown_execution_says_how_to_find_one(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    pipeline = {"PipelineArn": f"{ARN}:pipeline/cxr-dev", "PipelineName": "cxr-dev"}
    cloud.answers("sagemaker", "describe_pipeline", pipeline)
    cloud.fails("sagemaker", "describe_pipeline_execution", "ResourceNotFound", "no")
    result = cxr("watch", "nope")
    assert result.exit_code == ExitCode.FAILED
    assert "cxr-dev has no execution nope: `cxr executions` lists them." in result.stderr


def test_before_the_first_upload_watch_says_what_to_do(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": []})
    assert "has no executions yet: upload an archive" in cxr("watch").stderr


def test_on_a_terminal_steps_to_come_are_shown_and_the_last_line_of_the_job(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = ExecutionReader(cloud.client("sagemaker"), cloud.client("logs"), "cxr-dev")
    definition = json.dumps({"Steps": [{"Name": "TrainModel"}, {"Name": "EvaluateModel"}]})
    cloud.answers("sagemaker", "describe_pipeline_definition_for_execution", {"PipelineDefinition": definition})
    cloud.has_execution("abc", "Executing", [training("Executing")])
    _logs(cloud, "epoch=2 loss=0.41")
    screen = Console(record=True, width=100, force_terminal=True)
    monkeypatch.setattr("ops.watching.results", lambda: screen)
    monkeypatch.setattr("ops.watching.interactive", lambda: True)
    with pytest.raises(CommandError):
        watching.watch(reader, execution_arn("abc"), timeout=0, poll=0)
    shown = screen.export_text()
    for expected in ("execution abc", "TrainModel", "EvaluateModel", "Pending", "epoch=2 loss=0.41"):
        assert expected in shown
