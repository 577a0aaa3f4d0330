"""Evaluates the expressions of a SageMaker pipeline definition: references, `Std:Join`, `Std:JsonGet` and conditions.

An expression is a JSON object with one member: `{"Get": "Parameters.Epochs"}`, `{"Std:Join": {...}}` or
`{"Std:JsonGet": {...}}`. Everything else is a literal, searched for expressions inside.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EXECUTION_VARIABLES = frozenset(
    {"CurrentDateTime", "PipelineArn", "PipelineExecutionArn", "PipelineExecutionId", "PipelineName", "StartDateTime"}
)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanOrEqualTo": lambda left, right: left >= right,
    "LessThan": lambda left, right: left < right,
    "LessThanOrEqualTo": lambda left, right: left <= right,
}
CONDITIONS = frozenset({*COMPARISONS, "Equals", "In", "Not", "Or"})
# The member that names an element in the lists of job descriptions that are addressed as in Outputs['train'].
NAME_MEMBERS = ("OutputName", "InputName", "ChannelName", "MetricName", "Name")

_TOKEN = re.compile(r"\.?([A-Za-z0-9_\-]+)|\[(?:'([^']*)'|\"([^\"]*)\"|(\d+))\]")


class ExpressionError(ValueError):
    """An expression that cannot be evaluated; the message says which one and why."""


@dataclass(frozen=True)
class Scope:
    """Scope of an expression: parameters, properties and property files that it may refer to.

    Attributes:
        parameters: the execution's parameters, typed.
        execution: execution variables by name, such as `PipelineExecutionId`.
        properties: what each finished step's Describe call would answer, by step name.
        property_file: reads a step's property file (step name, file name) and returns the parsed JSON.
        json_at: reads the JSON document at an S3 URI.
    """

    parameters: Mapping[str, Any]
    execution: Mapping[str, str]
    properties: Mapping[str, Mapping[str, Any]]
    property_file: Callable[[str, str], Any]
    json_at: Callable[[str], Any]


def function_of(value: Any) -> tuple[str, Any] | None:
    """The function and argument of an expression, or None for a literal."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Get" or name.startswith("Std:"):
            return name, argument
    return None


def tokens(path: str) -> list[str | int]:
    """Split a path such as `Outputs['train'].S3Output` or `gates[0].value` into names and positions.

    Raises:
        ExpressionError: the path is not of that form.
    """
    parts: list[str | int] = []
    position = 2 if path.startswith("$.") else 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if match is None:
            raise ExpressionError(f"The path '{path}' cannot be read from character {position + 1} on.")
        name, single, double, index = match.groups()
        parts.append(int(index) if index is not None else next(t for t in (name, single, double) if t is not None))
        position = match.end()
    if not parts:
        raise ExpressionError("The path is empty.")
    return parts


def look_up(document: Any, path: Sequence[str | int], whole: str) -> Any:
    """Follow a path into a JSON document; a list is entered by position, or by its elements' name member.

    Args:
        path: names and positions from `tokens`.
        whole: the reference as written, for the error.

    Raises:
        ExpressionError: the document has nothing there.
    """
    found = document
    for part in path:
        try:
            if isinstance(found, list) and isinstance(part, str):
                found = next(e for e in found if isinstance(e, Mapping) and part in (e.get(m) for m in NAME_MEMBERS))
            else:
                found = found[part]
        except (KeyError, IndexError, TypeError, StopIteration):
            raise ExpressionError(f"'{whole}' is undefined: there is no '{part}'.") from None
    return found


def references(value: Any) -> Iterator[list[str | int]]:
    """Every `Get` path in a value, split by `tokens`, those inside functions included."""
    function = function_of(value)
    if function is not None and function[0] == "Get":
        yield tokens(function[1])
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def evaluate(value: Any, scope: Scope) -> Any:
    """Replace every expression in a value by what it stands for.

    Raises:
        ExpressionError: an expression refers to nothing, or is of a kind that is not supported.
    """
    function = function_of(value)
    if function is not None:
        name, argument = function
        if name == "Get":
            return _get(argument, scope)
        if name == "Std:Join":
            return str(argument.get("On", "")).join(text(evaluate(item, scope)) for item in argument["Values"])
        if name == "Std:JsonGet":
            return _json_get(argument, scope)
        raise ExpressionError(f"The function '{name}' is not supported.")
    if isinstance(value, dict):
        return {key: evaluate(item, scope) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, scope) for item in value]
    return value


def text(value: Any) -> str:
    """A value as `Std:Join` writes it; booleans are `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ExpressionError(f"Std:Join joins strings, numbers and booleans, not {_kind(value)}.")


def holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    """Whether a condition of a Condition step is true.

    Raises:
        ExpressionError: the two sides are of different types, have no order, or a reference is undefined.
    """
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"], scope)
    if kind == "Or":
        return any(holds(alternative, scope) for alternative in condition["Conditions"])
    if kind == "In":
        wanted = evaluate(condition["QueryValue"], scope)
        choices = [evaluate(choice, scope) for choice in condition["Values"]]
        return any(_equal(wanted, choice, kind) for choice in choices)
    left, right = (evaluate(condition[side], scope) for side in ("LeftValue", "RightValue"))
    if kind == "Equals":
        return _equal(left, right, kind)
    if kind not in COMPARISONS:
        raise ExpressionError(f"The condition '{kind}' is not supported.")
    for side in (left, right):
        if _kind(side) != "a number":
            raise ExpressionError(f"{kind} compares numbers, but one side is {_kind(side)}: {side!r}.")
        if math.isnan(side):
            raise ExpressionError(f"{kind} cannot compare NaN, which is not a number.")
    return COMPARISONS[kind](left, right)


def _equal(left: Any, right: Any, kind: str) -> bool:
    if _kind(left) != _kind(right):
        raise ExpressionError(
            f"{kind} compares values of one type, but {left!r} is {_kind(left)} and {right!r} is {_kind(right)}."
        )
    return bool(left == right)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "null" if value is None else "an object or a list"


def _get(path: str, scope: Scope) -> Any:
    origin, *rest = tokens(path)
    if origin == "Parameters" and len(rest) == 1:
        return look_up(scope.parameters, rest, path)
    if origin == "Execution" and len(rest) == 1:
        return look_up(scope.execution, rest, path)
    if origin == "Steps" and len(rest) > 1:
        return look_up(scope.properties, rest, path)
    raise ExpressionError(f"The reference '{path}' is not supported.")


def _json_get(argument: Mapping[str, Any], scope: Scope) -> Any:
    path = argument["Path"]
    if "PropertyFile" in argument:
        step, name = property_file(argument["PropertyFile"])
        return look_up(scope.property_file(step, name), tokens(path), path)
    return look_up(scope.json_at(evaluate(argument["S3Uri"], scope)), tokens(path), path)


def property_file(reference: Any) -> tuple[str, str]:
    """The step and the property file that a `Std:JsonGet` names.

    Raises:
        ExpressionError: it is not of the form `{"Get": "Steps.<step>.PropertyFiles.<name>"}`.
    """
    function = function_of(reference)
    if function is not None and function[0] == "Get":
        match tokens(function[1]):
            case ["Steps", str(step), "PropertyFiles", str(name)]:
                return step, name
    raise ExpressionError(f'PropertyFile must be {{"Get": "Steps.<step>.PropertyFiles.<name>"}}, not {reference!r}.')
