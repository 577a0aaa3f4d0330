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


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 bytes"), (812, "812 bytes"), (4_100, "4.1 kB"), (2_500_000, "2.5 MB"), (3e9, "3.0 GB")]
)
def test_a_size_is_never_nothing_where_there_is_something(count: int, shown: str) -> None:
    assert output.size(count) == shown


def test_a_table_in_a_pipe_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Folded cells and cut-off columns are of no use to whoever reads a file."""
    listing = output.table("resource", "how much")
    listing.add_row("a" * 120, "word " * 60)
    output.results().print(listing)
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert len(lines) == 2
    assert lines[1].split("  ")[0] == "a" * 120
    assert lines[1].count("word") == 60
