"""Performance by readers' labels: sensitivity, specificity, AUROC, calibration, and whether they fell.

What the model guarantees of its answers is held against the same labels.

**The rule.** Sensitivity or specificity has dropped when Fisher's exact test against the evaluation is significant at
0.5 %, one-sided, and the difference is at least `LEAST_DROP`. So both together are wrong in at most 1 % of the checks,
also with few labels: of 4,000 simulated samples of 20 labels at a true share of 0.95, Newcombe's 99 % interval (1998,
method 10), which is shown beside it, lay below zero in 1.7 %. Two 95 % intervals that do not overlap would be no such
test either: how often that happens by chance depends on how unequal they are (Schenker and Gentleman 2001).

A guaranteed predictive value is broken when so few right answers would have at most a probability of 0.5 % if it held
(exact binomial test). It is held against the labelled answers as they come: where pneumonia is rarer than among the
validation patients, answers PNEUMONIA are right less often, and the guarantee does not hold there though the model may
be as good. So beside it stands the same share at the prevalence of the guarantee, which a change of prevalence alone
leaves where it was. The two sides add at most another 1 %.

Readers label what they choose to. Where they choose by the score, these figures are not those of all predictions
(verification bias: Begg and Greenes 1983).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy

from model_code.statistics import metrics
from model_code.statistics.chance import chance_calibration_error
from model_code.statistics.indeterminate import PREDICTIVE_VALUES
from model_code.statistics.intervals import RESAMPLES, estimate, resample_patients, wilson
from model_code.statistics.metrics import Array
from model_code.statistics.prevalence import predictive_values, weighted

# Of one label: with fewer, an interval says nothing that anybody could act on.
LEAST_IMAGES = 10
LEAST_DROP = 0.02
# Of one of the two figures.
SIGNIFICANCE = 0.005
_LEVEL = 1 - 2 * SIGNIFICANCE
_SEED = 20180222
FIGURES = {"sensitivity": "true_positive_rate", "specificity": "true_negative_rate"}


def assess(labels: Array, probabilities: Array, reference: dict[str, Any]) -> dict[str, Any]:
    """Metrics of the labelled predictions, beside those of the evaluation.

    Args:
        labels: (n,) zeros and ones, of readers.
        probabilities: (n,), as served.
        reference: reference of `reference.document`.

    Returns:
        "labels" (how many of each), "dropped" (whether one of the two fell, or a guarantee is broken), "guaranteed" of
        `guaranteed`, for `FIGURES` and "auc" and
        "calibration_error" a figure, or None where there are fewer than `LEAST_IMAGES` of a label that it needs, and
        "reliability". A figure has "value", "confidence_interval" and "evaluation"; sensitivity and specificity also
        "difference_interval", "p_value" and "dropped"; the calibration error also "by_chance", see
        `chance.chance_calibration_error`.
    """
    counts = {"NORMAL": int(np.sum(labels == 0)), "PNEUMONIA": int(np.sum(labels == 1))}
    found: dict[str, Any] = {
        "labels": counts,
        "dropped": False,
        "guaranteed": {},
        **dict.fromkeys((*FIGURES, "auc", "calibration_error")),
        "reliability": [],
    }
    if not len(labels):
        return found
    # Predictions name no patient: each is resampled by itself.
    weights = resample_patients([str(number) for number in range(len(labels))], seed=_SEED)
    decided = metrics.operating_point(labels, (probabilities >= reference["threshold"]).astype(np.float64), weights)
    evaluated = reference["evaluation"]
    for name, label in (("sensitivity", "PNEUMONIA"), ("specificity", "NORMAL")):
        if counts[label] >= LEAST_IMAGES:
            figure = _figure(decided[FIGURES[name]], counts[label], evaluated[name])
            found[name] = {**figure, **drop(figure["value"], counts[label], evaluated[name])}
            found["dropped"] |= found[name]["dropped"]
    found["guaranteed"] = guaranteed(labels, probabilities, reference)
    found["dropped"] |= any(value["broken"] for value in found["guaranteed"].values())
    if min(counts.values()) >= LEAST_IMAGES:
        fewer = min(counts.values())
        found["auc"] = _figure(metrics.auroc(labels, probabilities, weights), fewer, evaluated["auc"])
    if len(labels) >= 2 * LEAST_IMAGES:
        target = reference["target_prevalence"]
        prevalences = None
        if target is not None and min(counts.values()):
            # As the evaluation's: readers choose whom they label.
            weights = weighted(weights, labels, target)
            prevalences = (float(labels.mean()), target)
        errors = metrics.expected_calibration_error(labels, probabilities, weights)
        chance = chance_calibration_error(
            probabilities, np.arange(len(labels)), seed=_SEED, draws=RESAMPLES, prevalences=prevalences
        )
        found["calibration_error"] = {
            **_figure(errors, len(labels), evaluated["calibration_error"]),
            "by_chance": {"mean": float(chance.mean()), "percentile_95": float(np.quantile(chance, 0.95))},
        }
        found["reliability"] = _reliability(labels, probabilities, weights)
    return found


def guaranteed(labels: Array, probabilities: Array, reference: dict[str, Any]) -> dict[str, Any]:
    """The predictive values that the model guarantees, on the labelled predictions, which are given as to `assess`.

    Returns:
        By the names of `indeterminate.PREDICTIVE_VALUES`, of those with `LEAST_IMAGES` labelled answers: "guaranteed",
        "value" with its "confidence_interval", "images", "prevalence" of PNEUMONIA among all labelled predictions,
        "value_at_own_prevalence" (None where a label is missing), "p_value" and "broken".
    """
    guarantee, band = reference["guarantee"], reference["indeterminate"]
    if guarantee is None:
        return {}
    found: dict[str, Any] = {}
    predicted = (probabilities < band["low"], probabilities >= band["high"])
    for label, (name, answered) in enumerate(zip(PREDICTIVE_VALUES, predicted, strict=True)):
        images, least = int(answered.sum()), guarantee[name]
        if least is None or images < LEAST_IMAGES:
            continue
        right = int(np.sum(labels[answered] == label))
        own = predictive_values(
            labels, answered, np.ones((1, len(labels))), prevalence=guarantee["prevalence"], label=label
        )
        p_value = float(scipy.stats.binom.cdf(right, images, least))
        found[name] = {
            "guaranteed": least,
            "value": right / images,
            "confidence_interval": list(wilson(right / images, images)),
            "images": images,
            "prevalence": float(labels.mean()),
            "value_at_own_prevalence": float(own[0]) if np.isfinite(own[0]) else None,
            "p_value": p_value,
            "broken": p_value < SIGNIFICANCE,
        }
    return found


def drop(value: float, images: float, evaluated: dict[str, Any]) -> dict[str, Any]:
    """Test whether sensitivity or specificity is lower than the evaluation's.

    Args:
        value: the share now.
        images: it rests on so many.
        evaluated: "value", and "effective_images", as how many independent ones those of the evaluation count.

    Returns:
        "difference_interval", 99 %, of now less then (Newcombe's), "p_value" and "dropped".
    """
    then = float(evaluated["value"])
    low, high = wilson(value, images, level=_LEVEL)
    low_then, high_then = wilson(then, evaluated["effective_images"], level=_LEVEL)
    difference = value - then
    least = difference - math.hypot(value - low, high_then - then)
    most = difference + math.hypot(high - value, then - low_then)
    p_value = _fisher((value, images), (then, evaluated["effective_images"]))
    return {
        "difference_interval": [least, most],
        "p_value": p_value,
        "dropped": p_value < SIGNIFICANCE and difference <= -LEAST_DROP,
    }


def _fisher(now: tuple[float, float], then: tuple[float, float]) -> float:
    """The one-sided p-value that the first of two shares, each of so many images, is not the smaller."""
    table = []
    for share, images in (now, then):
        hits = round(share * images)
        table.append([hits, max(0, round(images) - hits)])
    return float(scipy.stats.fisher_exact(table, alternative="less").pvalue)


def _figure(values: Array, images: int, evaluated: dict[str, Any]) -> dict[str, Any]:
    found = estimate(values, images=images, patients=images)
    return {"value": found.value, "confidence_interval": [found.low, found.high], "evaluation": evaluated}


def _reliability(labels: Array, probabilities: Array, weights: Array) -> list[dict[str, Any]]:
    rows = []
    for row in metrics.reliability(labels, probabilities, weights):
        images = int(row["members"].sum())
        observed = estimate(row["observed"], images=images, patients=images)
        rows.append(
            {
                "count": images,
                "mean_probability": float(row["mean_probability"][0]),
                "observed": observed.value,
                "confidence_interval": [observed.low, observed.high],
            }
        )
    return rows
