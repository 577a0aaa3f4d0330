"""MonitorModel: predictions of the last days against the reference of the model that made them.

    python -m model_code.monitor --table cxr-predictions --package arn:…:model-package/cxr/3 --endpoint cxr --days 7 \
        --min-predictions 200 --psi-limit 0.2 --runbook https://wiki.example/runbooks --reports s3://bucket/monitoring

Reads the table of kept predictions, `processing/input/reference`, the results of earlier runs below `--reports` and how
many requests were refused or failed (CloudWatch); writes monitoring.json and report.html to
`processing/output/monitoring` and puts the metrics that the alarms watch. Drift is a finding, not an error: the exit
status is 0, and the sentence that says it is the job's exit message. With fewer predictions than `--min-predictions`
only their number is put: an alarm must not rest on a handful.

What is found goes into figures only. Neither a prediction's id nor its values are printed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
import time
from typing import Any

import boto3
import numpy as np
from botocore.config import Config

from model_code.contract import job
from model_code.contract.labels import LABELS
from model_code.contract.parameters import MONITORING
from model_code.monitoring import (
    calibration_gain,
    drift,
    kept_predictions,
    performance,
    reference,
    request_counts,
    trend,
)
from model_code.monitoring.drift import Quantity
from model_code.monitoring.kept_predictions import Labelled, Predictions
from model_code.reports import monitoring_report
from model_code.statistics.indeterminate import PREDICTIVE_VALUES
from model_code.statistics.intervals import wilson
from model_code.statistics.metrics import Array

NO_PACKAGE = "none"
NAMESPACE = "ChestXray/Model"
DAY_SECONDS = 86_400


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters.

    Attributes:
        table: table of kept predictions.
        package: ARN of the model package that serves, or "none".
        endpoint: its name, the metrics' dimension.
        days: number of days to look back.
        min_predictions: least number of predictions that are compared.
        psi_limit: the population stability index at which a change is large enough to be drift.
        runbook: address or path of the page that says what to do, with a section for each alarm.
        reports: S3 URI below which every run leaves its result.
    """

    table: str
    package: str
    endpoint: str
    days: int
    min_predictions: int
    psi_limit: float
    runbook: str
    reports: str


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, or a damaged reference.
    """
    settings = parse(arguments)
    known = reference.read(job.processing_input("reference"))
    now = int(time.time())
    retries = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=30)
    since = now - settings.days * DAY_SECONDS
    if settings.package == NO_PACKAGE:
        predictions, labelled = kept_predictions.none()
    else:
        dynamodb = boto3.client("dynamodb", config=retries)
        predictions, labelled = kept_predictions.read(dynamodb, settings.table, settings.package, since)
    compared = quantities(known, predictions) if known and enough(settings, predictions) else []
    findings = find_drift_and_drop(settings, known, predictions, labelled, compared)
    findings["window"] = {"from": _moment(since), "to": _moment(now), "days": settings.days, **_ends(predictions)}
    cloudwatch = boto3.client("cloudwatch", config=retries)
    findings["requests"] = request_counts.read(cloudwatch, settings.endpoint, since=since, until=now)
    findings["trend"] = trend.read(boto3.client("s3", config=retries), settings.reports, findings)
    output = job.processing_output("monitoring")
    text = json.dumps(findings, indent=2, allow_nan=False)
    (output / trend.FILE).write_text(text + "\n", encoding="utf-8")
    page = monitoring_report.render(findings, compared, predictions, runbook=settings.runbook)
    (output / "report.html").write_text(page, encoding="utf-8")
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=metrics(findings, settings.endpoint))
    print(findings["sentence"], flush=True)
    job.leave_message(findings["sentence"])


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a number out of range.
    """
    parser = job.ArgumentParser(prog="model_code.monitor")
    job.add_flags(parser, Settings)
    settings = Settings(**vars(parser.parse_args(arguments)))
    job.check(dataclasses.asdict(settings), MONITORING)
    return settings


def enough(settings: Settings, predictions: Predictions) -> bool:
    """Whether there are predictions enough to compare."""
    return len(predictions.probabilities) >= settings.min_predictions


def quantities(known: dict[str, Any], predictions: Predictions) -> list[Quantity]:
    """Quantities whose drift is tested: score, out-of-distribution score, and the network's projected features.

    Args:
        known: the reference.
        predictions: at least one.
    """
    validation = known["validation"]

    def values(samples: list[float]) -> Array:
        return np.asarray(samples, dtype=np.float64)

    found = [
        Quantity("probability", "Probability", values(validation["probability"]), predictions.probabilities),
        Quantity(
            "out_of_distribution_score",
            "Out-of-distribution score",
            values(validation["out_of_distribution_score"]),
            predictions.out_of_distribution_scores,
        ),
    ]
    # Older models have no features, on either side.
    for number, (samples, column) in enumerate(
        zip(validation["features"], predictions.features.T, strict=False), start=1
    ):
        found.append(Quantity(f"feature_{number}", f"Feature {number}", values(samples), column))
    return [quantity for quantity in found if len(quantity.reference) and quantity.varies]


