"""Reads a pipeline definition (schema version 2020-12-01) and checks all of it before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.pipelines import expressions, lambda_step
from local.pipelines.definition_checks import PROPERTY_SHAPES, check_arguments
from local.pipelines.expressions import ExpressionError
from local.pipelines.step import PARAMETER_TYPES, DefinitionError, Parameter, Step


@dataclass(frozen=True)
class Definition:
    """A checked definition: its parameters, and every step in order of declaration, those of branches included."""

    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]

    def bind(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The typed parameters of an execution: what was given, then defaults.

        Raises:
            DefinitionError: a name the pipeline does not declare, a value of the wrong type, or one that is missing.
        """
        for name in given:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise DefinitionError(f"Unknown parameter '{name}'. The pipeline's parameters are: {known}.")
        bound = {}
        for name, parameter in self.parameters.items():
            if name in given:
                bound[name] = parameter.parse(given[name])
            elif parameter.default is None:
                raise DefinitionError(f"Parameter '{name}' is undefined: it has no default, so a start must give it.")
            else:
                bound[name] = parameter.default
        return bound


def read(body: str) -> Definition:
    """Parse and check a definition.

    Raises:
        DefinitionError: naming the step and the type, function, reference or member that is wrong or unsupported.
    """
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise DefinitionError(f"Unable to parse pipeline definition. It is not JSON: {error}.") from None
    try:
        parameters = {p["Name"]: _parameter(p) for p in document.get("Parameters", [])}
        flat = _flatten(document.get("Steps", []), None)
    except ExpressionError as error:
        raise DefinitionError(str(error)) from None
    except (AttributeError, KeyError, TypeError) as error:
        raise DefinitionError(f"Unable to parse pipeline definition. Missing or misplaced: {error}.") from None
    steps = {step.name: step for step in flat}
    if not steps:
        raise DefinitionError("The pipeline definition has no steps.")
    if len(steps) < len(flat):
        twice = next(step.name for step in flat if steps[step.name] is not step)
        raise DefinitionError(f"Two steps are named '{twice}'; step names must be unique in a pipeline.")
    for step in flat:
        try:
            check_arguments(step, parameters, steps)
        except ExpressionError as error:
            raise DefinitionError(f"Step '{step.name}': {error}") from None
        except (AttributeError, KeyError, TypeError) as error:
            raise DefinitionError(f"Step '{step.name}': missing or misplaced: {error}.") from None
    _check_order(steps)
    return Definition(parameters, steps)


def _parameter(declared: Mapping[str, Any]) -> Parameter:
    name, kind = declared["Name"], declared["Type"]
    if kind not in PARAMETER_TYPES:
        raise DefinitionError(f"Parameter '{name}' has type '{kind}'; known are {', '.join(PARAMETER_TYPES)}.")
    default = declared.get("DefaultValue")
    accepted = (int, float) if kind == "Float" else PARAMETER_TYPES[kind]
    if default is not None and (not isinstance(default, accepted) or isinstance(default, bool) != (kind == "Boolean")):
        raise DefinitionError(f"The default of parameter '{name}' must be of type {kind}, not {default!r}.")
    return Parameter(name, kind, default, tuple(declared.get("EnumValues", ())))


def _flatten(declared: Iterable[Mapping[str, Any]], branch: tuple[str, bool] | None) -> list[Step]:
    steps: list[Step] = []
    for item in declared:
        name, kind, arguments = item["Name"], item["Type"], item.get("Arguments", {})
        if kind not in PROPERTY_SHAPES:
            raise DefinitionError(
                f"Step '{name}' is of type '{kind}', which the laptop cannot run; it runs {', '.join(PROPERTY_SHAPES)}."
            )
        branches: list[Step] = []
        if kind == "Condition":
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                branches += _flatten(arguments.get(member, []), (name, outcome))
            arguments = {"Conditions": arguments.get("Conditions", [])}
        function, outputs = (item["FunctionArn"], _outputs(item)) if kind == "Lambda" else (None, {})
        references = expressions.references([arguments, function])
        after = {str(path[1]) for path in references if path[0] == "Steps" and len(path) > 1}
        after |= set(item.get("DependsOn", [])) | ({branch[0]} if branch else set())
        files = {f["PropertyFileName"]: (f["OutputName"], f["FilePath"]) for f in item.get("PropertyFiles", [])}
        steps.append(
            Step(
                name,
                kind,
                arguments,
                display_name=item.get("DisplayName"),
                description=item.get("Description"),
                property_files=files,
                branch=branch,
                after=frozenset(after),
                function=function,
                outputs=outputs,
            )
        )
        steps += branches
    return steps


def _outputs(declared: Mapping[str, Any]) -> dict[str, str]:
    """The types of a Lambda step's output parameters, by name."""
    outputs = {item["OutputName"]: item.get("OutputType", "String") for item in declared.get("OutputParameters", ())}
    for name, kind in outputs.items():
        if kind not in lambda_step.OUTPUT_TYPES:
            raise DefinitionError(
                f"The output parameter '{name}' of step '{declared['Name']}' has type '{kind}'; known are "
                f"{', '.join(lambda_step.OUTPUT_TYPES)}."
            )
    return outputs


def _check_order(steps: Mapping[str, Step]) -> None:
    for step in steps.values():
        for name in sorted(step.after):
            if name not in steps:
                raise DefinitionError(f"Step '{step.name}' depends on '{name}', which the pipeline does not have.")
            if steps[name].type == "Fail":
                raise DefinitionError(f"{step.name} can not depends on {name}: nothing runs after a Fail step.")
    settled: set[str] = set()
    while len(settled) < len(steps):
        ready = [s.name for s in steps.values() if s.name not in settled and s.after <= settled]
        if not ready:
            circle = ", ".join(sorted(set(steps) - settled))
            raise DefinitionError(f"The steps {circle} wait for each other; a pipeline must have no cycle.")
        settled.update(ready)
