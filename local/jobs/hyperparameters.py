"""Draws hyperparameters from the ranges of a tuning job."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.core.api import ApiError

# `Auto` leaves the scale to the service, which does not say how it chooses: here, by how far the range goes.
_WIDE = 100.0

_Draw = Callable[[random.Random], str]


def check(ranges: Mapping[str, Any]) -> frozenset[str]:
    """Refuse ranges that cannot be drawn from; the names of those that can.

    Args:
        ranges: `ParameterRanges` of a tuning job.

    Raises:
        ApiError: `ValidationException` naming the hyperparameter.
    """
    if ranges.get("AutoParameters"):
        raise ApiError("ValidationException", "ParameterRanges.AutoParameters is not supported on the laptop.")
    drawn = list(_draws(ranges))
    names = frozenset(name for name, _ in drawn)
    if not names:
        raise ApiError("ValidationException", "ParameterRanges names no hyperparameter to search over.")
    if len(names) < len(drawn):
        twice = next(name for name in sorted(names) if sum(name == other for other, _ in drawn) > 1)
        raise ApiError("ValidationException", f"ParameterRanges names the hyperparameter '{twice}' twice.")
    return names


def draw(ranges: Mapping[str, Any], seed: int, number: int) -> dict[str, str]:
    """The hyperparameters of one training job: independent of every other's, and the same whenever asked again.

    Args:
        ranges: `ParameterRanges`, checked.
    """
    source = random.Random(f"{seed}/{number}")  # noqa: S311 - a search is to be repeatable
    return {name: drawn(source) for name, drawn in sorted(_draws(ranges), key=lambda item: item[0])}


def _draws(ranges: Mapping[str, Any]) -> Iterator[tuple[str, _Draw]]:
    for item in ranges.get("ContinuousParameterRanges", ()):
        yield item["Name"], _continuous(item)
    for item in ranges.get("IntegerParameterRanges", ()):
        yield item["Name"], _integer(item)
    for item in ranges.get("CategoricalParameterRanges", ()):
        yield item["Name"], _categorical(item)


def _continuous(item: Mapping[str, Any]) -> _Draw:
    low, high = _bounds(item, float)
    if _is_logarithmic(item, low, high):
        return lambda source: repr(min(max(math.exp(source.uniform(math.log(low), math.log(high))), low), high))
    return lambda source: repr(source.uniform(low, high))


def _integer(item: Mapping[str, Any]) -> _Draw:
    low, high = _bounds(item, int)
    if _is_logarithmic(item, low, high):
        # Each number gets the interval up to the next one.
        return lambda source: str(min(int(math.exp(source.uniform(math.log(low), math.log(high + 1)))), high))
    return lambda source: str(source.randint(low, high))


def _categorical(item: Mapping[str, Any]) -> _Draw:
    return lambda source: str(source.choice(item["Values"]))


def _bounds(item: Mapping[str, Any], number: Callable[[str], Any]) -> tuple[Any, Any]:
    try:
        low, high = number(item["MinValue"]), number(item["MaxValue"])
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and low <= high and math.isfinite(high)):
        raise ApiError(
            "ValidationException",
            f"The range of the hyperparameter '{item['Name']}' must go from a lower to a higher number, not from "
            f"{item['MinValue']} to {item['MaxValue']}.",
        )
    return low, high


def _is_logarithmic(item: Mapping[str, Any], low: float, high: float) -> bool:
    scaling = item.get("ScalingType", "Auto")
    if scaling == "ReverseLogarithmic":
        raise ApiError(
            "ValidationException", f"The hyperparameter '{item['Name']}': ReverseLogarithmic is not supported here."
        )
    if scaling == "Logarithmic" and low <= 0:
        raise ApiError(
            "ValidationException",
            f"The hyperparameter '{item['Name']}': a logarithmic scale needs a range above 0, not from {low}.",
        )
    return bool(scaling == "Logarithmic" or (scaling == "Auto" and low > 0 and high / low >= _WIDE))
