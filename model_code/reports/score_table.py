"""Table of predictions, one row for each image of a split: test_predictions.csv and validation_predictions.csv."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from model_code.contract.labels import LABELS
from model_code.evaluation.scores import TestScores

COLUMNS = ("file", "split", "label", "score", "prediction", "refused")
INDETERMINATE = "INDETERMINATE"


def write(directory: Path, split: str, scores: TestScores, metadata: dict[str, Any]) -> str:
    """Write a split's table, one row for each image in the order of the shards; returns the file's name.

    `file` is the image's path in the archive, with bytes that are no UTF-8 as `\\xNN`; `score` the probability as
    served; `prediction` NORMAL, PNEUMONIA or INDETERMINATE; `refused` whether the out-of-distribution
    detector would refuse the image, which has its prediction here all the same.

    Args:
        directory: folder for the table.
        split: `test` or `validation`.
        scores: scores of the split.
        metadata: metadata.json of the model, with its threshold and its indeterminate band.
    """
    threshold, band = float(metadata["threshold"]), metadata["indeterminate"]
    name = f"{split}_predictions.csv"
    with (directory / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for path, label, probability, unlike in zip(
            scores.paths, scores.labels, scores.probabilities, scores.out_of_distribution_scores, strict=True
        ):
            predicted = LABELS[int(probability >= threshold)]
            if band["low"] <= probability < band["high"]:
                predicted = INDETERMINATE
            refused = str(bool(unlike > 1)).lower()
            table.writerow([path, split, LABELS[int(label)], f"{probability:.6f}", predicted, refused])
    return name
