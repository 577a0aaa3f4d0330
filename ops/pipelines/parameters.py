"""Parameters of the pipeline, as `--set NAME=VALUE` gives them, against those that the pipeline has."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ops.base.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def pairs(given: Iterable[str] | None) -> dict[str, str]:
    """NAME=VALUE by name; raises CommandError for what is none, and for a name that is given twice."""
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandError(f"--set {text} is not NAME=VALUE, such as Epochs=24.", ExitCode.USAGE)
        if name in found:
            raise CommandError(f"--set names {name} twice.", ExitCode.USAGE)
        found[name] = value
    return found


def check(given: Mapping[str, str], definition: Mapping[str, Any]) -> None:
    """Raises CommandError when the pipeline's definition has no such parameter, or not of that type."""
    types = {parameter["Name"]: parameter["Type"] for parameter in definition["Parameters"]}
    allowed = {parameter["Name"]: parameter.get("EnumValues") for parameter in definition["Parameters"]}
    for name, value in given.items():
        if name not in types:
            close = difflib.get_close_matches(name, types, n=1, cutoff=0.5)
            hint = f" Is it {close[0]}?" if close else ""
            raise CommandError(
                f"The pipeline has no parameter {name}.{hint} docs/settings.md lists them.", ExitCode.USAGE
            )
        if not _fits(value, types[name]):
            raise CommandError(
                f"{name} is of type {types[name]}, which {value!r} is not: docs/settings.md explains it.",
                ExitCode.USAGE,
            )
        if allowed[name] and value not in map(str, allowed[name]):
            raise CommandError(f"{name} is one of {', '.join(map(str, allowed[name]))}, not {value!r}.", ExitCode.USAGE)


def _fits(value: str, kind: str) -> bool:
    """Whether SageMaker takes the text for a parameter of the type."""
    try:
        if kind == "Integer":
            int(value)
        elif kind == "Float":
            float(value)
        elif kind == "Boolean":
            return value.lower() in {"true", "false"}
    except ValueError:
        return False
    return True
