"""Tables in Markdown, and the places of a page that a command writes them into."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, tables: Mapping[str, str], *, page: str, command: str) -> str:
    """A page with its tables as they are reckoned.

    Args:
        text: current text of the page.
        tables: by name, of which each has a place between two comments.
        page: name of the page's file.
        command: what writes it, such as `make scale`.

    Raises:
        ValueError: it has no place for one of the tables.
    """
    for name, written in tables.items():
        begin, end = f"<!-- {name}: written by `{command}` -->", f"<!-- end of {name} -->"
        before, begins, rest = text.partition(begin)
        _, ends, after = rest.partition(end)
        if not (begins and ends):
            raise ValueError(f"{page} has no place for a table between {begin} and {end}")
        text = f"{before}{begin}\n\n{written}\n\n{end}{after}"
    return text
