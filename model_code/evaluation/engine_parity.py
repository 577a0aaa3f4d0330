"""Parity of engine and graph: answers of the serving engine against the float32 network's, on the test split; a gate.

The reference is the network that training saved, `model.keras` of its output.tar.gz, computed by TensorFlow in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_code.contract.job import JobError
from model_code.evaluation.scores import TestScores
from model_code.export.artifact import FALLBACK
from model_code.export.parity_limits import MAX_PROBABILITY_DIFFERENCE, SHARE, auroc_limit
from model_code.statistics import metrics
from model_code.statistics.calibration import Calibration
from model_code.statistics.metrics import Array

# Of both engines' logits that an evaluation keeps: more would say nothing of a percentile.
MOST_LOGITS = 1000
_DIGITS = 4


def compare(scores: TestScores, reference: Array, metadata: dict[str, Any]) -> dict[str, Any]:
    """Compare the engine's scores with the float32 network's.

    Args:
        scores: scores of the engine that serves.
        reference: logits of `reference_logits`, (n,).

    Returns:
        "name", "weights", "auc", "reference_auc", "auc_difference", "auc_limit", "probability_difference" ("mean",
        "percentile_99", "max"), "labels_changed" (a number of images), "beyond_limits", 1 if either is exceeded,
        "fallback", the weights that are left to try or None, "rejected", what was judged before: nothing, and "logits"
        with those of "served" and "float32", of at most `MOST_LOGITS` images: what another calibration is judged by.
    """
    ones = np.ones((1, len(reference)))
    auc, expected = (float(metrics.auroc(scores.labels, logits, ones)[0]) for logits in (scores.logits, reference))
    limit = auroc_limit(scores.labels)
    return {
        "name": str(metadata["engine"]),
        "weights": metadata.get("engine_weights"),
        "auc": auc,
        "reference_auc": expected,
        "auc_difference": auc - expected,
        "auc_limit": limit,
        **_distance(scores.logits, reference, metadata, shift=auc - expected, limit=limit),
        "fallback": metadata.get(FALLBACK, {}).get("engine_weights"),
        "rejected": [],
        "logits": _kept(scores.logits, reference),
    }


def with_calibration(engine: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """Parity of the same weights with another calibration, on the images of the evaluation that they have.

    No calibration changes the AUROC; how far probabilities are apart is reckoned again from both engines' logits.

    Args:
        engine: "engine" of that evaluation.
        metadata: metadata.json with the other calibration.

    Raises:
        JobError: the evaluation kept no logits, as older ones did not.
    """
    if engine["name"] == "tensorflow":
        return nothing_to_compare()
    kept = engine.get("logits")
    if not kept:
        raise JobError(
            "The version's evaluation has not both engines' logits, so whether they agree with another calibration "
            "cannot be told without images: calibrate it on an archive (--archive), or train again."
        )
    served, reference = (np.asarray(kept[name], dtype=np.float64) for name in ("served", "float32"))
    found = _distance(served, reference, metadata, shift=engine["auc_difference"], limit=engine["auc_limit"])
    return {**engine, **found, "fallback": None, "rejected": []}


def _distance(
    logits: Array, reference: Array, metadata: dict[str, Any], *, shift: float, limit: float
) -> dict[str, Any]:
    """Members about probabilities and decisions, and whether a limit is exceeded."""
    calibration, threshold = Calibration.of(metadata), float(metadata["threshold"])
    served, expected = calibration.probability(logits), calibration.probability(reference)
    differences = np.abs(served - expected)
    percentile = float(np.quantile(differences, SHARE))
    return {
        "probability_difference": {
            "mean": float(differences.mean()),
            "percentile_99": percentile,
            "max": float(differences.max()),
        },
        "labels_changed": int(np.sum((served >= threshold) != (expected >= threshold))),
        "beyond_limits": int(abs(shift) > limit or percentile > MAX_PROBABILITY_DIFFERENCE),
    }


def _kept(logits: Array, reference: Array) -> dict[str, list[float]]:
    """Both engines' logits of all images; of many, of some at equal distances in the order of the served ones."""
    order = np.argsort(logits, kind="stable")
    if len(order) > MOST_LOGITS:
        order = order[((np.arange(MOST_LOGITS) + 0.5) * len(order) / MOST_LOGITS).astype(int)]
    pairs = {"served": logits[order], "float32": reference[order]}
    return {name: [round(float(value), _DIGITS) for value in values] for name, values in pairs.items()}


def nothing_to_compare() -> dict[str, Any]:
    """Parity of a model that TensorFlow Serving computes: it is the float32 network itself."""
    return {"name": "tensorflow", "weights": "float32", "beyond_limits": 0, "fallback": None, "rejected": []}
