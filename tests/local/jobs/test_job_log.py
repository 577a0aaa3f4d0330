"""CloudWatch Logs refuses calls beyond its limits, so a chatty job's lines are split; and odd metrics are left out."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from botocore.exceptions import EndpointConnectionError

from local.jobs.job_log import EVENT_OVERHEAD, MAX_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, JobLog, batches


def events(*texts: str) -> list[dict[str, object]]:
    return [{"timestamp": 1, "message": text} for text in texts]


def test_no_lines_make_no_call() -> None:
    assert batches([]) == []


def test_a_call_has_at_most_ten_thousand_lines() -> None:
    assert [len(part) for part in batches(events(*["x"] * (MAX_EVENTS + 1)))] == [MAX_EVENTS, 1]


def test_a_call_has_at_most_a_mebibyte_of_bytes_not_characters() -> None:
    parts = batches(events(*["é" * 50_000] * 30))
    assert len(parts) > 1
    for part in parts:
        assert sum(len(event["message"].encode()) + EVENT_OVERHEAD for event in part) <= MAX_BYTES
    assert sum(map(len, parts)) == 30


def test_a_line_too_long_for_an_event_is_cut_between_characters() -> None:
    ((event,),) = batches(events("aé" * MAX_EVENT_BYTES))
    assert MAX_EVENT_BYTES - 2 < len(event["message"].encode()) <= MAX_EVENT_BYTES
    assert set(event["message"]) == {"a", "é"}


@pytest.mark.parametrize(
    ("line", "value"), [("loss=0.5", 0.5), ("loss=5e-1", 0.5), ("loss=nan", None), ("loss=x", None)]
)
def test_metrics_are_finite_numbers(tmp_path: Path, line: str, value: float | None) -> None:
    log = JobLog(Mock(), "group", "stream", tmp_path / "log", [{"Name": "loss", "Regex": r"loss=(\S+)"}])
    log.line(line)
    log.close()
    assert [metric["Value"] for metric in log.metrics()] == ([] if value is None else [value])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_keeps_no_line_from_cloudwatch(tmp_path: Path) -> None:
    """The thread that reads a command's output ended with the first line, and the command waited for it for ever."""
    (tmp_path / "log").symlink_to("/dev/full")
    logs = Mock()
    log = JobLog(logs, "group", "stream", tmp_path / "log")
    for text in ("one", "two"):
        log.line(text)
    log.close()
    (call,) = logs.put_log_events.call_args_list
    assert [event["message"] for event in call.kwargs["logEvents"]] == ["one", "two"]


def test_lines_that_cloudwatch_does_not_take_are_in_the_file_with_the_reason(tmp_path: Path) -> None:
    logs = Mock()
    logs.put_log_events.side_effect = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    log = JobLog(logs, "group", "stream", tmp_path / "log")
    log.line("one")
    log.close()
    said = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert said[0] == "one"
    assert said[1].startswith("(not delivered to CloudWatch Logs: Could not connect")
