"""Pages whose tables a command writes, each between two comments, and tables in Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ops.base.tools import REPOSITORY


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of docs/ with tables that are reckoned.

    Attributes:
        name: path in the repository, such as `docs/scale.md`.
        command: what writes it, such as `make scale`.
        tables: makes the tables by name, of which each has a place between two comments.
    """

    name: str
    command: str
    tables: Callable[[], Mapping[str, str]]

    @property
    def path(self) -> Path:
        """The file."""
        return REPOSITORY / self.name

    def filled(self, text: str) -> str:
        """The page with its tables as they are reckoned.

        Raises:
            ValueError: it has no place for one of the tables.
        """
        for name, written in self.tables().items():
            begin, end = f"<!-- {name}: written by `{self.command}` -->", f"<!-- end of {name} -->"
            before, begins, rest = text.partition(begin)
            _, ends, after = rest.partition(end)
            if not (begins and ends):
                raise ValueError(f"{self.name} has no place for a table between {begin} and {end}")
            text = f"{before}{begin}\n\n{written}\n\n{end}{after}"
        return text

    def write(self) -> None:
        """Write the tables into the file."""
        self.path.write_text(self.filled(self.path.read_text(encoding="utf-8")), encoding="utf-8")
