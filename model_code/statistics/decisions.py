"""Decision analysis: operating points, predictive values at a prevalence, and net benefit.

Every threshold that is looked at here was chosen on validation data. None is found on the test split, which would
flatter it. Labels are (n,) zeros and ones, probabilities (n,) in [0, 1], rates and prevalences in [0, 1], and weights
(resamples, n) how often each image counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_code.statistics import metrics
from model_code.statistics.intervals import estimate, patient_numbers
from model_code.statistics.metrics import Array

PREVALENCES = (0.01, 0.05, 0.2, 0.5)
"""From a screened population to a ward for lungs."""
_THRESHOLDS = np.arange(1, 100) / 100


def positive_predictive_value(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """The share of answers PNEUMONIA that is right (Bayes); None where there is no such answer.

    Args:
        prevalence: of PNEUMONIA among those who are asked about, in (0, 1).
    """
    found = metrics.at_rates(sensitivity, specificity, prevalence)["precision"]
    return found if np.isfinite(found) else None


def net_benefit(labels: Array, probabilities: Array, weights: Array, thresholds: Array) -> Array:
    """Net benefit of treating who has at least a probability, over treating nobody.

    True positives less false positives, each of the latter weighed by the odds of the threshold, as a share of all
    (Vickers and Elkin 2006, "Decision curve analysis", Medical Decision Making 26(6), 565-574).

    Args:
        probabilities: (n,) in [0, 1]; 1 treats at every threshold.
        thresholds: (k,), in [0, 1).

    Returns:
        (resamples, k); at most the prevalence.
    """
    treated = (probabilities[:, np.newaxis] >= thresholds).astype(np.float64)
    odds = thresholds / (1 - thresholds)
    found = weights @ (treated * labels[:, np.newaxis])
    wrong = weights @ (treated * (1 - labels)[:, np.newaxis])
    return np.asarray((found - wrong * odds) / weights.sum(axis=1)[:, np.newaxis], dtype=np.float64)


def operating_points(
    labels: Array, probabilities: Array, patients: list[str], weights: Array, *, thresholds: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Sensitivity, specificity and predictive values at some thresholds.

    The interval of a positive predictive value goes from that of both lower ends to that of both upper ends of the
    intervals of sensitivity and specificity. It is wider than 95 % asks for, and holds where no image is predicted
    wrongly, of which resamples know nothing.

    Args:
        patients: key of each image's patient, (n,).
        weights: (1 + resamples, n), of `resample_patients`.
        thresholds: from which an image is predicted PNEUMONIA, by what they are called.
    """
    owner = patient_numbers(patients)
    points = []
    for name, threshold in thresholds.items():
        positive = (probabilities >= threshold).astype(np.float64)
        values = metrics.operating_point(labels, positive, weights)
        rates = {}
        for rate, label in (("true_positive_rate", 1), ("true_negative_rate", 0)):
            inside = labels == label
            rates[rate] = estimate(values[rate], images=int(inside.sum()), patients=len(np.unique(owner[inside])))
        sensitivity, specificity = rates["true_positive_rate"], rates["true_negative_rate"]
        points.append(
            {
                "name": name,
                "threshold": float(threshold),
                **{rate: interval.as_json() for rate, interval in rates.items()},
                "positive_predictive_values": [
                    {
                        "prevalence": prevalence,
                        "value": positive_predictive_value(sensitivity.value, specificity.value, prevalence),
                        "confidence_interval": [
                            positive_predictive_value(sensitivity.low, specificity.low, prevalence) or 0.0,
                            _upper(positive_predictive_value(sensitivity.high, specificity.high, prevalence)),
                        ],
                    }
                    for prevalence in PREVALENCES
                ],
            }
        )
    return points


def decision_curve(labels: Array, probabilities: Array, weights: Array) -> dict[str, Any]:
    """Net benefit of the model and of treating all, with the model's pointwise 95 % band, at the test's prevalence.

    Args:
        weights: (1 + resamples, n), of `resample_patients`.
    """
    model = net_benefit(labels, probabilities, weights, _THRESHOLDS)
    everybody = net_benefit(labels, np.ones_like(labels), weights[:1], _THRESHOLDS)
    return {
        "thresholds": _THRESHOLDS.tolist(),
        "model": model[0].round(5).tolist(),
        "model_band": np.quantile(model[1:], (0.025, 0.975), axis=0).round(5).tolist(),
        "treat_all": everybody[0].round(5).tolist(),
    }


def _upper(value: float | None) -> float:
    return 1.0 if value is None else value
