"""docs/fidelity.md, and the list in docs/laptop.md, written from the rows: `python -m local.fidelity.pages`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from local.fidelity.rows import LEFT_OUT, OPERATIONS, RESOURCE_TYPES, STEP_TYPES, Row, documentation

_DOCS = Path(__file__).resolve().parents[2] / "docs"
FIDELITY, LAPTOP = _DOCS / "fidelity.md", _DOCS / "laptop.md"
_BEGIN, _END = "<!-- differences: written by `make fidelity` -->", "<!-- end of differences -->"
_OPENING = """# What the laptop answers, and how far as AWS does

Written by `make fidelity` from `local/fidelity/rows.py`. The laptop answers what stands here and refuses other
operations of SageMaker; nothing of it ran in AWS. "Held by" is the test that compares with what AWS documents, where
the name links to.
"""


def fidelity() -> str:
    """The page with a table for each kind of row."""
    tables = (
        ("Operations of SageMaker", OPERATIONS),
        ("Steps of a pipeline", STEP_TYPES),
        ("Resource types of CloudFormation", RESOURCE_TYPES),
    )
    return "\n".join([_OPENING, *(_table(title, rows) for title, rows in tables)])


def laptop(text: str) -> str:
    """docs/laptop.md with its list as the rows are.

    Raises:
        ValueError: it has no place for the list.
    """
    before, begins, rest = text.partition(_BEGIN)
    _, ends, after = rest.partition(_END)
    if not (begins and ends):
        raise ValueError(f"docs/laptop.md has no place for a list between {_BEGIN} and {_END}")
    listed = "\n".join(f"- {sentence};" for sentence in differences())
    return f"{before}{begins}\n\n{listed[:-1]}.\n\n{ends}{after}"


def differences() -> list[str]:
    """Each known difference once, in the order of the rows."""
    rows = (*OPERATIONS, *STEP_TYPES, *RESOURCE_TYPES)
    return [*dict.fromkeys(sentence for row in rows for sentence in row.differences), *LEFT_OUT]


def _table(title: str, rows: Iterable[Row]) -> str:
    head = f"## {title}\n\n| what | answered by | held by | not as in AWS |\n| --- | --- | --- | --- |\n"
    return head + "".join(f"{_line(row)}\n" for row in rows)


def _line(row: Row) -> str:
    address, (file, _, test) = documentation(row), row.test.partition("::")
    what = f"[`{row.name}`]({address})" if address else f"`{row.name}`"
    return f"| {what} | {row.by} | [`{test}`](../{file}) | {'; '.join(row.differences)} |"


if __name__ == "__main__":
    FIDELITY.write_text(fidelity(), encoding="utf-8")
    LAPTOP.write_text(laptop(LAPTOP.read_text(encoding="utf-8")), encoding="utf-8")
