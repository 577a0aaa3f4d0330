"""Confidence and prediction intervals of metrics, from a bootstrap over patients.

Images of one patient are not independent, so patients are resampled, not images. What the resamples give is the
variance of a metric; the interval is then Wilson's (1927) for a proportion that was seen in as many independent images
as would give that variance (the effective sample size of Korn and Graubard 1998). All metrics here lie between 0 and 1.

The percentiles of the resamples themselves, which are the usual interval, are too narrow for a good model on hundreds
of images, and have no width at all where the test split shows no error. `python -m benchmarks.evaluation.intervals`
draws test splits of known models, as large as half of the Kermany archive's. Of 1,000 splits of a model with AUROC
0.990 and sensitivity 0.967, the percentiles contained these in 885 and 895, the intervals made here in 974 and 945.

An interval is for the metric on endless data of the same kind. The same metric measured on another, equally large test
split varies by more; `next_low` and `next_high` are for that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from model_code.statistics.metrics import Array

RESAMPLES = 1000
LEVEL = 0.95
# Of so many resamples at a time, where not all are needed at once.
_ROWS = 50
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
# Spreads below this are rounding: the resamples all gave the same.
_NO_SPREAD = 1e-9


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A metric, or a difference of two.

    Attributes:
        value: on the data itself.
        standard_deviation: over the resamples.
        low: lower end of the 95 % interval.
        high: its upper end.
        next_low: lower end of the 95 % prediction interval for another test split of the same size.
        next_high: its upper end.
    """

    value: float
    standard_deviation: float
    low: float
    high: float
    next_low: float
    next_high: float

    def as_json(self) -> dict[str, Any]:
        """Estimate in the form of SageMaker's model quality reports, with the intervals added."""
        return {
            "value": self.value,
            "standard_deviation": self.standard_deviation,
            "confidence_interval": [self.low, self.high],
            "prediction_interval": [self.next_low, self.next_high],
        }


def patient_numbers(patients: Sequence[str | bytes]) -> npt.NDArray[np.int64]:
    """The number of each image's patient, (n,), from 0."""
    return np.asarray(np.unique(np.asarray(patients), return_inverse=True)[1], dtype=np.int64)


def resample_patients(patients: list[str], *, seed: int, resamples: int = RESAMPLES) -> Array:
    """Bootstrap weights that draw whole patients.

    Args:
        patients: key of each image's patient, (n,).
        seed: of the draws.
        resamples: number of draws.

    Returns:
        (1 + resamples, n). The first row is the data itself, all ones.
    """
    return np.concatenate([*resamples_in_parts(patients, seed=seed, resamples=resamples, rows=resamples)])


def resamples_in_parts(
    patients: list[str], *, seed: int, resamples: int = RESAMPLES, rows: int = _ROWS
) -> Iterator[Array]:
    """The rows of `resample_patients`, some at a time: all of them are 8 KB an image.

    Args:
        rows: how many at a time.

    Returns:
        The data itself, (1, n), then (at most rows, n) at a time.
    """
    owner = patient_numbers(patients)
    count = int(owner.max()) + 1
    rng = np.random.default_rng(seed)
    yield np.ones((1, len(owner)))
    for begin in range(0, resamples, rows):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(rows, resamples - begin))
        yield drawn[:, owner].astype(np.float64)


def estimate(values: Array, *, images: int, patients: int) -> Estimate:
    """Value and intervals of a metric between 0 and 1.

    Resamples in which the metric is undefined are left out. A value that is undefined on the data itself (the
    precision when nothing is predicted positive, say) counts as 0, with intervals from 0 to 1: JSON has no NaN, and a
    gate must not pass by it.

    Args:
        values: (1 + resamples,), the metric over the weights of `resample_patients`.
        images: how many images the metric rests on. The effective sample size is never taken to be greater: where a
            test split shows few errors, the resamples know of too few as well, and their spread is too small.
        patients: how many patients these are of. Where no resample differs (a sensitivity of exactly 1, say), they are
            the effective sample size.
    """
    resampled = values[1:][np.isfinite(values[1:])]
    spread = float(resampled.std()) if len(resampled) else 0.0
    if not np.isfinite(values[0]):
        return Estimate(0.0, spread, 0.0, 1.0, 0.0, 1.0)
    # Sums of floating-point weights end a little outside.
    value = min(1.0, max(0.0, float(values[0])))
    varies = spread > _NO_SPREAD and 0 < value < 1
    size = min(images, value * (1 - value) / spread**2) if varies else patients
    low, high = wilson(value, size)
    next_low, next_high = _prediction(value, size)
    return Estimate(value, spread, low, high, min(low, next_low), max(high, next_high))


