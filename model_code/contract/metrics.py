"""Paths of metrics in evaluation.json; SageMaker Studio shows those of `binary_classification_metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLASSIFICATION = "binary_classification_metrics"
CALIBRATION = "calibration"
SUBGROUPS = "worst_subgroup"

METRICS: Mapping[str, tuple[str, str]] = {
    "auroc": (CLASSIFICATION, "auc"),
    "auprc": (CLASSIFICATION, "auprc"),
    "sensitivity": (CLASSIFICATION, "true_positive_rate"),
    "specificity": (CLASSIFICATION, "true_negative_rate"),
    "accuracy": (CLASSIFICATION, "accuracy"),
    "calibration_error": (CALIBRATION, "expected_calibration_error"),
    # 0 where the test split is so small that perfect probabilities would show the error too.
    "calibration_error_beyond_chance": (CALIBRATION, "error_beyond_chance"),
    # The lower end of the worst subgroup's interval; 1, with the reason as "unjudged", where none has the images.
    "subgroup_sensitivity": (SUBGROUPS, "sensitivity_bound"),
    "brier_score": (CALIBRATION, "brier_score"),
}
"""Section and key of a figure `{"value": ..., "confidence_interval": [low, high], ...}` by its name."""


def figure(evaluation: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A metric with its 95 % interval; None where an evaluation has none of that name.

    Args:
        name: name in METRICS.
    """
    section, key = METRICS[name]
    found: Mapping[str, Any] | None = (evaluation.get(section) or {}).get(key)
    return found


def path(name: str) -> str:
    """JSON path of a metric's value, as a pipeline's condition names it."""
    return ".".join((*METRICS[name], "value"))


def prevalence(evaluation: Mapping[str, Any]) -> float:
    """Prevalence that the figures are for: the target one, or that of the test images."""
    target = evaluation["target_prevalence"]
    return float(evaluation["test"]["prevalence"] if target is None else target)


def of_prevalence(evaluation: Mapping[str, Any]) -> str:
    """Noun phrase for `prevalence`, with where it is from."""
    named = f"{prevalence(evaluation):.1%}"
    if evaluation["target_prevalence"] is None:
        return f"the test images' prevalence of {named}"
    return f"the target prevalence of {named}"


def of_probabilities(evaluation: Mapping[str, Any]) -> str:
    """Clause that says which prevalence the probabilities are for."""
    if evaluation["target_prevalence"] is None:
        return "the probabilities are for that of the images that trained the model, or calibrated it"
    return "so do the probabilities"
