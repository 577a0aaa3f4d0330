"""The files of an evaluation that a model package points to, or that lie beside what it points to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_code.contract import job
from model_code.monitoring import reference
from model_code.reports import score_table
from model_code.reports.evaluation_report import Identity, render
from model_code.reports.model_card import model_card

if TYPE_CHECKING:
    # Would bring TensorFlow along.
    from model_code.evaluation.judge import Judged
    from model_code.evaluation.scores import TestScores
    from model_code.reports.gallery import Gallery
    from model_code.reports.html_page import Section


def write(
    output: Path,
    judged: Judged,
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
        metadata: metadata.json of the model.
        card: the card of the dataset that it was trained on.
        usual: its scores of the images that calibrated it, from which monitoring's reference comes.
        gallery: pictures of the report.
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
        score_table.write(output, split, said, metadata)
    identity = Identity(job.execution(), datetime.now(UTC).isoformat(timespec="seconds"))
    page = render(evaluation, metadata, card, scores=judged.scores, gallery=gallery, doubted=doubted, identity=identity)
    (output / "report.html").write_text(page, encoding="utf-8")
