"""Evaluation of a model against the quality gates, the float32 network and the model that serves."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model_code.contract import job
from model_code.contract.metrics import CLASSIFICATION
from model_code.contract.parameters import EVALUATION, GATES
from model_code.evaluation import assessment, comparison, engine_parity, float32_network, quality_gates
from model_code.evaluation.comparison import Side
from model_code.evaluation.saliency_summary import SaliencySummary
from model_code.evaluation.scores import TestScores
from model_code.evaluation.scoring import ExportedModel
from model_code.statistics.intervals import resample_patients
from model_code.statistics.metrics import Array

NO_PACKAGE = "none"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits of the gates, and the serving model to compare with.

    Attributes:
        limits: limits of the quality gates.
        serving_package: ARN of the model package that is serving, or "none".
        serving_comparison: "gate" (a significantly worse model fails) or "report" (it is only said).
    """

    limits: quality_gates.Limits
    serving_package: str
    serving_comparison: str

    @staticmethod
    def add_flags(parser: job.ArgumentParser) -> None:
        """Give a command line the flags of these."""
        for name in GATES:
            parser.add_argument(f"--{EVALUATION[name].flag}", type=float, required=True)
        parser.add_argument("--serving-package", required=True)
        parser.add_argument("--serving-comparison", required=True)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings from parsed flags, checked."""
        limits = quality_gates.Limits(*(given[EVALUATION[name].field] for name in GATES))
        return cls(limits, given["serving_package"], given["serving_comparison"])


@dataclasses.dataclass(frozen=True)
class EvaluationResult:
    """A model's evaluation document and what it was made from."""

    evaluation: dict[str, Any]
    scores: TestScores
    attention: SaliencySummary


def _all(scores: TestScores) -> npt.NDArray[np.bool_]:
    return np.ones(len(scores.labels), dtype=bool)


class Evaluator:
    """Evaluates one model with the weights and the calibration that it has at the time.

    What it is compared with, the float32 network and the model that serves, is scored once, from the processing inputs
    `training` and `serving`.

    Args:
        settings: what it is held against.
        test: directory with the test shards.
        size: edge in pixels of the images in the shards.
        directory: folder to unpack into.
        basis: which of the scored images figures rest on, a mask (n,); may raise JobError where these are too few.
    """

    def __init__(
        self,
        settings: Settings,
        model: ExportedModel,
        test: Path,
        size: int,
        directory: Path,
        *,
        basis: Callable[[TestScores], npt.NDArray[np.bool_]] = _all,
    ) -> None:
        self._settings = settings
        self._model = model
        self._test = test
        self._size = size
        self._basis = basis
        self._reference = _reference(model, test, size)
        self._serving = _serving(settings, test, size, directory / "serving")

    def evaluate(self) -> EvaluationResult:
        """Score the test split and compare."""
        model = self._model
        attention = SaliencySummary(model.image_size, model.map_cells)
        scored = model.score(self._test, self._size, watch=attention.add)
        basis = self._basis(scored)
        scores = scored.where(basis)
        weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
        evaluation = assessment.document(scores, model.metadata, weights)
        if not basis.all():
            evaluation["out_of_distribution"] = assessment.refusals(
                scored,
                model.metadata["out_of_distribution"],
                resample_patients(scored.patients, seed=assessment.BOOTSTRAP_SEED),
            )
        evaluation["engine"] = (
            engine_parity.nothing_to_compare()
            if self._reference is None
            else engine_parity.compare(scores, self._reference[basis], model.metadata)
        )
        evaluation["saliency"] = {"method": model.map_method, **attention.as_json()}
        evaluation["comparison"] = self._compare(_side(model, scores), basis, weights)
        evaluation["gates"] = quality_gates.check(evaluation, self._settings.limits)
        return EvaluationResult(evaluation, scores, attention)

    def evaluate_fallback(self, failed: EvaluationResult) -> EvaluationResult:
        """Evaluate the fallback weights; the document says which were judged before and what they failed."""
        before = failed.evaluation
        rejected = {"weights": before["engine"]["weights"], "message": before["gates"]["message"]}
        self._model.fall_back()
        result = self.evaluate()
        result.evaluation["engine"]["rejected"] = [*before["engine"]["rejected"], rejected]
        return result

    def _compare(self, candidate: Side, basis: npt.NDArray[np.bool_], weights: Array) -> dict[str, Any]:
        package, mode = self._settings.serving_package, self._settings.serving_comparison
        if self._serving is None:
            return comparison.nothing_serves()
        if isinstance(self._serving, str):
            return comparison.not_comparable(package, mode, self._serving)
        serving = dataclasses.replace(self._serving, scores=self._serving.scores.where(basis))
        return comparison.compare(candidate, serving, weights, package=package, mode=mode)


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


def print_figures(evaluation: dict[str, Any]) -> None:
    """Print the figures that the gates judge, and leave the reason as the job's message where one failed."""
    shown = evaluation[CLASSIFICATION] | evaluation["calibration"]
    for name in ("auc", "true_positive_rate", "true_negative_rate", "expected_calibration_error"):
        low, high = shown[name]["confidence_interval"]
        print(f"{name} {shown[name]['value']:.4f} (95 % interval {low:.4f} to {high:.4f})", flush=True)
    # Of labelled predictions it is not known.
    if evaluation["out_of_distribution"]["active"] and evaluation["out_of_distribution"]["refused"] is not None:
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
