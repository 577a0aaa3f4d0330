"""Where weights to begin from come from: ImageNet's, a file, or an approved model package of this project."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import keras
import numpy as np
import tensorflow as tf

from model_code.contract import job
from model_code.contract.job import JobError
from model_code.network.backbones import Backbone

if TYPE_CHECKING:
    from model_code.network.classifier import Options

CHANNEL = "weights"
_DOWNLOAD_TIMEOUT_SECONDS = 60.0
_PACKAGE_ARN = re.compile(r"arn:[\w-]+:sagemaker:(?P<region>[\w-]+):\d{12}:model-package/.+")


@dataclasses.dataclass(frozen=True)
class Package:
    """A trained model of this project.

    Attributes:
        arrays: all weights, float32, in the order of `Classifier.network.get_weights()`.
        metadata: its metadata.json.
    """

    arrays: list[Any]
    metadata: dict[str, Any]


def pretrained_backbone(backbone: Backbone, size: int, source: str) -> Any:
    """The backbone with weights from elsewhere.

    `imagenet` is what Keras publishes and checks: downloaded by it, or taken from the training channel `weights` where
    that channel holds a `*.h5`, as a job without a way to the internet needs it. It must be the only one, and the very
    file: the checksum that Keras checks is checked.

    Args:
        backbone: which network.
        size: edge of the images in pixels.
        source: `imagenet`, an s3:// URI or a local path of a weights file without top; URI and path may end in
            `#sha256=<hex>`, which is then checked.

    Raises:
        JobError: when the weights cannot be had, are other ones or do not fit.
    """
    if source == "imagenet" and not _channel_has_weights():
        return _downloaded_by_keras(backbone, size)
    model = backbone.build(size)
    if source == "imagenet":
        path = job.only_file(job.channel(CHANNEL), "*.h5")
        if backbone.md5 is None:
            print(f"{path.name} is used unchecked: Keras publishes no checksum for {backbone.name}.", flush=True)
        else:
            _check(path, "md5", backbone.md5, f"The weights file {path.name} of the training channel {CHANNEL!r}")
        _load(model, path, path.name, backbone)
        return model
    location, mark, sha256 = source.partition("#sha256=")
    if mark and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise JobError(f"BackboneWeights must have 64 hexadecimal digits after #sha256=, not {sha256!r}.")
    with _file(location) as path:
        if mark:
            _check(path, "sha256", sha256.lower(), f"The weights file {location}")
        _load(model, path, location, backbone)
    return model


def warm_start(source: str, options: Options, *, sagemaker: Any = None, s3: Any = None) -> list[Any]:
    """Weights for `model.build(options, initial=...)` from a model that was trained before.

    Args:
        source: see `load_package`.
        options: of the classifier to build.
        sagemaker: boto3 client; made when absent and needed.
        s3: boto3 client; made when absent and needed.

    Raises:
        JobError: as `load_package`, and when backbone or image size are others.
    """
    with tempfile.TemporaryDirectory() as directory:
        package = load_package(source, Path(directory), sagemaker=sagemaker, s3=s3)
    trained = package.metadata.get("backbone"), package.metadata.get("image_size")
    if trained != (options.backbone, options.size):
        raise JobError(
            f"WarmStartFrom {source} is a {trained[0]} at {trained[1]} px; Backbone {options.backbone} at ImageSize "
            f"{options.size} cannot start from it."
        )
    return package.arrays


def load_package(source: str, directory: Path, *, sagemaker: Any = None, s3: Any = None) -> Package:
    """Read the weights and metadata of a trained model.

    Args:
        source: ARN of an approved model package, or a model directory (what is at the root of a model.tar.gz).
        directory: where to download and unpack.
        sagemaker: boto3 client; made when absent and needed.
        s3: boto3 client; made when absent and needed.

    Raises:
        JobError: when the package is not approved, cannot be had or is not a model of this project.
    """
    if Path(source).is_dir():
        return _read(Path(source), source)
    arn = _PACKAGE_ARN.fullmatch(source)
    if not arn:
        raise JobError(
            f"WarmStartFrom must be none, the ARN of an approved model package or a model directory, not {source!r}."
        )
    import boto3  # noqa: PLC0415 - only this way of getting weights needs it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    region = arn["region"]
    try:
        described = (sagemaker or boto3.client("sagemaker", region_name=region)).describe_model_package(
            ModelPackageName=source
        )
    except (BotoCoreError, ClientError) as error:
        raise JobError(f"The model package {source} could not be described: {error}.") from error
    status = described.get("ModelApprovalStatus", "without approval status")
    if status != "Approved":
        raise JobError(f"WarmStartFrom needs an approved model package; {source} is {status}.")
    location = described["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    client = s3 or boto3.client("s3", region_name=region)
    unpacked = directory / "unpacked"
    _unpack(_download(location, directory, "model", client), unpacked, source)
    if _has_engine(unpacked):
        # Its weights are rounded. The training job's other output has them as they were trained.
        beside = f"{location.rpartition('/')[0]}/output.tar.gz"
        _unpack(_download(beside, directory, "training output", client), unpacked, source)
    return _read(unpacked, source)


def _unpack(archive: Path, directory: Path, source: str) -> None:
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(directory, filter="data")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise JobError(f"The model archive of {source} cannot be unpacked: {error}.") from error


def _has_engine(directory: Path) -> bool:
    return (directory / "engine").is_dir()


def _read(directory: Path, source: str) -> Package:
    """From metadata.json and the SavedModel's variables, which `export.Scorer` lists as `tracked`.

    Of a model with an engine of its own, from the training's model.keras beside them.
    """
    try:
        metadata = json.loads((directory / "metadata.json").read_text(encoding="utf-8"))
        if _has_engine(directory):
            network = keras.models.load_model(directory / "model.keras", compile=False)
            return Package(network.get_weights(), dict(metadata))
        reader = tf.train.load_checkpoint(str(directory / "1" / "variables" / "variables"))
        arrays: list[Any] = []
        while reader.has_tensor(key := f"tracked/{len(arrays)}/.ATTRIBUTES/VARIABLE_VALUE"):
            arrays.append(reader.get_tensor(key))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise JobError(f"{source} is not a model of this project: {error}.") from error
    # Integers are the states of random layers, which `get_weights` does not count among the weights.
    return Package([array for array in arrays if np.issubdtype(array.dtype, np.floating)], dict(metadata))


def _channel_has_weights() -> bool:
    return job.has_channel(CHANNEL) and any(job.channel(CHANNEL).glob("*.h5"))


def _downloaded_by_keras(backbone: Backbone, size: int) -> Any:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_SECONDS)
    try:
        return backbone.build(size, "imagenet")
    except Exception as error:
        raise JobError(
            f"The ImageNet weights could not be downloaded ({error}); put {backbone.weights_file} into a bucket and "
            f"set BackboneWeights to its s3:// URI, give the job a channel {CHANNEL!r} with it, or set BackboneWeights "
            "to none to train from scratch."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


@contextlib.contextmanager
def _file(location: str) -> Iterator[Path]:
    if location.startswith("s3://"):
        import boto3  # noqa: PLC0415 - only this way of getting weights needs it

        with tempfile.TemporaryDirectory() as directory:
            yield _download(location, Path(directory), "backbone weights", boto3.client("s3"))
    elif Path(location).is_file():
        yield Path(location)
    else:
        raise JobError(f"BackboneWeights must be imagenet, none, an s3:// URI or an existing file, not {location!r}.")


def _download(uri: str, directory: Path, what: str, s3: Any) -> Path:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    address = urlsplit(uri, allow_fragments=False)
    target = directory / (Path(address.path).name or "download")
    try:
        s3.download_file(address.netloc, address.path.lstrip("/"), str(target))
    except (BotoCoreError, ClientError, ValueError) as error:
        raise JobError(f"The {what} {uri} could not be downloaded: {error}.") from error
    return target


def _check(path: Path, algorithm: str, expected: str, subject: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        raise JobError(f"{subject} has the {algorithm} checksum {found} and not {expected}: it is another file.")


def _load(model: Any, path: Path, source: str, backbone: Backbone) -> None:
    try:
        model.load_weights(str(path))
    except Exception as error:
        raise JobError(
            f"The backbone weights {source} do not fit {backbone.name} without top "
            f"(expected a file like {backbone.weights_file}): {error}"
        ) from error
