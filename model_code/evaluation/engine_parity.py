"""Whether the engine that serves says what the float32 network says, on the test split: no model is registered without.

The reference is the network that training saved, computed in float32, see `float32_network`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_code.evaluation.scores import TestScores
from model_code.statistics import metrics
from model_code.statistics.metrics import Array

# Of AUROC, a fraction of its 95 % interval on a test split of hundreds; of a probability, less than the two digits that
# people read.
MAX_AUROC_DIFFERENCE = 0.003
MAX_PROBABILITY_DIFFERENCE = 0.02


def compare(scores: TestScores, reference: Array, metadata: dict[str, Any]) -> dict[str, Any]:
    """How far the served answers are from the reference.

    Args:
        scores: of the engine that serves.
        reference: logits of `float32_network.reference_logits`.
        metadata: of the model.

    Returns:
        "name", "weights", "auc", "reference_auc", "auc_difference", "probability_difference" ("mean",
        "percentile_99", "max"), "labels_changed" (a number of images) and "strays", 1 if either limit is exceeded.
    """
    probabilities = 1 / (1 + np.exp(-reference / float(metadata["temperature"])))
    differences = np.abs(scores.probabilities - probabilities)
    threshold = float(metadata["threshold"])
    changed = (scores.probabilities >= threshold) != (probabilities >= threshold)
    ones = np.ones((1, len(reference)))
    auc, expected = (float(metrics.auroc(scores.labels, one, ones)[0]) for one in (scores.logits, reference))
    percentile = float(np.quantile(differences, 0.99))
    strays = abs(auc - expected) > MAX_AUROC_DIFFERENCE or percentile > MAX_PROBABILITY_DIFFERENCE
    return {
        "name": str(metadata["engine"]),
        "weights": metadata.get("engine_weights"),
        "auc": auc,
        "reference_auc": expected,
        "auc_difference": auc - expected,
        "probability_difference": {
            "mean": float(differences.mean()),
            "percentile_99": percentile,
            "max": float(differences.max()),
        },
        "labels_changed": int(changed.sum()),
        "strays": int(strays),
    }


def nothing_to_compare() -> dict[str, Any]:
    """What is said of a model that TensorFlow Serving computes: it is the float32 network."""
    return {"name": "tensorflow", "strays": 0}
