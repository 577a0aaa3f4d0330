"""Paired comparison of the candidate with the serving model, on the same test images.

Both models' AUROCs are computed over the same bootstrap resamples of patients, so that what makes a resample easy or
hard cancels out of their difference. The candidate is significantly worse when the whole 95 % interval of the
difference lies below 0.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from model_code.evaluation.scores import TestScores
from model_code.statistics import metrics
from model_code.statistics.intervals import Estimate, estimate_difference
from model_code.statistics.metrics import Array


@dataclasses.dataclass(frozen=True)
class Side:
    """Side of a comparison: a model's scores of the test split, threshold, image size and dataset.

    Attributes:
        threshold: probability at or above which it calls PNEUMONIA.
        image_size: edge in pixels of the images it takes.
        dataset: content hash of the dataset it was trained on.
    """

    scores: TestScores
    threshold: float
    image_size: int
    dataset: str

    @property
    def predicted(self) -> Array:
        """Predicted positive: float64 (n,), 1 where PNEUMONIA is predicted, else 0."""
        return (self.scores.probabilities >= self.threshold).astype(np.float64)


def nothing_serves() -> dict[str, Any]:
    """The comparison of a first model."""
    return _document(None, "gate", "No model is serving yet: there is nothing to compare with.")


def not_comparable(package: str, mode: str, reason: str) -> dict[str, Any]:
    """The comparison with a serving model that cannot be scored; only where comparing is not a gate."""
    return _document(package, mode, f"The serving model {name(package)} could not be compared: {reason}")


def compare(candidate: Side, serving: Side, weights: Array, *, package: str, mode: str) -> dict[str, Any]:
    """Compare two models by their scores of the same images.

    Args:
        candidate: the model that was just trained.
        serving: the model that answers requests now.
        weights: (1 + resamples, n), of `resample_patients`, used for both.
        package: ARN of the serving model package.
        mode: "gate" or "report"; in a report, being worse does not count.

    Returns:
        The "comparison" of the evaluation document: each model's figures, their differences (candidate - serving) with
        intervals, whether the candidate is worse ("worse") and whether that counts ("significantly_worse", 1 or 0).

    Raises:
        ValueError: when the scores are of different images.
    """
    labels = candidate.scores.labels
    if candidate.scores.patients != serving.scores.patients or not np.array_equal(labels, serving.scores.labels):
        raise ValueError("Two models can only be compared on the same images in the same order.")
    measured = [_metrics(side, weights) for side in (candidate, serving)]
    differences = {title: estimate_difference(measured[0][title] - measured[1][title]) for title in measured[0]}
    worse = differences["auc"].high < 0
    sentence = _sentence(
        differences["auc"], float(measured[0]["auc"][0]), float(measured[1]["auc"][0]), package, len(labels)
    )
    return _document(package, mode, sentence, worse=worse) | {
        "auc_difference": differences["auc"].as_json(),
        "true_positive_rate_difference": differences["true_positive_rate"].as_json(),
        "true_negative_rate_difference": differences["true_negative_rate"].as_json(),
        "candidate": _figures(candidate, measured[0]),
        "serving": _figures(serving, measured[1])
        | {"receiver_operating_characteristic_curve": metrics.roc_curve(labels, serving.scores.logits)},
        "predicted_differently": int(np.sum(candidate.predicted != serving.predicted)),
        "images": len(labels),
        "notes": _notes(candidate, serving),
    }


def name(package: str) -> str:
    """Short name of a model package: `<group>/<version>`."""
    return package.partition("model-package/")[2] or package


def _metrics(side: Side, weights: Array) -> dict[str, Array]:
    decisions = metrics.operating_point(side.scores.labels, side.predicted, weights)
    return {
        "auc": metrics.auroc(side.scores.labels, side.scores.logits, weights),
        "true_positive_rate": decisions["true_positive_rate"],
        "true_negative_rate": decisions["true_negative_rate"],
    }


def _figures(side: Side, measured: dict[str, Array]) -> dict[str, Any]:
    return {
        **{title: {"value": float(values[0])} for title, values in measured.items()},
        "threshold": side.threshold,
        "image_size": side.image_size,
        "dataset_sha256": side.dataset,
    }


def _sentence(difference: Estimate, candidate: float, serving: float, package: str, images: int) -> str:
    interval = f"difference {difference.value:+.3f}, 95 % interval {difference.low:+.3f} to {difference.high:+.3f}"
    against = f"the {serving:.3f} of the serving model {name(package)} on the same {images} test images"
    if difference.high < 0:
        return f"AUROC {candidate:.3f} is significantly below {against}: {interval}."
    if difference.low > 0:
        return f"AUROC {candidate:.3f} is significantly above {against}: {interval}."
    return f"AUROC {candidate:.3f} does not differ significantly from {against}: {interval}."


def _notes(candidate: Side, serving: Side) -> list[str]:
    notes = []
    if serving.image_size != candidate.image_size:
        notes.append(
            f"The serving model takes images of {serving.image_size} px: it is compared on images resized from "
            f"{candidate.image_size} to {serving.image_size} px, not from the originals, which may cost it a little."
        )
    if serving.dataset != candidate.dataset:
        notes.append(
            f"The serving model was trained on another dataset ({serving.dataset[:12]}, not {candidate.dataset[:12]}): "
            "it may have seen some of these test images in training, which would favour it."
        )
    return notes


def _document(package: str | None, mode: str, sentence: str, *, worse: bool = False) -> dict[str, Any]:
    return {
        "serving_package": package,
        "mode": mode,
        "worse": worse,
        "significantly_worse": int(worse and mode == "gate"),
        "sentence": sentence,
        "auc_difference": None,
        "serving": None,
        "notes": [],
    }
