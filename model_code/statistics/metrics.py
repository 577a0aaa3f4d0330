"""Discrimination, operating-point and calibration metrics of a set of scores.

Everything takes example weights: a bootstrap resample of patients is a vector of how often each image was drawn, so all
resamples are computed as rows of one matrix, (resamples, n). Labels are (n,) zeros and ones; scores are (n,), on any
scale, higher where PNEUMONIA is more likely; probabilities, (n,), and rates lie from 0 to 1. What the resamples say
about a metric is in `intervals`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Equal-width bins as in Naeini et al. 2015; ten, because test splits here have hundreds of images, not thousands.
CALIBRATION_BINS = 10
# Of the false-positive rates and recalls at which the bands of the curves are drawn.
_GRID = 101


def auroc(labels: Array, scores: Array, weights: Array) -> Array:
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counted half.

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
        positives: (n,) one where the decision is PNEUMONIA.

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


def at_rates(sensitivity: float, specificity: float, prevalence: float) -> dict[str, float]:
    """`operating_point` of a decision with these rates, where the positives have a prevalence."""
    ill, normal = prevalence, 1 - prevalence
    shares = [ill * sensitivity, ill * (1 - sensitivity), normal * (1 - specificity), normal * specificity]
    labels, positives = np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 1, 0])
    return {name: float(found[0]) for name, found in operating_point(labels, positives, np.array([shares])).items()}


def brier_score(labels: Array, probabilities: Array, weights: Array) -> Array:
    """Mean squared difference of probability and outcome, (resamples,)."""
    return _ratio(weights @ (probabilities - labels) ** 2, weights.sum(axis=1))


def expected_calibration_error(labels: Array, probabilities: Array, weights: Array) -> Array:
    """Mean over equal-width bins of |observed share of positives - mean probability|, weighted by bin size."""
    members = bin_members(probabilities)
    gaps = np.abs(weights @ (members * (labels - probabilities)[:, np.newaxis])).sum(axis=1)
    return _ratio(gaps, weights.sum(axis=1))


def calibration_error_of(labels: Array, probabilities: Array) -> float:
    """Expected calibration error of one sample, each image counted once."""
    return float(expected_calibration_error(labels, probabilities, np.ones((1, len(labels))))[0])


def reliability(labels: Array, probabilities: Array, weights: Array) -> list[dict[str, Array]]:
    """The filled bins of the reliability diagram.

    Returns:
        For each filled bin: its images as a mask ("members", (n,)), its mean probability and its observed share of
        positives, the last two (resamples,) and NaN where a resample has no image in the bin.
    """
    rows = []
    for members in bin_members(probabilities).T:
        if members.any():
            images = weights @ members
            rows.append(
                {
                    "members": members,
                    "mean_probability": _ratio(weights @ (members * probabilities), images),
                    "observed": _ratio(weights @ (members * labels), images),
                }
            )
    return rows


def roc_curve(labels: Array, scores: Array) -> dict[str, list[float]]:
    """Points of the ROC curve from the strictest threshold to the loosest, beginning at the origin."""
    found, wrong = _found_and_wrong(labels, scores, np.ones((1, len(labels))))
    return {
        "false_positive_rates": [0.0, *(wrong / wrong[-1]).tolist()],
        "true_positive_rates": [0.0, *(found / found[-1]).tolist()],
    }


def precision_recall_curve(labels: Array, scores: Array, weights: Array) -> dict[str, list[float]]:
    """Points of the precision-recall curve from the strictest threshold to the loosest.

    Args:
        weights: (1, n), how often each image counts.
    """
    found, wrong = _found_and_wrong(labels, scores, weights)
    return {"precisions": (found / (found + wrong)).tolist(), "recalls": (found / found[-1]).tolist()}


def curve_values(labels: Array, scores: Array, weights: Array) -> dict[str, Array]:
    """The ROC and the precision-recall curve of every resample, at the same places.

    Returns:
        "grid": (101,) from 0 to 1; "sensitivity": (resamples, 101), the ROC curve's height at the false-positive rates
        of the grid; "precision": (resamples, 101), at the recalls of the grid. NaN where a resample lacks a class.
    """
    positive, negative = (side[:, ::-1] for side in _by_score(labels, scores, weights))
    found, wrong = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    precision = _ratio(found, found + wrong)
    recall, fall_out = _ratio(found, found[:, -1:]), _ratio(wrong, wrong[:, -1:])
    grid = np.linspace(0, 1, _GRID)
    heights, places = [], []
    for across, up in zip(fall_out, recall, strict=True):
        heights.append(np.interp(grid, np.r_[0.0, across], np.r_[0.0, up]))
        places.append(np.minimum(np.searchsorted(up, grid - 1e-12), len(up) - 1))
    undefined = np.isnan(recall[:, -1] + fall_out[:, -1])[:, np.newaxis]
    reached = np.take_along_axis(precision, np.asarray(places), axis=1)
    return {
        "grid": grid,
        "sensitivity": np.where(undefined, np.nan, np.asarray(heights)),
        "precision": np.where(undefined, np.nan, reached),
    }


def _found_and_wrong(labels: Array, scores: Array, weights: Array) -> tuple[Array, Array]:
    """Positives and negatives at or above each distinct score, descending: two arrays (distinct,)."""
    positive, negative = _by_score(labels, scores, weights)
    return np.cumsum(positive[0, ::-1]), np.cumsum(negative[0, ::-1])


def _by_score(labels: Array, scores: Array, weights: Array) -> tuple[Array, Array]:
    """Weight of positives and of negatives at each distinct score, ascending: two arrays (resamples, distinct)."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - labels[order]), starts, axis=1)
    return positive, negative


def bin_members(probabilities: Array) -> Array:
    """Membership of images in the bins of the calibration error: (n, bins) zeros and ones."""
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return np.asarray(np.eye(CALIBRATION_BINS)[bins], dtype=np.float64)


def _ratio(numerator: Array, denominator: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
