"""Parity of engine and graph: answers of the serving engine against the float32 network's, on the test split; a gate.

The reference is the network that training saved, `model.keras` of its output.tar.gz, computed by TensorFlow in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_code.evaluation.scores import TestScores
from model_code.export.artifact import FALLBACK
from model_code.export.parity_limits import MAX_PROBABILITY_DIFFERENCE, SHARE, auroc_limit
from model_code.statistics import metrics
from model_code.statistics.calibration import Calibration
from model_code.statistics.metrics import Array


def compare(scores: TestScores, reference: Array, metadata: dict[str, Any]) -> dict[str, Any]:
    """Compare the engine's scores with the float32 network's.

    Args:
        scores: scores of the engine that serves.
        reference: logits of `reference_logits`.
        metadata: metadata.json of the model.

    Returns:
        "name", "weights", "auc", "reference_auc", "auc_difference", "auc_limit", "probability_difference" ("mean",
        "percentile_99", "max"), "labels_changed" (a number of images), "beyond_limits", 1 if either is exceeded,
        "fallback", the weights that are left to try or None, and "rejected", what was judged before: nothing.
    """
    probabilities = Calibration.of(metadata).probability(reference)
    differences = np.abs(scores.probabilities - probabilities)
    threshold = float(metadata["threshold"])
    changed = (scores.probabilities >= threshold) != (probabilities >= threshold)
    ones = np.ones((1, len(reference)))
    auc, expected = (float(metrics.auroc(scores.labels, one, ones)[0]) for one in (scores.logits, reference))
    percentile = float(np.quantile(differences, SHARE))
    limit = auroc_limit(scores.labels)
    beyond_limits = abs(auc - expected) > limit or percentile > MAX_PROBABILITY_DIFFERENCE
    return {
        "name": str(metadata["engine"]),
        "weights": metadata.get("engine_weights"),
        "auc": auc,
        "reference_auc": expected,
        "auc_difference": auc - expected,
        "auc_limit": limit,
        "probability_difference": {
            "mean": float(differences.mean()),
            "percentile_99": percentile,
            "max": float(differences.max()),
        },
        "labels_changed": int(changed.sum()),
        "beyond_limits": int(beyond_limits),
        "fallback": metadata.get(FALLBACK, {}).get("engine_weights"),
        "rejected": [],
    }


def nothing_to_compare() -> dict[str, Any]:
    """Parity of a model that TensorFlow Serving computes: it is the float32 network itself."""
    return {"name": "tensorflow", "weights": "float32", "beyond_limits": 0, "fallback": None, "rejected": []}
