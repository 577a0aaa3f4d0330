"""EvaluateModel: the exported model scores the test split once; metrics, gates and a report come out.

    python -m model_code.evaluate --min-auroc 0.9 --min-sensitivity 0.85 --min-specificity 0.7 \
        --max-calibration-error 0.1

Reads `processing/input/{model,test,report}`; writes evaluation.json and report.html to
`processing/output/evaluation`. What is scored is the SavedModel inside model.tar.gz, the artifact that would be
served, through its `score_pixels` signature. A model that fails its gates is a result, not an error: the exit status
is 0, the pipeline's condition decides, and the sentence that names the failed gates is the job's exit message.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_code import job, metrics
from model_code.dataset import examples, read_card, read_columns
from model_code.export import VERSION_DIRECTORY
from model_code.metrics import Array, Estimate
from model_code.report import Scored, plots, render

BOOTSTRAP_SEED = 20180222


@dataclasses.dataclass(frozen=True)
class Limits:
    """The quality gates: three least values and one greatest."""

    min_auroc: float
    min_sensitivity: float
    min_specificity: float
    max_calibration_error: float


@dataclasses.dataclass(frozen=True)
class TestScores:
    """The test split as the exported model sees it; all of length n, in the order of the shards."""

    labels: Array
    logits: Array
    probabilities: Array
    patients: list[str]
    subtypes: list[str]


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for limits out of range, missing inputs, or a model that was made for other images.
    """
    limits = parse(arguments)
    card = read_card(job.processing_input("report"))
    with tempfile.TemporaryDirectory() as directory:
        model = Path(directory)
        _unpack(job.only_file(job.processing_input("model"), "*.tar.gz"), model)
        metadata = json.loads((model / "metadata.json").read_text(encoding="utf-8"))
        if metadata["dataset"]["sha256"] != card["sha256"]:
            raise job.JobError(
                f"The model was trained on dataset {metadata['dataset']['sha256'][:12]} and the test split is "
                f"of dataset {card['sha256'][:12]}: their splits may overlap, so the result would not count."
            )
        scores = score(model / VERSION_DIRECTORY, job.processing_input("test"), metadata["image_size"])
    estimates = estimate_all(scores, metadata["threshold"])
    evaluation = evaluate(scores, metadata, limits, estimates)
    output = job.processing_output("evaluation")
    text = json.dumps(evaluation, indent=2, allow_nan=False) + "\n"
    (output / "evaluation.json").write_text(text, encoding="utf-8")
    figures = plots(Scored(scores.labels, scores.probabilities, metadata["threshold"]), evaluation)
    page = render(evaluation, metadata, card, estimates, figures)
    (output / "report.html").write_text(page, encoding="utf-8")
    for name in ("auc", "true_positive_rate", "true_negative_rate", "expected_calibration_error"):
        found = estimates[name]
        print(f"{name} {found.value:.4f} (95 % interval {found.low:.4f} to {found.high:.4f})", flush=True)
    print(evaluation["gates"]["message"], flush=True)
    if not evaluation["gates"]["passed"]:
        job.leave_message(evaluation["gates"]["message"])


def parse(arguments: list[str]) -> Limits:
    """Read and check the gate limits.

    Raises:
        JobError: for a limit that is no number from 0 to 1.
    """
    parser = argparse.ArgumentParser(prog="model_code.evaluate")
    for field in dataclasses.fields(Limits):
        parser.add_argument("--" + field.name.replace("_", "-"), type=float, required=True)
    limits = Limits(**vars(parser.parse_args(arguments)))
    for name, value in dataclasses.asdict(limits).items():
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise job.JobError(f"The limit {name} must be from 0 to 1, not {value}.")
    return limits


def score(saved_model: Path, test: Path, size: int) -> TestScores:
    """Score the test shards with an exported SavedModel.

    Args:
        saved_model: directory with saved_model.pb.
        test: directory with the test shards.
        size: edge of the images in pixels.
    """
    loaded = tf.saved_model.load(str(saved_model))
    signature = loaded.signatures["score_pixels"]
    collected: dict[str, list[Any]] = {name: [] for name in ("label", "logit", "probability", "patient", "subtype")}
    for pixels, columns in read_columns(examples(test, size), ["label", "patient", "subtype"]):
        outputs = signature(pixels=tf.cast(pixels, tf.uint8))
        for name in ("logit", "probability"):
            collected[name].extend(outputs[name].numpy().astype(np.float64))
        collected["label"].extend(columns["label"].astype(np.float64))
        for name in ("patient", "subtype"):
            collected[name].extend(value.decode() for value in columns[name])
    return TestScores(
        np.asarray(collected["label"]),
        np.asarray(collected["logit"]),
        np.asarray(collected["probability"]),
        collected["patient"],
        collected["subtype"],
    )


