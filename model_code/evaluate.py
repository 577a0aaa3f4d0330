"""EvaluateModel: the exported model scores the test split once; metrics, gates, report, card and reference come out.

    python -m model_code.evaluate --min-auroc 0.9 --min-sensitivity 0.85 --min-specificity 0.7 \
        --max-calibration-error 0.1 --min-subgroup-sensitivity 0.7 --serving-package none --serving-comparison gate

Reads `processing/input/{model,training,validation,test,report}` and, where a model is serving, its model.tar.gz in
`processing/input/serving`; writes evaluation.json, report.html, model_card.json, the scores of every image
(test_predictions.csv, validation_predictions.csv) and reference.json, with which monitoring compares the model's
predictions once it serves, to `processing/output/evaluation`, and what is registered, served.tar.gz, to
`processing/output/served`. What is scored is what that archive answers when it is served, by the
engine that computes it; where that is not TensorFlow, it is held against the float32 network in the training's
output.tar.gz. Where it fails a gate and other weights of the same network travel in model.tar.gz, those are judged, and
serve if they pass. A model that fails its gates is a result, not an error: the exit status is 0, the pipeline's
condition decides, and the sentences that name the failed gates are the job's exit message.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_code.contract import job
from model_code.contract.metrics import CLASSIFICATION
from model_code.contract.parameters import EVALUATION, GATES
from model_code.data.dataset_card import read_card
from model_code.evaluation import assessment, comparison, engine_parity, float32_network, quality_gates, served_archive
from model_code.evaluation.comparison import Side
from model_code.evaluation.saliency_summary import SaliencySummary
from model_code.evaluation.scores import TestScores
from model_code.evaluation.scoring import ExportedModel
from model_code.monitoring import reference
from model_code.reports import saliency_pictures, score_table
from model_code.reports.evaluation_report import Identity, render
from model_code.reports.model_card import model_card
from model_code.statistics.intervals import resample_patients
from model_code.statistics.metrics import Array

NO_PACKAGE = "none"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters.

    Attributes:
        limits: limits of the quality gates.
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
        judge = _Judge(settings, model, test, size, Path(directory))
        judged = judge.judge()
        while not judged.evaluation["gates"]["passed"] and model.has_fallback:
            judged = judge.judge_fallback(judged)
        evaluation, scores, attention = judged.evaluation, judged.scores, judged.attention
        usual = model.score(job.processing_input("validation"), size)
        shown = saliency_pictures.collect(model, scores, attention, test, seed=assessment.BOOTSTRAP_SEED)
        model.write_served(job.processing_output("served") / served_archive.FILE)
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
    parser = job.ArgumentParser(prog="model_code.evaluate")
    limits = [EVALUATION[name] for name in GATES]
    for one in limits:
        parser.add_argument(f"--{one.flag}", type=float, required=True)
    parser.add_argument("--serving-package", required=True)
    parser.add_argument("--serving-comparison", required=True)
    given = vars(parser.parse_args(arguments))
    job.check(given, EVALUATION)
    return Settings(
        quality_gates.Limits(*(given[one.field] for one in limits)),
        given["serving_package"],
        given["serving_comparison"],
    )


@dataclasses.dataclass(frozen=True)
class _Judged:
    """A model's evaluation document and what it was made from."""

    evaluation: dict[str, Any]
    scores: TestScores
    attention: SaliencySummary


