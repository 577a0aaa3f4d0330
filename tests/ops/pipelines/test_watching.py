"""Watching ends with the execution: its outcome is the exit code, and a failure says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from ops.base.errors import CommandError, ExitCode
from ops.pipelines import watching
from ops.pipelines.executions import ExecutionReader
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


def processing(status: str, **more: Any) -> dict[str, Any]:
    metadata = {"ProcessingJob": {"Arn": f"{ARN}:processing-job/decode-1"}}
    return step("PreprocessImages", status, Metadata=metadata, **more)


def tuning(status: str, **more: Any) -> dict[str, Any]:
    metadata = {"TuningJob": {"Arn": f"{ARN}:hyper-parameter-tuning-job/abc-TrainModel-x"}}
    return step("TrainModel", status, Metadata=metadata, **more)


def has_search(cloud: Cloud, *trials: tuple[str, str, float | None], planned: int = 2) -> None:
    """The next look at the search of `tuning`: label, status and objective of each training job so far."""
    objective = {"Type": "Maximize", "MetricName": "validation:best_auc"}
    summaries = []
    for label, status, value in trials:
        name = f"abc-TrainModel-x-{label}"
        summary: dict[str, Any] = {
            "TrainingJobName": name,
            "TrainingJobArn": f"{ARN}:training-job/{name}",
            "CreationTime": START,
            "TrainingJobStatus": status,
            "TunedHyperParameters": {"dropout": "0.4"},
        }
        if value is not None:
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = {**objective, "Value": value}
        summaries.append(summary)
    scored = [item for item in summaries if "FinalHyperParameterTuningJobObjectiveMetric" in item]
    best = max(scored, key=lambda item: item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], default=None)
    details = {
        "HyperParameterTuningJobName": "abc-TrainModel-x",
        "HyperParameterTuningJobArn": f"{ARN}:hyper-parameter-tuning-job/abc-TrainModel-x",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": objective,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": planned, "MaxParallelTrainingJobs": 2},
        },
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": START,
        "TrainingJobStatusCounters": {},
        "ObjectiveStatusCounters": {},
        **({"BestTrainingJob": best} if best else {}),
    }
    cloud.answers("sagemaker", "describe_hyper_parameter_tuning_job", details)
    cloud.answers("sagemaker", "list_training_jobs_for_hyper_parameter_tuning_job", {"TrainingJobSummaries": summaries})


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


def test_an_interrupt_ends_the_waiting_and_says_that_it_goes_on(
    cloud: Cloud, cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word, whoever presses Ctrl-C may think that the execution was ended, or start another."""

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [])
    monkeypatch.setattr("time.sleep", interrupted)
    result = cxr("watch", execution_arn("abc"))
    assert result.exit_code == ExitCode.INTERRUPTED
    assert f"Interrupted; the execution goes on: `cxr watch {execution_arn('abc')}` follows it." in result.stderr


