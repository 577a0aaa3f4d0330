"""Checks the expressions of a pipeline definition's steps: functions, conditions, and what they refer to."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import botocore.session

from local.pipelines import expressions
from local.pipelines.expressions import ExpressionError
from local.pipelines.step import Parameter, Step

# The shapes whose members a step's properties are, by step type. A Fail step has none; the outcome of a Condition step
# and the output parameters of a Lambda step are no shape's.
PROPERTY_SHAPES: Mapping[str, tuple[str, ...]] = {
    "Processing": ("DescribeProcessingJobResponse",),
    "Training": ("DescribeTrainingJobResponse",),
    # The second has only TrainingJobSummaries, the best training job first: sagemaker.mlops.workflow.steps.TuningStep.
    "Tuning": ("DescribeHyperParameterTuningJobResponse", "ListTrainingJobsForHyperParameterTuningJobResponse"),
    "Lambda": (),
    "RegisterModel": ("DescribeModelPackageOutput",),
    "Condition": (),
    "Fail": (),
}


def check_arguments(step: Step, parameters: Mapping[str, Parameter], steps: Mapping[str, Step]) -> None:
    """Check the expressions of a step's arguments, so that a mistake is reported before anything has run.

    Raises:
        ExpressionError: naming the function, reference or member that is wrong or unsupported.
    """
    _check(step.arguments, step, parameters, steps)
    _check(step.function, step, parameters, steps)


def _check(value: Any, step: Step, parameters: Mapping[str, Parameter], steps: Mapping[str, Step]) -> None:
    function = expressions.function_of(value)
    if function is not None and function[0] == "Get":
        _check_reference(function[1], parameters, steps)
        return
    if function is not None and function[0] == "Std:JsonGet":
        _check_json_get(function[1], steps)
        value = function[1].get("S3Uri")
    elif function is not None and function[0] == "Std:Join":
        if not isinstance(function[1].get("Values"), list):
            raise ExpressionError("Std:Join needs a list of Values.")
        value = function[1]["Values"]
    elif function is not None:
        raise ExpressionError(f"The function '{function[0]}' is not supported.")
    elif step.type == "Condition" and value is step.arguments:
        for condition in value["Conditions"]:
            _check_condition(condition)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(item, step, parameters, steps)


def _check_condition(condition: Mapping[str, Any]) -> None:
    kind = condition.get("Type")
    if kind not in expressions.CONDITIONS:
        known = ", ".join(sorted(expressions.CONDITIONS))
        raise ExpressionError(f"The condition '{kind}' is not supported; known are {known}.")
    members = {"In": ("QueryValue", "Values"), "Not": ("Condition",), "Or": ("Conditions",)}
    needed = members.get(kind, ("LeftValue", "RightValue"))
    if {*condition} != {"Type", *needed}:
        raise ExpressionError(
            f"The condition '{kind}' has the members {', '.join(needed)}, not {', '.join(condition)}."
        )
    for inner in [condition["Condition"]] if kind == "Not" else condition["Conditions"] if kind == "Or" else []:
        _check_condition(inner)


def _check_reference(path: str, parameters: Mapping[str, Parameter], steps: Mapping[str, Step]) -> None:
    match expressions.tokens(path):
        case ["Parameters", str(name)] if name in parameters:
            return
        case ["Parameters", str(name)]:
            raise ExpressionError(f"'{path}' refers to parameter '{name}', which the pipeline does not declare.")
        case ["Execution", name] if name in expressions.EXECUTION_VARIABLES:
            return
        case ["Steps", str(name), *_] if name not in steps:
            raise ExpressionError(f"'{path}' refers to step '{name}', which the pipeline does not have.")
        case ["Steps", str(name), *rest] if rest:
            _check_property(path, rest, steps[name])
        case _:
            raise ExpressionError(f"The reference '{path}' is not supported.")


def _check_json_get(argument: Mapping[str, Any], steps: Mapping[str, Step]) -> None:
    if not isinstance(argument.get("Path"), str):
        raise ExpressionError("Std:JsonGet needs a Path that is a string.")
    expressions.tokens(argument["Path"])
    if ("PropertyFile" in argument) == ("S3Uri" in argument):
        raise ExpressionError("Std:JsonGet needs either a PropertyFile or an S3Uri.")
    if "PropertyFile" in argument:
        step, name = expressions.property_file(argument["PropertyFile"])
        if step not in steps or name not in steps[step].property_files:
            raise ExpressionError(f"Std:JsonGet names property file '{name}', which step '{step}' does not have.")


@functools.cache
def _shapes(step_type: str) -> tuple[Any, ...]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return tuple(model.shape_for(name) for name in PROPERTY_SHAPES[step_type])


def _check_property(path: str, rest: list[str | int], step: Step) -> None:
    """A property must be a member of what Describe answers for the step's job, by the service model."""
    match step.type, rest:
        case "Condition", ["Outcome"]:
            return
        case "Lambda", ["OutputParameters", name]:
            if name not in step.outputs:
                known = ", ".join(step.outputs) or "none"
                raise ExpressionError(f"'{path}' names the output '{name}', but step '{step.name}' has {known}.")
            return
    shape: Any = next((shape for shape in _shapes(step.type) if rest[0] in shape.members), None)
    given: Any = step.arguments
    for part in rest:
        kind = shape.type_name if shape else None
        if kind == "structure" and part in shape.members:
            shape = shape.members[part]
            given = given.get(part) if isinstance(given, dict) else None
        elif kind == "list":
            shape = shape.member
            _check_element(path, part, given, step)
            given = None
        elif kind == "map":
            shape, given = shape.value, None
        else:
            raise ExpressionError(f"'{path}' is not supported: a {step.type} step has no property '{part}' there.")


def _check_element(path: str, part: str | int, given: Any, step: Step) -> None:
    """An element that is addressed by name must be one of those the step's own request names."""
    names: list[Any] = [e[m] for e in given or () if isinstance(e, dict) for m in expressions.NAME_MEMBERS if m in e]
    if isinstance(part, str) and names and part not in names:
        raise ExpressionError(f"'{path}' names '{part}', but step '{step.name}' has {', '.join(map(str, names))}.")
