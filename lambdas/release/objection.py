"""Objection to a release: why a version is not released, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Objection:
    """Reason against releasing a version, and advice, both in whole sentences; `outcome` is the verdict's word."""

    outcome: str
    reason: str
    advice: str

    def __str__(self) -> str:
        return f"{self.reason} {self.advice}"
