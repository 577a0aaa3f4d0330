"""Listing executions and reading a step's log through the ordinary APIs."""

from __future__ import annotations

import json
from collections.abc import Callable

from typer.testing import Result

from ops.errors import ExitCode
from tests.ops.conftest import Cloud, execution_arn
from tests.ops.test_watching import training


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


def test_logs_prints_every_line_of_a_step_over_all_pages(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Failed", [training("Failed")])
    cloud.answers("logs", "describe_log_streams", {"logStreams": [{"logStreamName": "train-1/algo-1-1"}]})
    for token, lines in (("f/1", ["one", "[two]"]), ("f/2", ["three"]), ("f/2", [])):
        events = [{"timestamp": 1, "message": line} for line in lines]
        cloud.answers("logs", "get_log_events", {"events": events, "nextForwardToken": token})
    assert cxr("logs", execution_arn("abc")).stdout == "one\n[two]\nthree\n"


def test_logs_of_a_step_that_ran_no_job_names_the_ones_that_did(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_execution("abc", "Failed", [training("Failed")])
    result = cxr("logs", execution_arn("abc"), "--step", "CheckQuality")
    assert result.exit_code == ExitCode.FAILED
    assert "steps with one: TrainModel" in result.stderr


def test_a_job_that_has_not_logged_yet_has_no_line(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """The log group does not exist before the first job of an account writes to it."""
    cloud.has_stack("training")
    cloud.has_execution("abc", "Executing", [training("Executing")])
    cloud.fails("logs", "describe_log_streams", "ResourceNotFoundException")
    cloud.has_execution("abc", "Succeeded", [training("Succeeded")])
    assert cxr("watch", execution_arn("abc")).exit_code == 0
