"""The examples of docs/clients.md and of other pages, taken out of them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from local.laptop import REPOSITORY

PAGE = REPOSITORY / "docs" / "clients.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Example:
    """One fenced block: its language, the heading it stands under, and its text."""

    language: str
    heading: str
    text: str

    def __str__(self) -> str:
        return f"{self.heading}: {self.language}"


def fenced(path: Path = PAGE) -> list[Example]:
    """Every fenced block of a page, in order."""
    page, found = path.read_text(encoding="utf-8"), []
    for match in _FENCE.finditer(page):
        heading = re.findall(r"^## (.+)$", page[: match.start()], re.MULTILINE)[-1]
        found.append(Example(match[1], heading, match[2]))
    return found
