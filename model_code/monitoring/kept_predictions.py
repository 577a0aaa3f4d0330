"""Stored predictions of the API as monitoring reads them: numbers, no image and no answer's text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from model_code.contract.documents import CURRENT_NAMES
from model_code.contract.labels import LABELS, PNEUMONIA
from model_code.statistics.metrics import Array

# With what is kept since before the score had this name.
_PROJECTION = "probability, out_of_distribution_score, unfamiliarity, features, reader_label, created_at, labelled_at"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions of one model within some days.

    Attributes:
        probabilities: (n,), calibrated probabilities of PNEUMONIA in [0, 1].
        out_of_distribution_scores: (n,), out-of-distribution scores, at most 1.
        features: (n, k), or (n, 0) where the model answers none.
        created: (n,), seconds since 1970.
    """

    probabilities: Array
    out_of_distribution_scores: Array
    features: Array
    created: Array


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Predictions of one model that a reader labelled in some days.

    Attributes:
        labels: (n,), zeros (NORMAL) and ones (PNEUMONIA).
        probabilities: (n,), calibrated probabilities of PNEUMONIA in [0, 1].
    """

    labels: Array
    probabilities: Array


def none() -> tuple[Predictions, Labelled]:
    """No predictions and no labels."""
    empty = np.zeros(0)
    return Predictions(empty, empty, np.zeros((0, 0)), empty), Labelled(empty, empty)


def read(dynamodb: Any, table: str, package: str, since: int) -> tuple[Predictions, Labelled]:
    """Scan the table.

    A prediction counts by when it was made, a label by when it was given: readers may take weeks.

    Args:
        table: name of the table, whose items `lambdas/predict/results.py` and the feedback function write.
        package: ARN of the model package; other models' predictions are left out.
        since: seconds since 1970.
    """
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ProjectionExpression=_PROJECTION,
        FilterExpression="package_arn = :package AND (created_at >= :since OR labelled_at >= :since)",
        ExpressionAttributeValues={":package": {"S": package}, ":since": {"N": str(since)}},
    )
    items = [plain(item) for page in pages for item in page["Items"]]
    made = [item for item in items if item["created_at"] >= since]
    # A reader who was unsure said neither.
    labelled = [item for item in items if item.get("reader_label") in LABELS and item.get("labelled_at", 0) >= since]
    return (
        Predictions(
            probabilities=_column(made, "probability"),
            out_of_distribution_scores=_column(made, "out_of_distribution_score"),
            features=_features(made),
            created=_column(made, "created_at"),
        ),
        Labelled(
            labels=np.asarray([item["reader_label"] == PNEUMONIA for item in labelled], dtype=np.float64),
            probabilities=_column(labelled, "probability"),
        ),
    )


def plain(item: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """An item of the table by the names of today, its numbers as float."""

    def members() -> Iterator[tuple[str, Any]]:
        for name, typed in item.items():
            ((kind, value),) = typed.items()
            yield CURRENT_NAMES.get(name, name), float(value) if kind == "N" else value

    return dict(members())


def _column(items: Iterable[Mapping[str, Any]], name: str) -> Array:
    return np.asarray([item[name] for item in items], dtype=np.float64)


def _features(items: list[dict[str, Any]]) -> Array:
    """Features of all predictions; a model answers them always or never."""
    rows = [json.loads(item.get("features", "[]")) for item in items]
    width = min((len(row) for row in rows), default=0)
    return np.asarray([row[:width] for row in rows], dtype=np.float64).reshape(len(rows), width)
