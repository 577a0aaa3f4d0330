"""reference.json: what the predictions of a released model are compared with; it travels with the model package.

Scores and inputs are those of the validation split: radiographs like the training data, with the labels mixed as there
or weighted to the target prevalence, on which the network was not fitted. Only those that the detector lets pass,
because predictions are kept of no others. How good the model is comes from the test split, as in the evaluation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from model_code.contract import documents
from model_code.contract.job import JobError
from model_code.contract.metrics import CLASSIFICATION
from model_code.evaluation.scores import TestScores
from model_code.statistics.metrics import Array
from model_code.statistics.prevalence import effective_size, weighted

FILE = "reference.json"
# More would say nothing that a figure of the report shows, and each is read by every monitoring job.
MOST_SAMPLES = 1000
# As many as kept predictions have: in rounded samples, near 0 and 1 where most probabilities may lie, values that were
# kept exactly would seem to have moved.
_DIGITS = 9


def document(validation: TestScores, evaluation: dict[str, Any]) -> dict[str, Any]:
    """The reference of one model.

    Args:
        validation: the validation split as the exported model sees it.
    """
    usual, target = ~validation.refused, evaluation["target_prevalence"]
    weights = np.ones(int(usual.sum()))
    if target is not None:
        (weights,) = weighted(weights[np.newaxis], validation.labels[usual], target)
    patients = len({patient for patient, kept in zip(validation.patients, usual, strict=True) if kept})
    figures = evaluation[CLASSIFICATION] | evaluation["calibration"]
    test = evaluation["test"]
    labels = {label: sum(row.values()) for label, row in figures["confusion_matrix"].items()}
    evaluated = {
        name: _figure(figures[key], images, test["patients"])
        for name, key, images in (
            ("sensitivity", "true_positive_rate", labels["1"]),
            ("specificity", "true_negative_rate", labels["0"]),
            ("auc", "auc", min(labels.values())),
            ("calibration_error", "expected_calibration_error", test["images"]),
        )
    }
    return {
        "schema": documents.REFERENCE,
        "dataset_sha256": evaluation["dataset_sha256"],
        "threshold": evaluation["threshold"],
        "indeterminate": {name: evaluation["indeterminate"][name] for name in ("low", "high")},
        "guarantee": _guarantee(evaluation["guarantee"]),
        "target_prevalence": target,
        "validation": {
            "images": int(usual.sum()),
            "patients": patients,
            "independent": max(1, round(patients * effective_size(weights) / len(weights))) if usual.any() else 0,
            "prevalence": float(weights @ validation.labels[usual] / weights.sum()) if usual.any() else 0.0,
            "probability": _samples(validation.probabilities[usual], weights),
            "out_of_distribution_score": _samples(validation.out_of_distribution_scores[usual], weights),
            "features": [_samples(column, weights) for column in validation.features[usual].T],
        },
        "evaluation": {**evaluated, **{name: test[name] for name in ("images", "patients", "prevalence")}},
    }


def read(directory: Path) -> dict[str, Any] | None:
    """The reference in an input's directory; None where there is another file in its place.

    Raises:
        JobError: it is not one that this code understands.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        return dict(documents.read_reference(json.loads(path.read_text(encoding="utf-8"))))
    except documents.DocumentError as error:
        raise JobError(str(error)) from error
    except ValueError as error:
        raise JobError(f"The model's {FILE} is damaged: {error!r}.") from error


def _guarantee(guarantee: dict[str, Any] | None) -> dict[str, Any] | None:
    """The guarantee itself, without what the test split said to it."""
    return guarantee and {name: value for name, value in guarantee.items() if name != "test"}


def _figure(figure: dict[str, Any], images: int, patients: int) -> dict[str, Any]:
    """A figure, and as how many independent images those it rests on count, see `intervals.estimate`."""
    value, spread = figure["value"], figure["standard_deviation"]
    size = value * (1 - value) / spread**2 if spread > 0 and 0 < value < 1 else patients
    return {
        "value": value,
        "confidence_interval": figure["confidence_interval"],
        "effective_images": max(1.0, float(min(images, size))),
    }


def _samples(values: Array, weights: Array) -> list[float]:
    """Quantiles at equal distances, as many as there are values: of values of equal weight, these in order."""
    if not len(values):
        return []
    order, count = np.argsort(values, kind="stable"), min(len(values), MOST_SAMPLES)
    places = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    found = np.interp((np.arange(count) + 0.5) / count, places, values[order])
    return [round(float(value), _DIGITS) for value in found]
