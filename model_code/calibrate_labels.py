"""CalibrateModel on readers' labels, feedback to kept predictions: as `model_code.calibrate`, without an image.

    python -m model_code.calibrate_labels --table cxr-predictions --since 2026-11-01 --until 2026-11-30 \
        --image-size 220 --model-package-arn arn:aws:sagemaker:...:model-package/cxr-dev/3 --min-auroc 0.95 \
        --min-sensitivity 0.9 --min-specificity 0.75 --max-calibration-error 0.1 --min-subgroup-sensitivity 0.7 \
        --guaranteed-npv 0.95 --guaranteed-ppv 0.95 --target-prevalence 0 --serving-package none \
        --serving-comparison gate

Reads the table of kept predictions, the model as it serves in `processing/input/model`, its own evaluation.json in
`processing/input/evaluation`, its training's output.tar.gz in `processing/input/training`, the card and fingerprints of
its dataset in `processing/input/report` and, where a model is serving, its archive in `processing/input/serving`.
Writes what `model_code.calibrate` does; card and fingerprints go on as they are, because predictions keep nothing by
which an image could be known again. Labels count by when they were given, in days of UTC, and only those of answers of
this version. What is printed are numbers: no label, no prediction's id and none of its values.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import numpy.typing as npt
from botocore.config import Config

from model_code.contract import job
from model_code.contract.documents import CalibratedFrom
from model_code.contract.site_parameters import LABEL_CALIBRATION
from model_code.data.dataset_card import read_card
from model_code.evaluation import evaluator, recalibration, served_archive, site
from model_code.evaluation.recalibration import FITTED, HELD_OUT
from model_code.evaluation.scoring import ExportedModel
from model_code.monitoring import labelled_evaluation, reader_labels
from model_code.monitoring.calibration_gain import FEWEST, first_half, missing, missing_phrase
from model_code.monitoring.reader_labels import Labels
from model_code.reports import evaluation_files
from model_code.reports.gallery import Gallery
from model_code.statistics.calibration import Calibration
from model_code.statistics.metrics import Array

_KNOWN = "the half of the readers' labels that calibrated it, each radiograph counted as a patient"
_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=30)


@dataclasses.dataclass(frozen=True)
class Settings(recalibration.Settings):
    """The step's parameters, besides those of every calibration; of the version whose answers were labelled.

    Attributes:
        table: table of kept predictions.
        since: first day of the labels.
        until: last one.
    """

    table: str
    since: dt.date
    until: dt.date


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, too few labels, or a model that no calibration mends.
    """
    settings = parse(arguments)
    report = job.processing_input("report")
    card = read_card(report)
    own = site.own_evaluation(job.only_file(job.processing_input("evaluation"), "*.json"))
    with tempfile.TemporaryDirectory() as directory:
        model = ExportedModel(job.only_file(job.processing_input("model"), "*.tar.gz"), Path(directory, "model"))
        _check(settings, model, own)
        found = _read(settings, model)
        scores, old = found.scores(model.calibration), model.metadata
        _refuse_few(found, scores.labels)
        fits = first_half(scores.labels, scores.probabilities)
        usual, held_out = scores.where(fits), scores.where(~fits)
        # Refused images are not kept, so no share of them is too large.
        recalibration.refuse_beyond_calibration(usual, old, settings.site_limits(1.0))
        changed = recalibration.fitted(usual, settings, old, _KNOWN)
        origin = _origin(settings, model, found, fits)
        model.recalibrate({**changed, "calibrated_from": origin})
        result = labelled_evaluation.evaluate(settings.against, model, held_out, own)
        recalibration.complete(result.evaluation, origin, held_out, old)
        model.write_recalibrated(job.processing_output("served") / served_archive.FILE)
        served_archive.keep_training_output()
    usual = dataclasses.replace(usual, probabilities=Calibration.of(model.metadata).probability(usual.logits))
    evaluation_files.write(
        job.processing_output("evaluation"),
        result,
        model.metadata,
        card,
        usual=usual,
        gallery=Gallery(samples={}, cases={}, averages=[], legend=""),
    )
    for path in report.iterdir():
        shutil.copyfile(path, job.processing_output("report") / path.name)
    evaluator.print_figures(result.evaluation)


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range.
    """
    parser = job.ArgumentParser(prog="model_code.calibrate_labels")
    for flag in ("--table", "--since", "--until"):
        parser.add_argument(flag, required=True)
    Settings.add_flags(parser)
    evaluator.Settings.add_flags(parser)
    given: dict[str, Any] = vars(parser.parse_args(arguments))
    job.check(given, LABEL_CALIBRATION)
    try:
        given |= {name: dt.date.fromisoformat(given[name]) for name in ("since", "until")}
    except ValueError as error:
        raise job.JobError(f"A period is two days such as 2026-11-30: {error}.") from error
    if given["since"] > given["until"]:
        raise job.JobError(f"The period ends on {given['until']}, before it begins on {given['since']}.")
    return Settings.of(given, evaluator.Settings.of(given))


def _check(settings: Settings, model: ExportedModel, own: dict[str, Any]) -> None:
    if model.image_size != settings.image_size:
        raise job.JobError(f"The model takes {model.image_size} px: start with ImageSize {model.image_size}.")
    calibration = model.calibration
    said = own["calibration"]
    if model.dataset != own["dataset_sha256"] or (said["temperature"], said.get("bias", 0.0)) != (
        calibration.temperature,
        calibration.bias,
    ):
        raise job.JobError("ModelUri and EvaluationUri are of two versions.")


def _read(settings: Settings, model: ExportedModel) -> Labels:
    """The labels of the period, and their number in the log."""
    begin, end = (
        int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
        for day in (settings.since, settings.until + dt.timedelta(days=1))
    )
    dynamodb = boto3.client("dynamodb", config=_RETRIES)
    found = reader_labels.read(
        dynamodb,
        settings.table,
        settings.model_package_arn,
        model.served_sha256,
        since=begin,
        end=end,
        now=int(time.time()),
    )
    print(
        f"{found.given} labels were given from {settings.since} to {settings.until}, of which {len(found.readings)} "
        f"can be used. {found.left_out_sentence()}",
        flush=True,
    )
    return found


def _refuse_few(found: Labels, labels: Array) -> None:
    lacking = missing(labels)
    if not any(lacking.values()):
        return
    there = " and ".join(f"{count} {label}" for label, count in reader_labels.counts(found.readings)["labels"].items())
    raise job.JobError(
        f"Nothing was registered. Of {found.given} readers' labels {there} can be used, and {2 * FEWEST} of each are "
        f"the least: {missing_phrase(lacking)} are needed. {found.left_out_sentence()}"
    )


def _origin(settings: Settings, model: ExportedModel, found: Labels, fits: npt.NDArray[np.bool_]) -> CalibratedFrom:
    pairs = list(zip(found.readings, fits, strict=True))
    halves = {FITTED: [answer for answer, fit in pairs if fit], HELD_OUT: [answer for answer, fit in pairs if not fit]}
    return settings.origin(
        model,
        archive_uri=None,
        dataset_sha256=reader_labels.content_sha256(halves),
        halves={name: reader_labels.counts(half) for name, half in halves.items()},
        labels=found.document(settings.since.isoformat(), settings.until.isoformat()),
    )


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
