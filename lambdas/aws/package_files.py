"""Files of a registered model: where a described model package says they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from lambdas.aws.errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MODEL = "model.tar.gz"
# The names here are keys below the folder of a promoted model. The API's function may read the evaluation of any folder
# below executions/ under this one, and a warm start looks for the training's output beside the model.
TRAINING_OUTPUT = "output.tar.gz"
EVALUATION = "evaluation/evaluation.json"
REPORT = "evaluation/report.html"
MODEL_CARD = "evaluation/model_card.json"
REFERENCE = "evaluation/reference.json"
# Of a promoted model.
BILL_OF_MATERIALS = "evaluation/bom.cdx.json"
DATASET_REPORT = "report/dataset.json"
TRAINING_IMAGES = "report/training_images.jsonl.gz"
# The signed statement of the environment that a model was promoted from.
SOURCE_SIGNATURE = "signature/promoted_from.dsse.json"
ALL = (
    *(MODEL, TRAINING_OUTPUT, EVALUATION, REPORT, MODEL_CARD, REFERENCE, BILL_OF_MATERIALS),
    *(DATASET_REPORT, TRAINING_IMAGES, SOURCE_SIGNATURE),
)

_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
_CHUNK = 1024 * 1024


class Sink(Protocol):
    """Something that takes what is read, piece by piece."""

    def write(self, data: bytes, /) -> Any:
        """Take the next bytes."""


def locations(package: Mapping[str, Any]) -> dict[str, str]:
    """S3 URIs of everything a described model package points to, or has beside that, by this module's names."""
    model = container(package).get("ModelDataUrl", "")
    statistics = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {}).get("S3Uri", "")
    baseline = package.get("DriftCheckBaselines", {}).get("ModelDataQuality", {}).get("Statistics", {}).get("S3Uri", "")
    card = package.get("CustomerMetadataProperties", {}).get("DatasetReportUri", "")
    found = {
        MODEL: model,
        TRAINING_OUTPUT: _sibling(model, "output.tar.gz"),
        EVALUATION: statistics,
        REPORT: _sibling(statistics, "report.html"),
        MODEL_CARD: _sibling(statistics, "model_card.json"),
        REFERENCE: baseline or _sibling(statistics, "reference.json"),
        BILL_OF_MATERIALS: _sibling(statistics, "bom.cdx.json"),
        DATASET_REPORT: card,
        TRAINING_IMAGES: _sibling(card, "training_images.jsonl.gz"),
        SOURCE_SIGNATURE: _sibling(model, SOURCE_SIGNATURE),
    }
    return {name: uri for name, uri in found.items() if uri}


def container(package: Mapping[str, Any]) -> dict[str, Any]:
    """The container that a described model package is served with; empty where it names none."""
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    return dict(containers[0]) if containers else {}


def is_missing(error: BaseException) -> bool:
    """Whether S3's answer means that there is no such object."""
    return error_code(error) in _ABSENT


def open_object(s3: S3Client, uri: str) -> IO[bytes]:
    """The content of an object, as a stream.

    Raises:
        botocore.exceptions.ClientError: S3 refuses, or has none (`is_missing`).
    """
    parts = urlsplit(uri)
    body: Any = s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"]
    stream: IO[bytes] = body
    return stream


def sha256(stream: IO[bytes], into: Sink | None = None) -> str:
    """SHA-256 of all that a stream holds, 64 hex digits; what is read goes to `into` too."""
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        if into is not None:
            into.write(chunk)
    return digest.hexdigest()


def _sibling(uri: str, name: str) -> str:
    return f"{uri.rpartition('/')[0]}/{name}" if uri else ""
