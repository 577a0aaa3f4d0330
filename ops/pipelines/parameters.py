"""Parameters of the pipeline, as `--set NAME=VALUE` gives them, against those that the pipeline has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from model_code.contract.parameters import MONITORING, TRAINING, Parameter
from ops.base.errors import CommandError, ExitCode

_NUMBERS: Mapping[str, Callable[[str], int | float]] = {"Integer": int, "Float": float}


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
    """Raises CommandError when the pipeline's definition has no such parameter, not of that type, its job would refuse
    the number, or SageMaker would refuse a job's instance for it."""
    types = {parameter["Name"]: parameter["Type"] for parameter in definition["Parameters"]}
    allowed = {parameter["Name"]: parameter.get("EnumValues") for parameter in definition["Parameters"]}
    is_monitoring = types.keys() >= MONITORING.keys()
    keyed = set(_keyed(definition.get("Steps", [])))
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
        if problem := _out_of_range(MONITORING if is_monitoring else TRAINING, name, value, types[name]):
            raise CommandError(problem, ExitCode.USAGE)
        if name in keyed and _has_local_disks(value):
            raise CommandError(
                f"{name} {value} has local disks, for which SageMaker takes no key, and the pipeline names one for its "
                "volume: choose another type, such as ml.m5.xlarge.",
                ExitCode.USAGE,
            )


def _out_of_range(table: Mapping[str, Parameter], name: str, value: str, kind: str) -> str | None:
    """Sentence why the job would refuse a number, in the words in which it would; None where it takes it."""
    return table[name].problem(_NUMBERS[kind](value)) if name in table and kind in _NUMBERS else None


def _keyed(part: Any) -> Iterator[str]:
    """Names of the parameters that are the instance type beside a volume's key, anywhere in a definition's steps."""
    if isinstance(part, dict):
        given = part.get("InstanceType")
        if "VolumeKmsKeyId" in part and isinstance(given, dict):
            yield str(given.get("Get", "")).removeprefix("Parameters.")
        part = list(part.values())
    if isinstance(part, list):
        for pair in part:
            yield from _keyed(pair)


def _has_local_disks(value: str) -> bool:
    from infra.settings.instance_types import has_local_disks  # noqa: PLC0415 - pydantic, for starts alone

    return value.startswith("ml.") and has_local_disks(value)


def _fits(value: str, kind: str) -> bool:
    """Whether SageMaker takes the text for a parameter of the type."""
    try:
        if kind in _NUMBERS:
            _NUMBERS[kind](value)
        elif kind == "Boolean":
            return value.lower() in {"true", "false"}
    except ValueError:
        return False
    return True