def find_drift_and_drop(
    settings: Settings,
    known: dict[str, Any] | None,
    predictions: Predictions,
    labelled: Labelled,
    compared: list[Quantity],
) -> dict[str, Any]:
    """The findings: monitoring.json but for the time."""
    count = len(predictions.probabilities)
    findings: dict[str, Any] = {
        "endpoint": settings.endpoint,
        "package_arn": settings.package,
        "predictions": count,
        "labelled_predictions": len(labelled.labels),
        "min_predictions": settings.min_predictions,
        "psi_limit": settings.psi_limit,
        "significance": drift.SIGNIFICANCE,
        "reference": _about(known),
        "answers": None,
        "drift": None,
        "performance": None,
        "recalibration": None,
    }
    if settings.package == NO_PACKAGE:
        return {**findings, "sentence": "No model serves, so there is nothing to monitor."}
    if known is None:
        return {
            **findings,
            "sentence": f"{_name(settings.package)} has no reference to compare with: release a model that was "
            "trained since monitoring came.",
        }
    if not enough(settings, predictions):
        return {
            **findings,
            "sentence": f"{count} predictions in {settings.days} days are fewer than the {settings.min_predictions} "
            "from which anything is compared.",
        }
    rows = drift.compare(compared, independent=known["validation"]["independent"], limit=settings.psi_limit)
    findings["drift"] = {
        "detected": any(row["drifted"] for row in rows),
        "features": sum(quantity.name.startswith("feature_") for quantity in compared),
        "quantities": rows,
    }
    findings["answers"] = answers(predictions, known)
    findings["performance"] = performance.assess(labelled.labels, labelled.probabilities, known)
    findings["recalibration"] = calibration_gain.estimate(
        labelled.labels, labelled.probabilities, target_prevalence=known["target_prevalence"]
    )
    return {**findings, "sentence": _sentence(findings)}


def answers(predictions: Predictions, known: dict[str, Any]) -> dict[str, Any]:
    """Shares of the predictions that were answered PNEUMONIA and INDETERMINATE, with their 95 % intervals.

    Args:
        predictions: at least one.
        known: the reference, with the model's threshold and its indeterminate band.
    """
    scores, band = predictions.probabilities, known["indeterminate"]
    among = {
        "predicted_positive": scores >= known["threshold"],
        "indeterminate": (scores >= band["low"]) & (scores < band["high"]),
    }
    shares = {name: float(values.mean()) for name, values in among.items()}
    return {
        name: {"value": share, "confidence_interval": list(wilson(share, len(scores)))}
        for name, share in shares.items()
    }


def metrics(findings: dict[str, Any], endpoint: str) -> list[dict[str, Any]]:
    """CloudWatch metrics of the findings; at least the number of predictions."""
    values: dict[str, float] = {
        "Predictions": findings["predictions"],
        "LabelledPredictions": findings["labelled_predictions"],
    }
    if found := findings["drift"]:
        psi = {row["name"]: row["psi"] for row in found["quantities"]}
        inputs = [value for name, value in psi.items() if name != "probability"]
        if "probability" in psi:
            values["ScorePsi"] = psi["probability"]
        if inputs:
            values["FeaturePsi"] = max(inputs)
        values["Drift"] = float(found["detected"])
    if found := findings["performance"]:
        named = {"Sensitivity": "sensitivity", "Specificity": "specificity", "CalibrationError": "calibration_error"}
        values |= {title: found[name]["value"] for title, name in named.items() if found[name]}
        if found["sensitivity"] or found["specificity"] or found["guaranteed"]:
            values["PerformanceDrop"] = float(found["dropped"])
    counts = {"Predictions", "LabelledPredictions"}
    return [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "Endpoint", "Value": endpoint}],
            "Value": float(value),
            "Unit": "Count" if name in counts else "None",
        }
        for name, value in values.items()
    ]


def _sentence(findings: dict[str, Any]) -> str:
    """The job's exit message: the findings in a sentence."""
    rows = findings["drift"]["quantities"]
    drifted = [f"{row['title'].lower()} (PSI {row['psi']:.2f})" for row in rows if row["drifted"]]
    model = _name(findings["package_arn"])
    if drifted:
        said = f"Drift in {findings['predictions']} predictions of {model}: {', '.join(drifted)}."
    else:
        said = f"No drift in {findings['predictions']} predictions of {model}."
    found = findings["performance"]
    for name in performance.FIGURES:
        if found[name] and found[name]["dropped"]:
            then, now = found[name]["evaluation"]["value"], found[name]["value"]
            said += f" The {name} by readers' labels is {now:.3f}, {then:.3f} in the evaluation."
    for label, name in zip(LABELS, PREDICTIVE_VALUES, strict=True):
        if name in found["guaranteed"] and (figure := found["guaranteed"][name])["broken"]:
            said += (
                f" Of the answers {label} a share of {figure['value']:.3f} is right by readers' labels, where "
                f"{figure['guaranteed']:g} was guaranteed."
            )
    return said


def _about(known: dict[str, Any] | None) -> dict[str, Any] | None:
    """The reference without its samples."""
    if known is None:
        return None
    validation = {name: known["validation"][name] for name in ("images", "patients", "prevalence")}
    return {
        **{name: known[name] for name in ("dataset_sha256", "threshold", "indeterminate", "guarantee")},
        **validation,
    }


def _name(package: str) -> str:
    """Short name of a model package: `<group>/<version>`."""
    return package.partition("model-package/")[2] or package


def _ends(predictions: Predictions) -> dict[str, str | None]:
    """Times of the first and the last of the predictions, which may be long after a window begins."""
    made = predictions.created
    if not len(made):
        return {"first": None, "last": None}
    return {"first": _moment(int(made.min())), "last": _moment(int(made.max()))}


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
