"""A check's finding: its state, one sentence on what was found, and what to do."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Result of a check."""

    FINE = "fine"
    SKIPPED = "skipped"  # need not be looked at
    UNKNOWN = "unknown"  # could not be looked at
    WRONG = "wrong"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Result of one check, with its state and advice.

    Attributes:
        check: name of the check.
        state: result of the check.
        found: one sentence on what was found.
        advice: one sentence on what to do; empty where nothing is to be done.
    """

    check: str
    state: State
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`."""
        return dataclasses.asdict(self)
