"""A site evaluation as EvaluateSite leaves it, for tests of what shows it."""

from __future__ import annotations

from typing import Any

SENTENCE = "Not usable. AUROC 0.450 (95 % interval 0.420 to 0.480; demanded: at least 0.95). No calibration mends that."


def figure(value: float) -> dict[str, Any]:
    """A figure with an interval of 0.03 to either side."""
    return {"value": value, "confidence_interval": [value - 0.03, value + 0.03]}


def site_document() -> dict[str, Any]:
    """Version 2 on adults of another hospital: a third is refused, the rest is ranked by chance."""
    names = ("auroc", "sensitivity", "specificity", "calibration_error")
    return {
        "schema": 1,
        "model_version": 2,
        "archive_uri": f"s3://data-bucket/evaluations/{'0e' * 32}/archive.zip",
        "created": "2026-11-28T12:00:00+00:00",
        "verdict": {"code": "not_usable", "title": "Not usable", "sentence": SENTENCE, "more_images": None},
        "judgements": [{"name": "MinAuroc", "state": "missed"}],
        "doubts": ["The model's guarantee does not hold here."],
        "images": {"archive": 360, "scored": 358, "answered": 240, "measured": 240, "patients": 200},
        "known": None,
        "refused_share": figure(0.33),
        "evaluation": {
            "binary_classification_metrics": {
                "auc": figure(0.45),
                "true_positive_rate": figure(0.8),
                "true_negative_rate": figure(0.29),
            },
            "calibration": {"expected_calibration_error": figure(0.4)},
        },
        "own": dict.fromkeys(names, figure(0.96)),
        "differences": dict.fromkeys(names, figure(-0.51)),
    }
