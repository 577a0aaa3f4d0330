"""Durations, times and JSON as people and scripts read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops.base import output

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (4320, "1 h 12 min")]
)
def test_durations_have_the_unit_a_person_thinks_in(seconds: float, text: str) -> None:
    assert output.duration(START, START + timedelta(seconds=seconds)) == text


def test_what_has_not_begun_has_no_duration_and_no_time() -> None:
    assert output.duration(None) == ""
    assert output.moment(None) == ""


def test_a_json_document_is_one_line_with_times_in_iso_form(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"at": START, "name": "Größe\n"})
    assert capsys.readouterr().out == '{"at": "2026-03-01T12:00:00+00:00", "name": "Größe\\n"}\n'


def test_a_sentence_with_brackets_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich would read [red] in an error of AWS as a colour."""
    output.fail("value [red] is not [1, 2]")
    assert capsys.readouterr().err == "error: value [red] is not [1, 2]\n"


def test_failed_stacks_stand_out() -> None:
    assert output.status_text("UPDATE_ROLLBACK_COMPLETE").startswith("[red]")
    assert output.status_text("CREATE_COMPLETE") == "CREATE_COMPLETE"
