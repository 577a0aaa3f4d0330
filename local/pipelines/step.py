"""Parameters and steps of a pipeline definition, as it declares them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PARAMETER_TYPES: Mapping[str, type] = {"String": str, "Integer": int, "Float": float, "Boolean": bool}


class DefinitionError(ValueError):
    """A definition, or the parameters of an execution, that cannot be run; the message names what and where."""


@dataclass(frozen=True)
class Parameter:
    """A parameter a pipeline declares; `default` is None where a start must give a value."""

    name: str
    type: str
    default: Any = None
    choices: tuple[str, ...] = ()

    def parse(self, value: str) -> Any:
        """The typed value of what `StartPipelineExecution` carries as a string.

        Raises:
            DefinitionError: it is not of the parameter's type, is empty, or not one of the choices.
        """
        if value == "":
            raise DefinitionError(f'Parameter {self.name}: [string "" is too short (length: 0, required minimum: 1)]')
        if self.choices and value not in self.choices:
            raise DefinitionError(f"Parameter '{self.name}' must be one of {', '.join(self.choices)}, not '{value}'.")
        try:
            if self.type == "Boolean":
                return {"true": True, "false": False}[value.lower()]
            parsed = PARAMETER_TYPES[self.type](value)
            if self.type == "Float" and not math.isfinite(parsed):
                raise ValueError(value)
            return parsed
        except (KeyError, ValueError):
            raise DefinitionError(
                f"Unexpected type for parameter '{self.name}'. Expected {self.type} but found '{value}'."
            ) from None


@dataclass(frozen=True)
class Step:
    """A step and what it waits for.

    Attributes:
        branch: the Condition step and the outcome under which this step runs at all, for a step of a branch.
        after: names of the steps that must have succeeded before.
        function: ARN of the function of a Lambda step.
        outputs: the types of a Lambda step's output parameters, by name.
    """

    name: str
    type: str
    arguments: Mapping[str, Any]
    display_name: str | None = None
    description: str | None = None
    property_files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    branch: tuple[str, bool] | None = None
    after: frozenset[str] = frozenset()
    function: Any = None
    outputs: Mapping[str, str] = field(default_factory=dict)
