"""Files of an evaluation, which a model package points to or which lie beside those.

A table of predictions has one row for each image of a split: test_predictions.csv and validation_predictions.csv.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_code.contract import job
from model_code.contract.labels import LABELS
from model_code.monitoring import reference
from model_code.reports.evaluation_report import Identity, render
from model_code.reports.model_card import model_card

if TYPE_CHECKING:
    # Would bring TensorFlow along.
    from model_code.evaluation.evaluator import EvaluationResult
    from model_code.evaluation.scores import TestScores
    from model_code.reports.gallery import Gallery
    from model_code.reports.html_page import Section

COLUMNS = ("file", "split", "label", "score", "prediction", "refused")
INDETERMINATE = "INDETERMINATE"


def write(
    output: Path,
    judged: EvaluationResult,
    metadata: dict[str, Any],
    card: dict[str, Any],
    *,
    usual: TestScores,
    gallery: Gallery,
    doubted: Section | None = None,
) -> None:
    """Write evaluation.json, report.html, model_card.json, reference.json and the scores of every image.

    Args:
        output: folder for them.
        judged: the model on its test images.
        card: the card of the dataset that it was trained on.
        usual: its scores of the images that calibrated it, from which monitoring's reference comes.
        doubted: its section about suspect labels, where they were ranked.
    """
    evaluation = judged.evaluation
    documents = {
        "evaluation.json": evaluation,
        "model_card.json": model_card(evaluation, metadata, card),
        reference.FILE: reference.document(usual, evaluation),
    }
    for name, document in documents.items():
        (output / name).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    for split, said in (("test", judged.scores), ("validation", usual)):
        write_scores(output, split, said, metadata)
    identity = Identity(job.execution(), datetime.now(UTC).isoformat(timespec="seconds"))
    page = render(evaluation, metadata, card, scores=judged.scores, gallery=gallery, doubted=doubted, identity=identity)
    (output / "report.html").write_text(page, encoding="utf-8")


def write_scores(directory: Path, split: str, scores: TestScores, metadata: dict[str, Any]) -> str:
    """Write a split's table, one row for each image in the order of the shards; returns the file's name.

    `file` is the image's path in the archive, with bytes that are no UTF-8 as `\\xNN`; `score` the probability as
    served; `prediction` NORMAL, PNEUMONIA or INDETERMINATE; `refused` whether the out-of-distribution
    detector would refuse the image, which has its prediction here all the same.

    Args:
        split: `test` or `validation`.
        metadata: metadata.json of the model, with its threshold and its indeterminate band.
    """
    threshold, band = float(metadata["threshold"]), metadata["indeterminate"]
    name = f"{split}_predictions.csv"
    with (directory / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for path, label, probability, refused in zip(
            scores.paths, scores.labels, scores.probabilities, scores.refused, strict=True
        ):
            predicted = LABELS[int(probability >= threshold)]
            if band["low"] <= probability < band["high"]:
                predicted = INDETERMINATE
            told = str(bool(refused)).lower()
            table.writerow([path, split, LABELS[int(label)], f"{probability:.6f}", predicted, told])
    return name