class _Judge:
    """Evaluates one model with the weights it computes with at the time.

    What it is compared with, the float32 network and the model that serves, is scored once.

    Args:
        settings: the step's parameters.
        model: the candidate.
        test: directory with the test shards.
        size: edge in pixels of the images in the shards.
        directory: folder to unpack into.
    """

    def __init__(self, settings: Settings, model: ExportedModel, test: Path, size: int, directory: Path) -> None:
        self._settings, self._model, self._test, self._size = settings, model, test, size
        self._reference = _reference(model, test, size)
        self._serving = _serving(settings, test, size, directory / "serving")

    def judge(self) -> _Judged:
        """Score the test split and compare."""
        model = self._model
        attention = SaliencySummary(model.image_size, model.map_cells)
        scores = model.score(self._test, self._size, watch=attention.add)
        weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
        evaluation = assessment.document(scores, model.metadata, weights)
        evaluation["engine"] = (
            engine_parity.nothing_to_compare()
            if self._reference is None
            else engine_parity.compare(scores, self._reference, model.metadata)
        )
        evaluation["saliency"] = {"method": model.map_method, **attention.as_json()}
        evaluation["comparison"] = self._compare(_side(model, scores), weights)
        evaluation["gates"] = quality_gates.check(evaluation, self._settings.limits)
        return _Judged(evaluation, scores, attention)

    def judge_fallback(self, failed: _Judged) -> _Judged:
        """Judge the fallback weights; the document says which were judged before and what they failed."""
        before = failed.evaluation
        rejected = {"weights": before["engine"]["weights"], "message": before["gates"]["message"]}
        self._model.fall_back()
        judged = self.judge()
        judged.evaluation["engine"]["rejected"] = [*before["engine"]["rejected"], rejected]
        return judged

    def _compare(self, candidate: Side, weights: Array) -> dict[str, Any]:
        package, mode = self._settings.serving_package, self._settings.serving_comparison
        if self._serving is None:
            return comparison.nothing_serves()
        if isinstance(self._serving, str):
            return comparison.not_comparable(package, mode, self._serving)
        return comparison.compare(candidate, self._serving, weights, package=package, mode=mode)


def _reference(model: ExportedModel, test: Path, size: int) -> Array | None:
    """The float32 network's logits for the test split; None where the model is that network."""
    if model.engine == "tensorflow":
        return None
    output = job.only_file(job.processing_input("training"), "*.tar.gz")
    with tempfile.TemporaryDirectory() as directory:
        return float32_network.reference_logits(float32_network.reference_network(output, Path(directory)), test, size)


def _side(model: ExportedModel, scores: TestScores) -> Side:
    return Side(scores, model.threshold, model.image_size, model.dataset)


def _serving(settings: Settings, test: Path, size: int, directory: Path) -> Side | str | None:
    """The serving model's scores of the test split, or why it has none; None where nothing serves.

    Raises:
        JobError: it cannot be read, and the comparison is a gate.
    """
    package = settings.serving_package
    if package == NO_PACKAGE:
        return None
    try:
        model = ExportedModel(job.only_file(job.processing_input("serving"), "*.tar.gz"), directory)
    except job.JobError as error:
        if settings.serving_comparison == "report":
            return str(error)
        raise job.JobError(
            f"The serving model {package} cannot be compared with: {error} To register a model without comparing, "
            "start the pipeline with ServingComparison report."
        ) from error
    return _side(model, model.score(test, size))


def _say(evaluation: dict[str, Any]) -> None:
    """Print the figures that the gates judge, and leave the reason where one failed."""
    shown = evaluation[CLASSIFICATION] | evaluation["calibration"]
    for name in ("auc", "true_positive_rate", "true_negative_rate", "expected_calibration_error"):
        low, high = shown[name]["confidence_interval"]
        print(f"{name} {shown[name]['value']:.4f} (95 % interval {low:.4f} to {high:.4f})", flush=True)
    if evaluation["out_of_distribution"]["active"]:
        refused, images = evaluation["out_of_distribution"]["refused"], evaluation["test"]["images"]
        print(f"The out-of-distribution detector refuses {refused} of {images} test images.", flush=True)
    if (engine := evaluation["engine"])["name"] != "tensorflow":
        spread = engine["probability_difference"]
        print(
            f"Engine {engine['name']} ({engine['weights']}) against float32: AUROC {engine['auc_difference']:+.4f}, "
            f"99 % of the probabilities within {spread['percentile_99']:.4f}, the label of {engine['labels_changed']} "
            "images is another.",
            flush=True,
        )
        for rejected in engine["rejected"]:
            print(f"Judged before, with {rejected['weights']} weights: {rejected['message']}", flush=True)
    print(evaluation["comparison"]["sentence"], flush=True)
    print(evaluation["gates"]["message"], flush=True)
    if not evaluation["gates"]["passed"]:
        job.leave_message(evaluation["gates"]["message"])


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
