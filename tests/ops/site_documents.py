"""A site evaluation as EvaluateSite leaves it, for tests of what shows it."""

from __future__ import annotations

from typing import Any

SENTENCE = "Not usable. AUROC 0.450 (95 % interval 0.420 to 0.480; demanded: at least 0.95). No calibration mends that."


def figure(value: float) -> dict[str, Any]:
    """A figure with an interval of 0.03 to either side."""
    return {"value": value, "confidence_interval": [value - 0.03, value + 0.03]}


CALIBRATED = (
    "The weights are those of cxr-dev/2, calibrated on 118 radiographs of 110 patients of a site. The AUROC, 0.960, is "
    "what it was: no calibration changes which radiograph ranks above which."
)


def calibrated_document() -> dict[str, Any]:
    """evaluation.json of version 3, which is version 2 calibrated to a site: what it changed, and what it did not."""
    before = {"auroc": 0.96, "sensitivity": 0.98, "specificity": 0.41, "calibration_error": 0.31, "brier_score": 0.2}
    counts = {"images": 118, "patients": 110, "labels": {"NORMAL": 80, "PNEUMONIA": 38}, "subtypes": {}}
    return {
        "schema": 4,
        "binary_classification_metrics": {
            "auc": figure(0.96),
            "true_positive_rate": figure(0.93),
            "true_negative_rate": figure(0.88),
        },
        "calibration": {"expected_calibration_error": figure(0.05)},
        "threshold": 0.3,
        "guarantee": {"sentence": "For patients like these: at least 95 % of the answers NORMAL are right."},
        "dataset_sha256": "aa" * 32,
        "test": {"images": 117},
        "calibrated_from": {
            "package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/2",
            "version": 2,
            "archive_uri": f"s3://data-bucket/evaluations/{'0e' * 32}/archive.zip",
            "dataset_sha256": "cc" * 32,
            "fitted": counts,
            "held_out": counts,
            "before": {name: figure(value) for name, value in before.items()},
            "sentence": CALIBRATED,
        },
    }


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
