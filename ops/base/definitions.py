"""Pipeline definitions, as SageMaker takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def all_steps(definition: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All steps, with those of both branches of a condition."""
    yield from _walk(definition["Steps"])


def _walk(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _walk(step.get("Arguments", {}).get(branch) or [])
