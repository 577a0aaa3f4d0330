"""CalibrateModel: fits temperature, bias, threshold and indeterminate band to a site; the model's weights stay.

    python -m model_code.calibrate --archive-uri s3://bucket/evaluations/<64 hex>/archive.zip --image-size 220 \
        --model-package-arn arn:aws:sagemaker:...:model-package/cxr-dev/3 --min-auroc 0.95 --min-sensitivity 0.9 \
        --min-specificity 0.75 --max-calibration-error 0.1 --min-subgroup-sensitivity 0.7 --max-refused-share 0.1 \
        --guaranteed-npv 0.95 --guaranteed-ppv 0.95 --target-prevalence 0 --serving-package none \
        --serving-comparison gate

Reads the shards and manifests in `processing/input/decoded`, the model as it serves in `processing/input/model`, its
training's output.tar.gz in `processing/input/training`, the card and fingerprints of its dataset in
`processing/input/report` and, where a model is serving, its archive in `processing/input/serving`. Writes what
EvaluateModel does, about the half of the site's patients that is held out, to `processing/output/evaluation`; the new
served.tar.gz, and output.tar.gz as it was, to `processing/output/served`; the dataset card as it was, and fingerprints
with those of the site's images added, to `processing/output/report`. What no calibration mends is refused before the
half that is held out is looked at. A version that fails its gates is a result, as in EvaluateModel.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_code.contract import job
from model_code.contract.documents import CalibratedFrom
from model_code.contract.site_parameters import CALIBRATION
from model_code.data import manifest, site_images, training_images
from model_code.data.dataset_card import content_sha256, counts, read_card
from model_code.data.patient_split import Radiograph
from model_code.evaluation import evaluator, recalibration, served_archive
from model_code.evaluation.evaluator import Evaluator
from model_code.evaluation.recalibration import FITTED, HELD_OUT
from model_code.evaluation.scores import TestScores
from model_code.evaluation.scoring import ExportedModel
from model_code.reports import evaluation_files, saliency_pictures


@dataclasses.dataclass(frozen=True)
class Settings(recalibration.Settings):
    """The step's parameters, besides those of every calibration.

    Attributes:
        max_refused_share: share of the site's radiographs that the detector may refuse.
    """

    archive_uri: str
    max_refused_share: float


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, an archive of images that the model has seen or of too
            few patients, a model that takes images of another size, or one that no calibration mends here.
    """
    settings = parse(arguments)
    report = job.processing_input("report")
    card = read_card(report)
    decoded = manifest.read(job.processing_input("decoded"), settings.archive_uri, settings.image_size)
    usable = _usable(settings, decoded, report)
    halves = recalibration.split_halves(usable.images)
    with tempfile.TemporaryDirectory() as directory:
        model = ExportedModel(job.only_file(job.processing_input("model"), "*.tar.gz"), Path(directory, "model"))
        _check_size(settings, model)
        shards = {name: site_images.write_shards(Path(directory, name), half, decoded) for name, half in halves.items()}
        usual = model.score(shards[FITTED], settings.image_size)
        recalibration.refuse_beyond_calibration(usual, model.metadata, settings.site_limits(settings.max_refused_share))
        old = model.metadata
        found = _fitted(settings, usual, old)
        origin = _origin(settings, model, halves)
        model.recalibrate({**found, "calibrated_from": origin})
        result = Evaluator(
            settings.against,
            model,
            shards[HELD_OUT],
            settings.image_size,
            Path(directory),
            basis=lambda scores: recalibration.answered(scores, HELD_OUT),
        ).evaluate()
        usual = dataclasses.replace(usual, probabilities=model.calibration.probability(usual.logits))
        recalibration.complete(result.evaluation, origin, result.scores, old)
        model.write_recalibrated(job.processing_output("served") / served_archive.FILE)
        served_archive.keep_training_output()
    evaluation_files.write(
        job.processing_output("evaluation"),
        result,
        model.metadata,
        card,
        usual=usual,
        gallery=saliency_pictures.without_images(result.attention),
    )
    output = job.processing_output("report")
    shutil.copyfile(report / "dataset.json", output / "dataset.json")
    training_images.extend(report, output, usable.images, decoded.fingerprints)
    evaluator.print_figures(result.evaluation)
    print(result.evaluation["calibrated_from"]["sentence"], flush=True)


def _usable(settings: Settings, decoded: manifest.Decoded, report: Path) -> site_images.SiteImages:
    """The site's images that the model has not seen, each radiograph once."""
    usable = site_images.usable(decoded, report)
    if usable.overlap is None:
        raise job.JobError(
            f"The dataset of version {settings.version} left no fingerprints, so whether it has seen these images is "
            "not known, and what is fitted on images that it has seen is wrong elsewhere: train it again."
        )
    return usable


def _check_size(settings: Settings, model: ExportedModel) -> None:
    if model.image_size != settings.image_size:
        raise job.JobError(
            f"The images were decoded to {settings.image_size} px and the model takes {model.image_size} px: start "
            f"with ImageSize {model.image_size}."
        )


def _fitted(settings: Settings, scores: TestScores, old: dict[str, Any]) -> Mapping[str, Any]:
    """Fit the members of metadata.json on the fitting half's answered images, and print them beside the old ones."""
    known = scores.where(recalibration.answered(scores, FITTED))
    found = recalibration.fitted(known, settings, old)
    print(
        f"Version {settings.version} on {len(known.labels)} radiographs of the site: temperature "
        f"{old['temperature']:.3f} to {found['temperature']:.3f}, bias {old['bias']:+.3f} to {found['bias']:+.3f}, "
        f"threshold {old['threshold']:.3f} to {found['threshold']:.3f}",
        flush=True,
    )
    print(found["guarantee"]["sentence"], flush=True)
    return found


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range, or an archive that was uploaded to train on.
    """
    parser = job.ArgumentParser(prog="model_code.calibrate")
    parser.add_argument("--archive-uri", required=True)
    parser.add_argument("--max-refused-share", type=float, required=True)
    Settings.add_flags(parser)
    evaluator.Settings.add_flags(parser)
    given = vars(parser.parse_args(arguments))
    job.check(given, CALIBRATION)
    if manifest.check_parameters(given["archive_uri"], given["image_size"]) != "evaluate":
        raise job.JobError(f"The archive {given['archive_uri']} was uploaded to train on, not to calibrate a model.")
    return Settings.of(given, evaluator.Settings.of(given))


def _origin(settings: Settings, model: ExportedModel, halves: dict[str, list[Radiograph]]) -> CalibratedFrom:
    return settings.origin(
        model,
        archive_uri=settings.archive_uri,
        dataset_sha256=content_sha256(halves),
        halves={name: counts(half) for name, half in halves.items()},
    )


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
