"""Evaluation of a calibrated model on labelled predictions: as `evaluation.evaluator`, but without images."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from model_code.contract import job
from model_code.evaluation import assessment, comparison, engine_parity, quality_gates
from model_code.evaluation.comparison import Side
from model_code.evaluation.evaluator import NO_PACKAGE, EvaluationResult, Settings
from model_code.evaluation.saliency_summary import SaliencySummary
from model_code.evaluation.scores import TestScores
from model_code.evaluation.scoring import ExportedModel
from model_code.statistics.intervals import resample_patients
from model_code.statistics.metrics import Array


def evaluate(settings: Settings, model: ExportedModel, scores: TestScores, own: dict[str, Any]) -> EvaluationResult:
    """Hold a calibrated model against the gates.

    The document has no refusals and no saliency maps: refused images are not kept, and no image is read. Agreement of
    the engine with the float32 network is that on the images of the evaluation of the version whose weights these are.

    Args:
        settings: what it is held against.
        model: with its new calibration.
        scores: of labelled predictions, with the network's logits.
        own: evaluation of the version as it was.

    Raises:
        JobError: the engines cannot be compared, or the serving model cannot and the comparison is a gate.
    """
    scores = dataclasses.replace(scores, probabilities=model.calibration.probability(scores.logits))
    weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
    evaluation = assessment.document(scores, model.metadata, weights)
    evaluation["out_of_distribution"] |= {"refused": None, "false_refusal_rate": None}
    evaluation["engine"] = engine_parity.with_calibration(own["engine"], model.metadata)
    attention = SaliencySummary(model.image_size, model.map_cells)
    evaluation["saliency"] = {"method": model.map_method, **attention.as_json()}
    evaluation["comparison"] = _comparison(settings, model, scores, weights)
    evaluation["gates"] = quality_gates.check(evaluation, settings.limits)
    return EvaluationResult(evaluation, scores, attention)


def _comparison(settings: Settings, model: ExportedModel, scores: TestScores, weights: Array) -> dict[str, Any]:
    """Comparison with the serving model, which has answered these radiographs only where it has the same weights."""
    package, mode = settings.serving_package, settings.serving_comparison
    if package == NO_PACKAGE:
        return comparison.nothing_serves()
    with tempfile.TemporaryDirectory() as directory:
        serving = ExportedModel(job.only_file(job.processing_input("serving"), "*.tar.gz"), Path(directory))
        if serving.weights_sha256 == model.weights_sha256:
            same = dataclasses.replace(scores, probabilities=serving.calibration.probability(scores.logits))
            candidate, other = (
                Side(side_scores, whose.threshold, whose.image_size, whose.dataset)
                for side_scores, whose in ((scores, model), (same, serving))
            )
            return comparison.compare(candidate, other, weights, package=package, mode=mode)
    reason = "it has other weights, and its answers to the labelled radiographs are not known."
    if mode == "report":
        return comparison.not_comparable(package, mode, reason)
    raise job.JobError(
        f"The serving model {package} cannot be compared with: {reason} Release the version whose answers were "
        "labelled first, or calibrate it on an archive (--archive)."
    )
