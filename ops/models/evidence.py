"""Files of a registered model: the artifact that serves, evaluation, report, reference."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ops.base.errors import CommandError, error_code
from ops.pipelines import reports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

MODEL = "model.tar.gz"
# The names here are keys below the folder of a promoted model. The API's function may read the evaluation of any folder
# below executions/ under this one, and a warm start looks for the training's output beside the model.
TRAINING_OUTPUT = "output.tar.gz"
EVALUATION = "evaluation/evaluation.json"
REPORT = "evaluation/report.html"
MODEL_CARD = "evaluation/model_card.json"
REFERENCE = "evaluation/reference.json"
DATASET_REPORT = "report/dataset.json"
TRAINING_IMAGES = "report/training_images.jsonl.gz"

# What a model is served, approved and looked at with. The rest came later, or only some ways of working need it.
_REQUIRED = frozenset({MODEL, EVALUATION, REPORT})
_CHUNK = 1024 * 1024
_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


@dataclasses.dataclass(frozen=True)
class File:
    """One fetched file.

    Attributes:
        name: one of this module's names.
        path: path on this machine.
        sha256: SHA-256 of its content, 64 hex digits.
    """

    name: str
    path: Path
    sha256: str


def locations(package: Mapping[str, Any]) -> dict[str, str]:
    """S3 URIs of everything a described model package points to, or has beside that, by this module's names.

    Raises:
        CommandError: the package names no artifact or no evaluation.
    """
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    model = containers[0].get("ModelDataUrl", "") if containers else ""
    statistics = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {}).get("S3Uri", "")
    version = package["ModelPackageArn"].rpartition("/")[2]
    if not model:
        raise CommandError(f"Version {version} names no artifact: there is nothing to copy.")
    if not statistics:
        raise CommandError(
            f"Version {version} was registered without an evaluation: there is nothing to approve it by."
        )
    own = package.get("CustomerMetadataProperties", {})
    folder = statistics.rpartition("/")[0]
    found = {
        MODEL: model,
        TRAINING_OUTPUT: f"{model.rpartition('/')[0]}/output.tar.gz",
        EVALUATION: statistics,
        REPORT: reports.beside(statistics),
        MODEL_CARD: f"{folder}/model_card.json",
        REFERENCE: reference(package) or f"{folder}/reference.json",
        DATASET_REPORT: (card := own.get("DatasetReportUri", "")),
        TRAINING_IMAGES: f"{card.rpartition('/')[0]}/training_images.jsonl.gz" if card else "",
    }
    return {name: uri for name, uri in found.items() if uri}


def reference(package: Mapping[str, Any]) -> str:
    """S3 URI of the package's reference for monitoring; empty where it was registered without one."""
    baselines = package.get("DriftCheckBaselines", {}).get("ModelDataQuality", {})
    return str(baselines.get("Statistics", {}).get("S3Uri", ""))


def fetch(s3: S3Client, uris: Mapping[str, str], directory: Path) -> dict[str, File]:
    """Download what is there, by name.

    Raises:
        CommandError: a file is missing without which no model is promoted.
    """
    found: dict[str, File] = {}
    for name, uri in uris.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                digest = _read(s3, uri, file)
        except Exception as error:
            if error_code(error) not in _ABSENT:
                raise
            if name in _REQUIRED:
                raise CommandError(f"{uri} is not there any more: without it nothing is promoted.") from error
            continue
        found[name] = File(name, path, digest)
    return found


def dataset_sha256(evaluation: File) -> str:
    """The hash of the dataset that an evaluation is about; raises CommandError for what is no evaluation."""
    try:
        return str(json.loads(evaluation.path.read_bytes())["dataset_sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            "The version's evaluation.json names no dataset: it is not one of this pipeline's."
        ) from error


def content_sha256(s3: S3Client, uri: str) -> str:
    """The SHA-256 of an object as it is read back, 64 hex digits."""
    return _read(s3, uri, None)


def _read(s3: S3Client, uri: str, into: Any) -> str:
    parts = urlsplit(uri)
    body = s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"]
    digest = hashlib.sha256()
    for chunk in body.iter_chunks(_CHUNK):
        digest.update(chunk)
        if into is not None:
            into.write(chunk)
    return digest.hexdigest()