def estimate_difference(values: Array) -> Estimate:
    """Value and intervals of a difference of two metrics over the same resamples: their percentiles.

    Unlike a metric, a difference does not lie at the end of its range, and the percentiles do: of 1,000 splits, two
    equally good models of AUROC 0.965, 0.990 and 0.997 were told apart in 55, 59 and 63, where 50 are allowed
    (`python -m benchmarks.evaluation.intervals`).

    Args:
        values: (1 + resamples,).
    """
    value = float(np.nan_to_num(values[0]))
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled):
        return Estimate(value, 0.0, value, value, value, value)
    low, high = (float(end) for end in np.quantile(resampled, _TAILS))
    # Another split has its own sampling error, of the same variance.
    further = np.sqrt(2.0)
    return Estimate(
        value,
        float(resampled.std()),
        low,
        high,
        value - further * (value - low),
        value + further * (high - value),
    )


def difference_of_independent(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """First minus second of two metrics that were measured on different images, with its 95 % interval.

    The interval is made of the two metrics' own ("square and add": Newcombe 1998, method 10; Zou and Donner 2008 for
    metrics other than proportions).

    Args:
        first: a figure `{"value": ..., "confidence_interval": [low, high]}`.
        second: likewise.
    """
    value = first["value"] - second["value"]
    (low, high), (other_low, other_high) = first["confidence_interval"], second["confidence_interval"]
    below = np.hypot(first["value"] - low, other_high - second["value"])
    above = np.hypot(high - first["value"], second["value"] - other_low)
    return {"value": value, "confidence_interval": [value - float(below), value + float(above)]}


def estimate_share(inside: npt.NDArray[np.bool_], patients: Sequence[str], weights: Array) -> Estimate:
    """The share of images that are inside, of all that there are.

    Args:
        inside: (n,).
        patients: key of each image's patient.
        weights: (resamples + 1, n), of `resample_patients`.
    """
    shares = weights @ inside.astype(np.float64) / weights.sum(axis=1)
    return estimate(shares, images=len(inside), patients=len(set(patients)))


def effective_images(value: float, low: float, high: float) -> float:
    """Effective sample size: how many independent images have Wilson's interval from `low` to `high` around a share."""
    few, many = 1.0, 1e9
    while many / few > 1 + 1e-6:
        middle = (few * many) ** 0.5
        ends = wilson(value, middle)
        few, many = (middle, many) if ends[1] - ends[0] > high - low else (few, middle)
    return few


def wilson(share: float, size: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval (1927) of a share of so many independent images."""
    quantile = float(scipy.stats.norm.ppf((1 + level) / 2))
    centre = (share + quantile**2 / (2 * size)) / (1 + quantile**2 / size)
    half = quantile * np.sqrt(share * (1 - share) / size + quantile**2 / (4 * size**2)) / (1 + quantile**2 / size)
    # The share lies inside; of a share of 1 the upper end is 1, and rounding may put it a little below.
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))


def _prediction(share: float, size: float) -> tuple[float, float]:
    """Quantiles of the share in as many new images, under Jeffreys' prior for its true value (beta-binomial)."""
    images = max(1, round(size))
    low, high = scipy.stats.betabinom.ppf(_TAILS, images, share * images + 0.5, (1 - share) * images + 0.5) / images
    return float(low), float(high)