def test_an_unknown_execution_says_how_to_find_one(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    pipeline = {"PipelineArn": f"{ARN}:pipeline/cxr-dev", "PipelineName": "cxr-dev"}
    cloud.answers("sagemaker", "describe_pipeline", pipeline)
    cloud.fails("sagemaker", "describe_pipeline_execution", "ResourceNotFound", "no")
    result = cxr("watch", "nope")
    assert result.exit_code == ExitCode.FAILED
    says = (
        "cxr-dev has no execution nope: `cxr executions` lists them, and one of another pipeline is named by its ARN."
    )
    assert says in result.stderr


def test_before_the_first_upload_watch_says_what_to_do(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": []})
    assert "has no executions yet: upload an archive" in cxr("watch").stderr


def test_several_instances_each_show_what_they_do(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [processing("Executing")])
    streams = [{"logStreamName": f"decode-1/algo-{number}-7"} for number in (1, 2, 3)]
    cloud.answers("logs", "describe_log_streams", {"logStreams": streams})
    for lines in (["decoded 10"], ["decoded 20"], []):
        events = [{"timestamp": 1, "message": line} for line in lines]
        cloud.answers("logs", "get_log_events", {"events": events, "nextForwardToken": "f"})
    cloud.has_execution("abc", "Succeeded", [processing("Succeeded", seconds=9)])
    lines = cxr("watch", execution_arn("abc")).stdout.splitlines()
    assert lines[1:] == [
        "  PreprocessImages   Executing",
        "    algo-1: decoded 10",
        "    algo-2: decoded 20",
        "  PreprocessImages   Succeeded  9 s",
        "Succeeded in 3 min 05 s",
    ]
    cloud.all_asked()


def test_a_search_shows_how_far_it_is_and_the_best_so_far(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [tuning("Executing")])
    has_search(cloud, ("001-aaaa0001", "Completed", 0.97123), ("002-aaaa0002", "InProgress", None), planned=3)
    cloud.answers("logs", "describe_log_streams", {"logStreams": [{"logStreamName": "t/algo-1-7"}]})
    events = [{"timestamp": 1, "message": "epoch=3 val_auc=0.9"}]
    cloud.answers("logs", "get_log_events", {"events": events, "nextForwardToken": "f"})
    cloud.has_execution("abc", "Succeeded", [tuning("Succeeded", seconds=60)])
    has_search(
        cloud,
        ("001-aaaa0001", "Completed", 0.97123),
        ("002-aaaa0002", "Failed", None),
        ("003-aaaa0003", "Completed", 0.98),
        planned=3,
    )
    lines = cxr("watch", execution_arn("abc")).stdout.splitlines()
    assert lines[1:] == [
        "  TrainModel         Executing",
        "    1 of 3 training jobs ended, 1 running; best validation:best_auc 0.9712 by 001-aaaa0001",
        "    002-aaaa0002: epoch=3 val_auc=0.9",
        "  TrainModel         Succeeded  1 min 00 s",
        "    3 of 3 training jobs ended, 1 failed; best validation:best_auc 0.9800 by 003-aaaa0003",
        "Succeeded in 3 min 05 s",
    ]
    cloud.all_asked()


def test_before_its_first_training_job_a_search_has_no_best(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Stopped", [tuning("Stopped")])
    has_search(cloud, planned=8)
    assert "    0 of 8 training jobs ended" in cxr("watch", execution_arn("abc")).stdout.splitlines()


def test_on_a_terminal_a_search_is_below_the_steps(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ExecutionReader(cloud.client("sagemaker"), cloud.client("logs"), "cxr-dev")
    cloud.answers("sagemaker", "describe_pipeline_definition_for_execution", {"PipelineDefinition": '{"Steps": []}'})
    cloud.has_execution("abc", "Succeeded", [tuning("Succeeded")])
    has_search(cloud, ("001-aaaa0001", "Completed", 0.5), planned=1)
    screen = Console(record=True, width=100, force_terminal=True)
    monkeypatch.setattr("ops.pipelines.watching.results", lambda: screen)
    monkeypatch.setattr("ops.pipelines.watching.interactive", lambda: True)
    watching.watch(reader, execution_arn("abc"), timeout=None, poll=0)
    assert "1 of 1 training jobs ended; best validation:best_auc 0.5000 by 001-aaaa0001" in screen.export_text()


def test_on_a_terminal_steps_to_come_are_shown_and_the_last_line_of_the_job(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = ExecutionReader(cloud.client("sagemaker"), cloud.client("logs"), "cxr-dev")
    definition = json.dumps({"Steps": [{"Name": "TrainModel"}, {"Name": "EvaluateModel"}]})
    cloud.answers("sagemaker", "describe_pipeline_definition_for_execution", {"PipelineDefinition": definition})
    cloud.has_execution("abc", "Executing", [training("Executing")])
    _logs(cloud, "epoch=2 loss=0.41")
    screen = Console(record=True, width=100, force_terminal=True)
    monkeypatch.setattr("ops.pipelines.watching.results", lambda: screen)
    monkeypatch.setattr("ops.pipelines.watching.interactive", lambda: True)
    with pytest.raises(CommandError):
        watching.watch(reader, execution_arn("abc"), timeout=0, poll=0)
    shown = screen.export_text()
    for expected in ("execution abc", "TrainModel", "EvaluateModel", "Pending", "epoch=2 loss=0.41"):
        assert expected in shown
