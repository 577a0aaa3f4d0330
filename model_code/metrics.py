"""Discrimination, operating-point and calibration metrics, and their bootstrap intervals by patient.

Everything takes example weights: a bootstrap resample of patients is a vector of how often each image was drawn, so all
resamples are computed as rows of one matrix.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Equal-width bins as in Naeini et al. 2015; ten, because test splits here have hundreds of images, not thousands.
CALIBRATION_BINS = 10
RESAMPLES = 1000
_INTERVAL = (2.5, 97.5)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A metric with its bootstrap standard deviation and 95 % percentile interval."""

    value: float
    standard_deviation: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """In the form of SageMaker's model quality reports, with the interval added."""
        return {
            "value": self.value,
            "standard_deviation": self.standard_deviation,
            "confidence_interval": [self.low, self.high],
        }


def auroc(labels: Array, scores: Array, weights: Array) -> Array:
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counted half.

    Args:
        labels: (n,) zeros and ones.
        scores: (n,) any increasing score.
        weights: (resamples, n).

    Returns:
        (resamples,); NaN where a resample lacks a class.
    """
    positive, negative = _by_score(labels, scores, weights)
    below = np.cumsum(negative, axis=1) - negative
    area = (positive * (below + 0.5 * negative)).sum(axis=1)
    return _ratio(area, positive.sum(axis=1) * negative.sum(axis=1))


def average_precision(labels: Array, scores: Array, weights: Array) -> Array:
    """Area under the precision-recall curve as the step sum of precision over recall (AUPRC); as `auroc` otherwise."""
    positive, negative = (side[:, ::-1] for side in _by_score(labels, scores, weights))
    found, wrong = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    precision = _ratio(found, found + wrong)
    return _ratio(np.nansum(precision * positive, axis=1), positive.sum(axis=1))


def operating_point(labels: Array, positives: Array, weights: Array) -> dict[str, Array]:
    """Metrics of a yes-or-no decision, named as SageMaker's model quality reports name them.

    Args:
        labels: (n,) zeros and ones.
        positives: (n,) one where the decision is PNEUMONIA.
        weights: (resamples, n).

    Returns:
        Each metric as (resamples,); NaN where its denominator is empty.
    """
    true_positive = weights @ (labels * positives)
    false_positive = weights @ ((1 - labels) * positives)
    false_negative = weights @ (labels * (1 - positives))
    true_negative = weights @ ((1 - labels) * (1 - positives))
    sensitivity = _ratio(true_positive, true_positive + false_negative)
    specificity = _ratio(true_negative, true_negative + false_positive)
    precision = _ratio(true_positive, true_positive + false_positive)

    def f_score(beta: float) -> Array:
        weighted = (1 + beta**2) * true_positive
        return _ratio(weighted, weighted + beta**2 * false_negative + false_positive)

    return {
        "accuracy": _ratio(true_positive + true_negative, weights.sum(axis=1)),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "recall": sensitivity,
        "precision": precision,
        "negative_predictive_value": _ratio(true_negative, true_negative + false_negative),
        "true_positive_rate": sensitivity,
        "true_negative_rate": specificity,
        "false_positive_rate": 1 - specificity,
        "false_negative_rate": 1 - sensitivity,
        "f0_5": f_score(0.5),
        "f1": f_score(1.0),
        "f2": f_score(2.0),
    }


def brier_score(labels: Array, probabilities: Array, weights: Array) -> Array:
    """Mean squared difference of probability and outcome, (resamples,)."""
    return _ratio(weights @ (probabilities - labels) ** 2, weights.sum(axis=1))


def expected_calibration_error(labels: Array, probabilities: Array, weights: Array) -> Array:
    """Mean over equal-width bins of |observed share of positives - mean probability|, weighted by bin size."""
    members = _bin_members(probabilities)
    gaps = np.abs(weights @ (members * (labels - probabilities)[:, np.newaxis])).sum(axis=1)
    return _ratio(gaps, weights.sum(axis=1))


def reliability(labels: Array, probabilities: Array) -> list[dict[str, float]]:
    """The filled bins of the reliability diagram: bounds, images, mean probability, observed share of positives."""
    members = _bin_members(probabilities)
    rows = []
    for index in range(CALIBRATION_BINS):
        inside = members[:, index] > 0
        if inside.any():
            rows.append(
                {
                    "lower": index / CALIBRATION_BINS,
                    "upper": (index + 1) / CALIBRATION_BINS,
                    "count": int(inside.sum()),
                    "mean_probability": float(probabilities[inside].mean()),
                    "observed": float(labels[inside].mean()),
                }
            )
    return rows


def curves(labels: Array, scores: Array) -> dict[str, dict[str, list[float]]]:
    """Points of the ROC curve and of the precision-recall curve, from the strictest threshold to the loosest."""
    positive, negative = (side[0, ::-1] for side in _by_score(labels, scores, np.ones((1, len(labels)))))
    found, wrong = np.cumsum(positive), np.cumsum(negative)
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": [0.0, *(wrong / wrong[-1]).tolist()],
            "true_positive_rates": [0.0, *(found / found[-1]).tolist()],
        },
        "precision_recall_curve": {
            "precisions": (found / (found + wrong)).tolist(),
            "recalls": (found / found[-1]).tolist(),
        },
    }


def resample_patients(patients: list[str], *, seed: int, resamples: int = RESAMPLES) -> Array:
    """Bootstrap weights that draw whole patients: images of one patient are not independent of each other.

    Args:
        patients: key of each image's patient, (n,).
        seed: of the draws.
        resamples: number of draws.

    Returns:
        (1 + resamples, n). The first row is the data itself, all ones.
    """
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return np.concatenate([np.ones((1, len(owner))), drawn[:, owner].astype(np.float64)])


def estimate(values: Array) -> Estimate:
    """Value, spread and interval from a metric over `resample_patients` weights.

    Resamples in which the metric is undefined are left out. A value that is undefined on the data itself (the
    precision when nothing is called positive, say) counts as 0: JSON has no NaN, and a gate must not pass by it.
    """
    value = float(values[0]) if np.isfinite(values[0]) else 0.0
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled):
        return Estimate(value, 0.0, value, value)
    low, high = np.percentile(resampled, _INTERVAL)
    return Estimate(value, float(resampled.std()), float(low), float(high))


def _by_score(labels: Array, scores: Array, weights: Array) -> tuple[Array, Array]:
    """Weight of positives and of negatives at each distinct score, ascending: two arrays (resamples, distinct)."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - labels[order]), starts, axis=1)
    return positive, negative


def _bin_members(probabilities: Array) -> Array:
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return np.asarray(np.eye(CALIBRATION_BINS)[bins], dtype=np.float64)


def _ratio(numerator: Array, denominator: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
