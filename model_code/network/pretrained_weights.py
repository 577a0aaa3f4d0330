"""Pretrained weights of a backbone: ImageNet's, or a weights file."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model_code.contract import job
from model_code.contract.job import JobError
from model_code.network.backbones import Backbone

CHANNEL = "weights"
_DOWNLOAD_TIMEOUT_SECONDS = 60.0


def pretrained_backbone(backbone: Backbone, size: int, source: str) -> Any:
    """The backbone with weights from elsewhere.

    `imagenet` is what Keras publishes and checks: downloaded by it, or taken from the training channel `weights` where
    that channel holds a `*.h5`, as a job without a way to the internet needs it. It must be the only one, and the very
    file: the checksum that Keras checks is checked.

    Args:
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
            yield download(location, Path(directory), "backbone weights", boto3.client("s3"))
    elif Path(location).is_file():
        yield Path(location)
    else:
        raise JobError(f"BackboneWeights must be imagenet, none, an s3:// URI or an existing file, not {location!r}.")


def download(uri: str, directory: Path, what: str, s3: Any) -> Path:
    """A file of S3 in a directory.

    Args:
        uri: s3:// URI of the object.
        directory: folder for the file, which keeps the object's name.
        what: name of the file's content, for the error.

    Raises:
        JobError: when it cannot be had.
    """
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
