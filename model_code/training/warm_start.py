"""Warm start: the weights of an approved model package of this project, or of a model directory."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from model_code.contract.job import JobError
from model_code.export.unpacking import UnpackError, unpack
from model_code.network.classifier import Options
from model_code.network.pretrained_weights import download

_PACKAGE_ARN = re.compile(r"arn:[\w-]+:sagemaker:(?P<region>[\w-]+):\d{12}:model-package/.+")


@dataclasses.dataclass(frozen=True)
class Package:
    """A trained model of this project.

    Attributes:
        arrays: all weights, float32, in the order of `Classifier.network.get_weights()`.
    """

    arrays: list[Any]
    metadata: dict[str, Any]


def warm_start(source: str, options: Options, *, sagemaker: Any = None, s3: Any = None) -> list[Any]:
    """Weights for `classifier.build(options, initial=...)` from a model that was trained before.

    Raises:
        JobError: as `load_package`, and when backbone or image size are others.
    """
    with tempfile.TemporaryDirectory() as directory:
        package = load_package(source, Path(directory), sagemaker=sagemaker, s3=s3)
    trained = package.metadata.get("backbone"), package.metadata.get("image_size")
    if trained != (options.backbone, options.image_size):
        raise JobError(
            f"WarmStartFrom {source} is a {trained[0]} at {trained[1]} px; Backbone {options.backbone} at ImageSize "
            f"{options.image_size} cannot start from it."
        )
    return package.arrays


def load_package(source: str, directory: Path, *, sagemaker: Any = None, s3: Any = None) -> Package:
    """Read the weights and metadata of a trained model.

    Args:
        source: ARN of an approved model package, or a model directory (what is at the root of a model.tar.gz).
        directory: folder to download and unpack into.
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
    _unpack(download(location, directory, "model", client), unpacked, source)
    if _has_engine(unpacked):
        # Its weights are rounded. The training job's other output has them as they were trained.
        beside = f"{location.rpartition('/')[0]}/output.tar.gz"
        _unpack(download(beside, directory, "training output", client), unpacked, source)
    return _read(unpacked, source)


def _unpack(archive: Path, directory: Path, source: str) -> None:
    try:
        unpack(archive, directory)
    except UnpackError as error:
        raise JobError(f"The model archive of {source} cannot be unpacked: {error}.") from error


def _has_engine(directory: Path) -> bool:
    return (directory / "engine").is_dir()


def _read(directory: Path, source: str) -> Package:
    """Package from metadata.json and the SavedModel's variables, which `saved_model.Scorer` lists as `tracked`.

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
