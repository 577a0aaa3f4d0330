"""EvaluateSite: a registered model scores another site's radiographs, without training; figures, verdict and report.

    python -m model_code.evaluate_site --archive-uri s3://bucket/evaluations/<64 hex>/archive.zip --image-size 220 \
        --model-version 3 --execution abc --min-auroc 0.95 --min-sensitivity 0.9 --min-specificity 0.75 \
        --max-calibration-error 0.1 --max-refused-share 0.1

Reads the shards and manifests in `processing/input/decoded`, the model as it serves in `processing/input/model`, its
own evaluation.json in `processing/input/evaluation` and, where there are any, the fingerprints of the images that it
was trained on in `processing/input/report`; writes site_evaluation.json, report.html and site_predictions.csv to
`processing/output/site`. Every image of the archive counts, whatever split its folders say. What the model has seen is
left out, and an archive of such images is refused. A bad verdict is a result, not an error.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_code.contract import documents, job
from model_code.contract.labels import LABELS
from model_code.contract.site_parameters import SITE, SITE_GATES, SITE_REFUSALS
from model_code.data import manifest, site_images
from model_code.data.manifest import Decoded
from model_code.data.patient_split import MINIMUM_PER_LABEL, Radiograph
from model_code.data.site_images import SiteImages
from model_code.evaluation import site
from model_code.evaluation.scores import TestScores
from model_code.evaluation.scoring import ExportedModel
from model_code.reports import evaluation_files, site_report

FILE = "site_evaluation.json"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters.

    Attributes:
        image_size: edge of the decoded images in pixels.
        limits: by the names of `contract.parameters.SITE_GATES` and `SITE_REFUSALS`.
    """

    archive_uri: str
    image_size: int
    model_version: int
    execution: str
    limits: dict[str, float]


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, an archive of images that the model has seen or of too
            few of a label, or a model that takes images of another size.
    """
    settings = parse(arguments)
    decoded = manifest.read(job.processing_input("decoded"), settings.archive_uri, settings.image_size)
    usable = site_images.usable(decoded, job.processing_input("report"))
    images = usable.images
    _refuse_few(images)
    own = site.own_evaluation(job.only_file(job.processing_input("evaluation"), "*.json"))
    with tempfile.TemporaryDirectory() as directory:
        model = ExportedModel(job.only_file(job.processing_input("model"), "*.tar.gz"), Path(directory, "model"))
        _check_model(model, own, settings)
        shards = site_images.write_shards(Path(directory, "site"), images, decoded)
        print(f"{len(images)} radiographs are scored by version {settings.model_version}", flush=True)
        scores = model.score(shards, settings.image_size)
    document = _document(settings, decoded, usable, site.assess(scores, model.metadata, own, settings.limits))
    _write(document, scores, model.metadata)
    print(document["verdict"]["sentence"], flush=True)
    job.leave_message(document["verdict"]["sentence"])


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range, or an archive that was uploaded to train on.
    """
    parser = job.ArgumentParser(prog="model_code.evaluate_site")
    parser.add_argument("--archive-uri", required=True)
    for flag in ("--image-size", "--model-version"):
        parser.add_argument(flag, type=int, required=True)
    parser.add_argument("--execution", required=True)
    limits = {name: SITE[name] for name in (*SITE_GATES, SITE_REFUSALS)}
    for limit in limits.values():
        parser.add_argument(f"--{limit.flag}", type=float, required=True)
    given = vars(parser.parse_args(arguments))
    job.check(given, SITE)
    if manifest.check_parameters(given["archive_uri"], given["image_size"]) != "evaluate":
        raise job.JobError(f"The archive {given['archive_uri']} was uploaded to train on, not to evaluate a model.")
    found = {name: given.pop(limit.field) for name, limit in limits.items()}
    return Settings(**given, limits=found)


def _refuse_few(images: list[Radiograph]) -> None:
    """No figure can be given for a label of which there is next to nothing.

    Raises:
        JobError: naming the labels and how many images each has.
    """
    least = MINIMUM_PER_LABEL["test"]
    counts = {label: sum(image.label == label for image in images) for label in LABELS}
    if few := {label: count for label, count in counts.items() if count < least}:
        named = " and ".join(f"{count} {label}" for label, count in few.items())
        raise job.JobError(
            f"The archive has {named} images that can be used: with fewer than {least} of a label, nothing can be said."
        )


def _check_model(model: ExportedModel, own: dict[str, Any], settings: Settings) -> None:
    if model.image_size != settings.image_size:
        raise job.JobError(
            f"The images were decoded to {settings.image_size} px and the model takes {model.image_size} px, so its "
            f"answers would not be those of the API: start with ImageSize {model.image_size}."
        )
    if model.dataset != own["dataset_sha256"]:
        raise job.JobError(
            f"The model was trained on dataset {model.dataset[:12]} and the evaluation is about "
            f"{own['dataset_sha256'][:12]}: ModelUri and EvaluationUri are of two versions."
        )


def _document(
    settings: Settings, decoded: Decoded, usable: SiteImages, assessed: site.Assessed
) -> documents.SiteEvaluation:
    known = None
    if usable.overlap is not None:
        known = {
            "contents": len(usable.overlap.contents),
            "copies": len(usable.overlap.copies),
            "patients": len(usable.overlap.patients),
        }
    return {
        "schema": documents.SITE_EVALUATION,
        "model_version": settings.model_version,
        "dataset_sha256": assessed.evaluation["dataset_sha256"],
        "threshold": assessed.evaluation["threshold"],
        "archive_uri": settings.archive_uri,
        "execution": settings.execution,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": assessed.verdict,
        "judgements": [judgement.as_json() for judgement in assessed.judgements],
        "doubts": list(site.doubts(assessed)),
        "images": {
            "archive": decoded.header.candidates,
            "scored": assessed.scored,
            "answered": assessed.answered,
            "measured": assessed.evaluation["test"]["images"],
            "patients": assessed.evaluation["test"]["patients"],
            "of_unnamed_patients": assessed.of_unnamed_patients,
            "outside_population": assessed.outside_population,
        },
        "known": known,
        "dropped": usable.dropped,
        "refused_share": assessed.refused_share,
        "evaluation": assessed.evaluation,
        "own": assessed.own,
        "differences": assessed.differences,
    }


def _write(document: documents.SiteEvaluation, scores: TestScores, metadata: dict[str, Any]) -> None:
    output = job.processing_output("site")
    (output / FILE).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    evaluation_files.write_scores(output, "site", scores, metadata)
    (output / "report.html").write_text(site_report.render(document, scores), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
