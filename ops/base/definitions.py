"""Pipeline definitions, as SageMaker takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def of(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """The definition in the properties of a template's pipeline, its placeholders left as they are."""
    body = pipeline["PipelineDefinition"]["PipelineDefinitionBody"]
    template = body["Fn::Sub"] if isinstance(body, dict) else body
    return dict(json.loads(template[0] if isinstance(template, list) else template))


def defaults(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the values that they have unless a start says otherwise; None for those it has to name."""
    return {item["Name"]: item.get("DefaultValue") for item in definition["Parameters"]}


def value(given: Any, values: Mapping[str, Any]) -> Any:
    """A number or a text of a step, with parameters replaced."""
    if isinstance(given, dict) and str(given.get("Get", "")).startswith("Parameters."):
        return values[given["Get"].removeprefix("Parameters.")]
    return given


def all_steps(definition: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All steps, with those of both branches of a condition."""
    yield from _walk(definition["Steps"])


def _walk(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _walk(step.get("Arguments", {}).get(branch) or [])
