"""Listing executions and reading a step's log through the ordinary APIs."""

from __future__ import annotations

import json
from collections.abc import Callable

from typer.testing import Result

from ops.base.errors import ExitCode
from tests.ops.conftest import Cloud, execution_arn
from tests.ops.pipelines.test_watching import has_search, processing, step, training, tuning


def test_executions_are_listed_with_the_reason_of_a_failure(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    for _ in range(2):
        cloud.has_stack("training")
        cloud.has_newest_execution("abc")
        cloud.has_execution("abc", "Failed")
        failed = training("Failed", FailureReason="No file [train.tfrecord].")
        cloud.has_execution("abc", "Failed", [failed], FailureReason="One or multiple steps failed.")
    result = cxr("executions")
    assert result.exit_code == 0
    for expected in ("abc", "Failed", "3 min 05 s", "TrainModel: No file [train.tfrecord]."):
        assert expected in result.stdout
    assert json.loads(cxr("executions", "--json").stdout)[0]["id"] == "abc"


def test_a_job_that_was_killed_is_told_what_that_mostly_means(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """The service says no more than the exit code of what the kernel ended for want of memory."""
    cloud.has_stack("training")
    cloud.has_newest_execution("abc")
    cloud.has_execution("abc", "Failed")
    cloud.has_execution("abc", "Failed", [training("Failed", FailureReason="AlgorithmError: , exit code: 137")])
    (told,) = json.loads(cxr("executions", "--json").stdout)
    assert told["reason"].startswith("TrainModel: AlgorithmError: , exit code: 137 (the job was killed, ")
    assert "--set TrainingInstanceType=..." in told["reason"]


def test_logs_prints_every_line_of_a_step_over_all_pages(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Failed", [training("Failed")])
    cloud.answers("logs", "describe_log_streams", {"logStreams": [{"logStreamName": "train-1/algo-1-1"}]})
    # A page may be empty although there are more.
    for token, lines in (("f/1", ["one", "[two]"]), ("f/2", []), ("f/3", ["three"]), ("f/3", [])):
        events = [{"timestamp": 1, "message": line} for line in lines]
        cloud.answers("logs", "get_log_events", {"events": events, "nextForwardToken": token})
    assert cxr("logs", execution_arn("abc")).stdout == "one\n[two]\nthree\n"


def test_logs_of_a_step_that_ran_no_job_names_the_ones_that_did(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Failed", [training("Failed")])
    result = cxr("logs", execution_arn("abc"), "--step", "CheckQuality")
    assert result.exit_code == ExitCode.FAILED
    assert "`--step` takes one of: TrainModel" in result.stderr


def test_a_job_that_has_not_logged_yet_has_no_line(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """The log group does not exist before the first job of an account writes to it."""
    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [training("Executing")])
    cloud.fails("logs", "describe_log_streams", "ResourceNotFoundException")
    cloud.has_execution("abc", "Succeeded", [training("Succeeded")])
    assert cxr("watch", execution_arn("abc")).exit_code == 0


def test_logs_of_several_instances_come_one_after_the_other_under_their_names(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Succeeded", [processing("Succeeded")])
    streams = [{"logStreamName": f"decode-1/algo-{number}-7"} for number in (1, 10, 2)]
    cloud.answers("logs", "describe_log_streams", {"logStreams": streams})
    for host in ("1", "2", "10"):
        events = [{"timestamp": 1, "message": f"decoded by {host}"}]
        cloud.answers(
            "logs",
            "get_log_events",
            {"events": events, "nextForwardToken": "f"},
            {
                "logGroupName": "/aws/sagemaker/ProcessingJobs",
                "logStreamName": f"decode-1/algo-{host}-7",
                "startFromHead": True,
            },
        )
        cloud.answers("logs", "get_log_events", {"events": [], "nextForwardToken": "f"})
    lines = cxr("logs", execution_arn("abc")).stdout.splitlines()
    assert lines == [line for host in ("1", "2", "10") for line in (f"==> algo-{host} <==", f"decoded by {host}")]


def test_the_newest_line_is_found_behind_an_empty_page(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [training("Executing")])
    cloud.answers("logs", "describe_log_streams", {"logStreams": [{"logStreamName": "train-1/algo-1-7"}]})
    cloud.answers("logs", "get_log_events", {"events": [], "nextBackwardToken": "b"})
    cloud.answers("logs", "get_log_events", {"events": [{"timestamp": 1, "message": "epoch=1"}]})
    cloud.has_execution("abc", "Succeeded", [training("Succeeded")])
    assert "    epoch=1" in cxr("watch", execution_arn("abc")).stdout.splitlines()


def test_logs_of_a_search_are_those_of_its_training_jobs(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Succeeded", [tuning("Succeeded")])
    has_search(cloud, ("001-aaaa0001", "Completed", 0.9), ("002-aaaa0002", "Completed", 0.8))
    for label in ("001-aaaa0001", "002-aaaa0002"):
        job = f"abc-TrainModel-x-{label}"
        cloud.answers(
            "logs",
            "describe_log_streams",
            {"logStreams": [{"logStreamName": f"{job}/algo-1-7"}]},
            {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": f"{job}/"},
        )
        events = [{"timestamp": 1, "message": "epoch=1"}]
        cloud.answers("logs", "get_log_events", {"events": events, "nextForwardToken": "f"})
        cloud.answers("logs", "get_log_events", {"events": [], "nextForwardToken": "f"})
    lines = cxr("logs", execution_arn("abc"), "--step", "TrainModel").stdout.splitlines()
    assert lines == ["==> 001-aaaa0001 <==", "epoch=1", "==> 002-aaaa0002 <==", "epoch=1"]


def test_what_a_function_and_a_search_answered_is_in_the_json(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    outputs = [{"Name": "ServingPackageArn", "Value": "none"}]
    found = step("FindServingModel", "Succeeded", 1, Metadata={"Lambda": {"Arn": "a", "OutputParameters": outputs}})
    cloud.has_execution("abc", "Succeeded", [tuning("Succeeded"), found])
    has_search(cloud, ("001-aaaa0001", "Completed", 0.9), ("002-aaaa0002", "Failed", None))
    tuned, called = json.loads(cxr("watch", execution_arn("abc"), "--json").stdout)["steps"]
    assert called["outputs"] == {"ServingPackageArn": "none"}
    assert tuned["job"] == tuned["search"]["job"] == "abc-TrainModel-x"
    assert tuned["search"]["best"] == "abc-TrainModel-x-001-aaaa0001"
    assert tuned["search"]["training_jobs"] == [
        {
            "job": f"abc-TrainModel-x-{label}",
            "status": status,
            "hyperparameters": {"dropout": "0.4"},
            "objective": objective,
        }
        for label, status, objective in (("001-aaaa0001", "Completed", 0.9), ("002-aaaa0002", "Failed", None))
    ]


def test_who_may_not_look_into_a_search_still_sees_the_execution(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Succeeded", [tuning("Succeeded")])
    cloud.fails("sagemaker", "describe_hyper_parameter_tuning_job", "AccessDeniedException")
    result = cxr("watch", execution_arn("abc"))
    assert result.exit_code == 0
    assert "TrainModel         Succeeded" in result.stdout
