"""Hyperparameters are drawn within their ranges, on the scale asked for, and again the same under the same seed."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from local.core.api import ApiError
from local.jobs.hyperparameters import check, draw


def continuous(low: str, high: str, **more: str) -> dict[str, Any]:
    return {"ContinuousParameterRanges": [{"Name": "x", "MinValue": low, "MaxValue": high, **more}]}


def integer(low: str, high: str, **more: str) -> dict[str, Any]:
    return {"IntegerParameterRanges": [{"Name": "x", "MinValue": low, "MaxValue": high, **more}]}


def drawn(ranges: dict[str, Any], count: int = 400) -> list[float]:
    check(ranges)
    return [float(draw(ranges, 1, number)["x"]) for number in range(count)]


def test_the_same_seed_and_number_give_the_same_and_others_give_others() -> None:
    ranges = {**continuous("0", "1"), "CategoricalParameterRanges": [{"Name": "y", "Values": ["a", "b"]}]}
    assert check(ranges) == {"x", "y"}
    assert draw(ranges, 1, 1) == draw(ranges, 1, 1)
    assert len({draw(ranges, seed, number)["x"] for seed in (1, 2) for number in (1, 2)}) == 4


@pytest.mark.parametrize(
    ("ranges", "median"),
    [
        (continuous("0.0001", "0.01", ScalingType="Logarithmic"), 0.001),
        (continuous("0.0001", "0.01"), 0.001),
        (continuous("0.0001", "0.01", ScalingType="Linear"), 0.005),
        (continuous("0.2", "0.6"), 0.4),
        (integer("1", "1000", ScalingType="Logarithmic"), 31),
        (integer("1", "1000", ScalingType="Linear"), 500),
    ],
)
def test_half_of_the_draws_lie_below_the_middle_of_the_scale(ranges: dict[str, Any], median: float) -> None:
    values = drawn(ranges)
    (item,) = next(iter(ranges.values()))
    assert float(item["MinValue"]) <= min(values) <= max(values) <= float(item["MaxValue"])
    assert statistics.median(values) == pytest.approx(median, rel=0.35)


@pytest.mark.parametrize("scaling", ["Linear", "Logarithmic"])
def test_every_integer_and_every_category_is_drawn(scaling: str) -> None:
    assert set(drawn(integer("2", "4", ScalingType=scaling))) == {2, 3, 4}
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["none", "all"]}]}
    assert {draw(ranges, 1, number)["x"] for number in range(50)} == {"none", "all"}


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({}, "names no hyperparameter"),
        (continuous("1", "0"), "'x' must go from a lower to a higher number, not from 1 to 0"),
        (continuous("a", "1"), "'x' must go"),
        (continuous("0", "inf"), "'x' must go"),
        (integer("1", "2.5"), "'x' must go"),
        (continuous("0", "1", ScalingType="Logarithmic"), "needs a range above 0"),
        (continuous("0", "1", ScalingType="ReverseLogarithmic"), "ReverseLogarithmic"),
        ({**continuous("0", "1"), **integer("0", "1")}, "'x' twice"),
        ({**continuous("0", "1"), "AutoParameters": [{"Name": "x", "ValueHint": "1"}]}, "AutoParameters"),
    ],
)
def test_ranges_that_mean_nothing_are_refused(ranges: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError, match=said):
        check(ranges)
