"""CloudWatch Logs refuses calls beyond its limits, so a chatty job's lines are split; and odd metrics are left out."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

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