def estimate_all(scores: TestScores, threshold: float) -> dict[str, Estimate]:
    """Every metric with its interval from resampling patients."""
    weights = metrics.resample_patients(scores.patients, seed=BOOTSTRAP_SEED)
    called = (scores.probabilities >= threshold).astype(np.float64)
    values = metrics.operating_point(scores.labels, called, weights) | {
        # Of the logits: far from the threshold, probabilities run into ties at 0 and 1.
        "auc": metrics.auroc(scores.labels, scores.logits, weights),
        "auprc": metrics.average_precision(scores.labels, scores.logits, weights),
        "brier_score": metrics.brier_score(scores.labels, scores.probabilities, weights),
        "expected_calibration_error": metrics.expected_calibration_error(scores.labels, scores.probabilities, weights),
    }
    return {name: metrics.estimate(value) for name, value in values.items()}


def evaluate(
    scores: TestScores, metadata: dict[str, Any], limits: Limits, estimates: dict[str, Estimate]
) -> dict[str, Any]:
    """The evaluation document, in the form of SageMaker's model quality reports where that has a place for it."""
    called = scores.probabilities >= metadata["threshold"]
    confusion = {
        str(actual): {str(decided): int(np.sum((scores.labels == actual) & (called == decided))) for decided in (0, 1)}
        for actual in (0, 1)
    }
    calibration_names = ("brier_score", "expected_calibration_error")
    return {
        "binary_classification_metrics": {
            "confusion_matrix": confusion,
            **{name: found.as_json() for name, found in estimates.items() if name not in calibration_names},
            **metrics.curves(scores.labels, scores.logits),
        },
        "calibration": {
            **{name: estimates[name].as_json() for name in calibration_names},
            "temperature": metadata["temperature"],
            "reliability": metrics.reliability(scores.labels, scores.probabilities),
        },
        "gates": check_gates(estimates, limits),
        "threshold": metadata["threshold"],
        "test": {
            "images": len(scores.labels),
            "patients": len(set(scores.patients)),
            "prevalence": float(scores.labels.mean()),
        },
        "subgroups": _subgroups(scores, called),
        "dataset_sha256": metadata["dataset"]["sha256"],
    }


def check_gates(estimates: dict[str, Estimate], limits: Limits) -> dict[str, Any]:
    """Compare each gated metric with its limit; the message is one sentence that names each failed gate."""
    gates = (
        ("AUROC", "auc", limits.min_auroc, False),
        ("sensitivity", "true_positive_rate", limits.min_sensitivity, False),
        ("specificity", "true_negative_rate", limits.min_specificity, False),
        ("calibration error", "expected_calibration_error", limits.max_calibration_error, True),
    )
    checks, failures = [], []
    for title, metric, limit, greatest in gates:
        value = estimates[metric].value
        passed = value <= limit if greatest else value >= limit
        rule = f"at {'most' if greatest else 'least'} {limit:g}"
        checks.append({"title": title, "metric": metric, "value": value, "rule": rule, "passed": passed})
        if not passed:
            shown = _digits(value, limit)
            failures.append(f"{title} {shown} is {'above' if greatest else 'below'} the limit {limit:g}")
    summary = ", ".join(f"{check['title']} {check['value']:.3f} ({check['rule']})" for check in checks)
    message = "; ".join(failures) + "." if failures else f"All gates passed: {summary}."
    return {"passed": not failures, "message": message, "checks": checks}


def _digits(value: float, limit: float) -> str:
    """Three decimals, or as many as it takes for the value not to read like the limit it missed."""
    return next(text for digits in range(3, 18) if float(text := f"{value:.{digits}f}") != limit)


def _subgroups(scores: TestScores, called: Any) -> list[dict[str, Any]]:
    rows = []
    for subtype in sorted({name for name in scores.subtypes if name}):
        inside = np.asarray([name == subtype for name in scores.subtypes]) & (scores.labels == 1)
        if inside.any():
            rows.append(
                {
                    "subtype": subtype,
                    "images": int(inside.sum()),
                    "true_positive_rate": float(called[inside].mean()),
                }
            )
    return rows


def _unpack(archive: Path, directory: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as packed:
            packed.extractall(directory, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise job.JobError(f"The model archive {archive.name} cannot be unpacked: {error}.") from error
    for needed in ("metadata.json", f"{VERSION_DIRECTORY}/saved_model.pb"):
        if not (directory / needed).is_file():
            raise job.JobError(f"The model archive {archive.name} has no {needed}.")


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
