"""Decision records have one form, the index names each, and a record that another one changes says by which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

RECORDS = Path(__file__).resolve().parents[1] / "docs" / "adr"
SECTIONS = ("Context", "Decision", "Alternatives", "Consequences")
LINK = re.compile(r"\[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\)")


@dataclass(frozen=True)
class Record:
    """One decision record.

    Attributes:
        name: of the file.
        title: without its number.
        status: with its links as their text: "Accepted, amended by 0018".
        date: ISO 8601.
        changed_by: names of the records that amend or supersede it.
        changes: names of the records that it says it changes.
        sections: text by heading.
    """

    name: str
    title: str
    status: str
    date: str
    changed_by: tuple[str, ...]
    changes: tuple[str, ...]
    sections: dict[str, str]

    @property
    def number(self) -> int:
        """The number that its name begins with."""
        return int(self.name[:4])


def read(path: Path) -> Record:
    """A record, whatever marks stand around the names in its head: a list's, those of bold text or of a heading."""
    text = re.sub(r"^## (Status|Date|Changes)\n+", r"- \1: ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    head, *sections = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    number, _, title = head.splitlines()[0].removeprefix("# ").partition(". ")
    assert number == str(int(path.name[:4])), f"the title of {path.name} has the number {number}"
    lines = re.sub(r" (?=(Date|Changes):)", "\n", head)
    fields = dict(re.findall(r"^[-* ]*(Status|Date|Changes)\**:\** *(.+?)\.?$", lines, re.MULTILINE))
    assert fields.keys() >= {"Status", "Date"}, f"the head of {path.name} has {sorted(fields)}"
    return Record(
        path.name,
        title,
        LINK.sub(r"\1", fields["Status"]).capitalize(),
        fields["Date"],
        tuple(name for _, name in LINK.findall(fields["Status"])),
        tuple(name for _, name in LINK.findall(fields.get("Changes", ""))),
        {name: text.strip() for name, text in zip(sections[::2], sections[1::2], strict=True)},
    )


@cache
def records() -> dict[str, Record]:
    """Records by their files' names, in the order of their numbers."""
    return {path.name: read(path) for path in sorted(RECORDS.glob("[0-9]*.md"))}


def test_each_number_is_given_once() -> None:
    numbers = [record.number for record in records().values()]
    assert numbers, "there are no records"
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("name", [path.name for path in sorted(RECORDS.glob("[0-9]*.md"))])
def test_a_record_has_title_status_date_and_sections(name: str) -> None:
    record = records()[name]

    assert record.title
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", record.date)
    assert re.fullmatch(r"Accepted(, amended by \d{4}(, \d{4})*)?|Superseded by \d{4}", record.status), record.status
    assert tuple(record.sections) == SECTIONS
    assert all(record.sections.values()), "a section is empty; alternatives may be: None recorded."


def test_a_change_is_said_by_both_records_and_comes_later() -> None:
    """Readers of the older record learn that it does not hold as it stands, those of the newer one what it replaces."""
    by_older = {(record.name, later) for record in records().values() for later in record.changed_by}
    by_newer = {(older, record.name) for record in records().values() for older in record.changes}

    assert by_older == by_newer
    assert all(int(older[:4]) < int(later[:4]) for older, later in by_older)
    for record in records().values():
        assert len(record.changed_by) == len(re.findall(r"\d{4}", record.status)), f"{record.name} links no record"


def test_the_index_has_each_record_with_its_title_and_status() -> None:
    rows = {}
    for line in (RECORDS / "README.md").read_text(encoding="utf-8").splitlines():
        if link := LINK.search(line) if line.startswith("| [") else None:
            _, title, status, summary = (cell.strip() for cell in line.strip("|").split(" | "))
            assert link[1] == link[2][:4]
            assert summary, f"{link[1]} has no line of its own in docs/adr/README.md"
            rows[link[2]] = (title, status)

    assert list(rows) == sorted(rows)
    assert rows == {record.name: (record.title, record.status) for record in records().values()}
