"""EvaluateModel: the exported model scores the test split once; metrics, gates, report, card and reference come out.

    python -m model_code.evaluate --min-auroc 0.9 --min-sensitivity 0.85 --min-specificity 0.7 \
        --max-calibration-error 0.1 --serving-package none --serving-comparison gate

Reads `processing/input/{model,training,validation,test,report}` and, where a model is serving, its model.tar.gz in
`processing/input/serving`; writes evaluation.json, report.html, model_card.json, the scores of every image
(test_predictions.csv, validation_predictions.csv) and reference.json, with which monitoring compares the model's
predictions once it serves, to `processing/output/evaluation`. What is scored is what
model.tar.gz would answer when it is served, by the engine that would compute it; where that is not TensorFlow, it is
held against the float32 network in the training's output.tar.gz. A model that fails its gates is a result, not an
error: the exit status is 0, the pipeline's condition decides, and the sentences that name the failed gates are the
job's exit message.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_code import score_table
from model_code.contract import job
from model_code.data.shards import read_card
from model_code.evaluation import assessment, comparison, engine_parity, quality_gates
from model_code.evaluation.comparison import Side
from model_code.evaluation.scoring import ExportedModel, TestScores
from model_code.monitoring import reference
from model_code.reports import gallery, saliency_pictures
from model_code.reports.evaluation_report import Identity, render
from model_code.reports.model_card import model_card
from model_code.statistics.intervals import resample_patients
from model_code.statistics.metrics import Array

NO_PACKAGE = "none"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters.

    Attributes:
        limits: of the quality gates.
        serving_package: ARN of the model package that is serving, or "none".
        serving_comparison: "gate" (a significantly worse model fails) or "report" (it is only said).
    """

    limits: quality_gates.Limits
    serving_package: str
    serving_comparison: str


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, or a model that was made for other images.
    """
    settings = parse(arguments)
    card = read_card(job.processing_input("report"))
    test, size = job.processing_input("test"), int(card["image_size"])
    with tempfile.TemporaryDirectory() as directory:
        model = ExportedModel(job.only_file(job.processing_input("model"), "*.tar.gz"), Path(directory, "candidate"))
        if model.dataset != card["sha256"]:
            raise job.JobError(
                f"The model was trained on dataset {model.dataset[:12]} and the test split is of dataset "
                f"{card['sha256'][:12]}: their splits may overlap, so the result would not count."
            )
        attention = saliency_pictures.MeanSaliency(size)
        scores = model.score(test, size, watch=attention.add)
        weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
        evaluation = assessment.document(scores, model.metadata, weights)
        evaluation["engine"] = _hold_engine(model, scores, test, size)
        evaluation["saliency"] = attention.as_json()
        evaluation["comparison"] = _compare(settings, _side(model, scores), weights, test, Path(directory, "serving"))
        evaluation["gates"] = quality_gates.check(evaluation, settings.limits)
        usual = model.score(job.processing_input("validation"), size)
        shown = gallery.collect(model, scores, attention, test, seed=assessment.BOOTSTRAP_SEED)
    output = job.processing_output("evaluation")
    documents = {
        "evaluation.json": evaluation,
        "model_card.json": model_card(evaluation, model.metadata, card),
        reference.FILE: reference.document(usual, evaluation),
    }
    for name, document in documents.items():
        (output / name).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    for split, said in (("test", scores), ("validation", usual)):
        score_table.write(output, split, said, model.metadata)
    identity = Identity(job.execution(), datetime.now(UTC).isoformat(timespec="seconds"))
    page = render(evaluation, model.metadata, card, scores=scores, gallery=shown, identity=identity)
    (output / "report.html").write_text(page, encoding="utf-8")
    _say(evaluation)


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a limit that is no number from 0 to 1.
    """
    parser = argparse.ArgumentParser(prog="model_code.evaluate")
    names = [field.name for field in dataclasses.fields(quality_gates.Limits)]
    for name in names:
        parser.add_argument("--" + name.replace("_", "-"), type=float, required=True)
    parser.add_argument("--serving-package", required=True)
    parser.add_argument("--serving-comparison", required=True)
    given = vars(parser.parse_args(arguments))
    for name in names:
        if not (math.isfinite(given[name]) and 0 <= given[name] <= 1):
            raise job.JobError(f"The limit {name} must be from 0 to 1, not {given[name]}.")
    if given["serving_comparison"] not in comparison.MODES:
        raise job.JobError(
            f"ServingComparison must be {' or '.join(comparison.MODES)}, not {given['serving_comparison']!r}."
        )
    limits = quality_gates.Limits(**{name: given[name] for name in names})
    return Settings(limits, given["serving_package"], given["serving_comparison"])


def _hold_engine(model: ExportedModel, scores: TestScores, test: Path, size: int) -> dict[str, Any]:
    """The comparison of what serves with the float32 network; nothing where they are the same."""
    if model.engine == "tensorflow":
        return engine_parity.nothing_to_compare()
    output = job.only_file(job.processing_input("training"), "*.tar.gz")
    with tempfile.TemporaryDirectory() as directory:
        network = engine_parity.reference_network(output, Path(directory))
        return engine_parity.compare(scores, engine_parity.reference_logits(network, test, size), model.metadata)


def _side(model: ExportedModel, scores: TestScores) -> Side:
    return Side(scores, model.threshold, model.image_size, model.dataset)


def _compare(settings: Settings, candidate: Side, weights: Array, test: Path, directory: Path) -> dict[str, Any]:
    """The comparison with the serving model, whose archive is unpacked into the directory."""
    package, mode = settings.serving_package, settings.serving_comparison
    if package == NO_PACKAGE:
        return comparison.nothing_serves()
    try:
        serving = ExportedModel(job.only_file(job.processing_input("serving"), "*.tar.gz"), directory)
    except job.JobError as error:
        if mode == "report":
            return comparison.not_comparable(package, mode, str(error))
        raise job.JobError(
            f"The serving model {package} cannot be compared with: {error} To register a model without comparing, "
            "start the pipeline with ServingComparison report."
        ) from error
    scores = serving.score(test, candidate.image_size)
    return comparison.compare(candidate, _side(serving, scores), weights, package=package, mode=mode)


def _say(evaluation: dict[str, Any]) -> None:
    """Print the figures that the gates judge, and leave the reason where one failed."""
    shown = evaluation["binary_classification_metrics"] | evaluation["calibration"]
    for name in ("auc", "true_positive_rate", "true_negative_rate", "expected_calibration_error"):
        low, high = shown[name]["confidence_interval"]
        print(f"{name} {shown[name]['value']:.4f} (95 % interval {low:.4f} to {high:.4f})", flush=True)
    if evaluation["guard"]["active"]:
        refused, images = evaluation["guard"]["refused"], evaluation["test"]["images"]
        print(f"The guard refuses {refused} of {images} test images.", flush=True)
    if (engine := evaluation["engine"])["name"] != "tensorflow":
        spread = engine["probability_difference"]
        print(
            f"Engine {engine['name']} ({engine['weights']}) against float32: AUROC {engine['auc_difference']:+.4f}, "
            f"99 % of the probabilities within {spread['percentile_99']:.4f}, the label of {engine['labels_changed']} "
            "images is another.",
            flush=True,
        )
    print(evaluation["comparison"]["sentence"], flush=True)
    print(evaluation["gates"]["message"], flush=True)
    if not evaluation["gates"]["passed"]:
        job.leave_message(evaluation["gates"]["message"])


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
