"""Moves a job's data between S3 and its directory, as the job's role, with the errors SageMaker reports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from local.core.machine_errors import words

# The emulator is on this machine: more threads would only contend with the jobs for its cores.
_CONFIG = TransferConfig(use_threads=False)
_CHUNK = 1024 * 1024


class TransferError(Exception):
    """Data that could not be moved; the message is worded as a job's FailureReason."""


def split(uri: str) -> tuple[str, str]:
    """Bucket and key, or prefix, of an `s3://` URI.

    Raises:
        TransferError: it is no such URI.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise TransferError(f"ClientError: '{uri}' is not an S3 URI of the form s3://bucket/key.")
    return bucket, key


def download(
    s3: Any,
    uri: str,
    directory: Path,
    *,
    copies: Sequence[Path] = (),
    shard: tuple[int, int] = (0, 1),
    stopped: Callable[[], bool] = lambda: False,
    may_be_empty: bool = False,
) -> int:
    """Fetch the object or the prefix at a URI into a directory, as `S3DataType: S3Prefix` does.

    `s3://b/a/x.zip` naming one object becomes `<directory>/x.zip`; the objects below `s3://b/a/train` lie at their
    paths relative to it. Real SageMaker also takes siblings that merely begin alike (`a/train2/`): not done here.

    Args:
        s3: a boto3 client that acts as the job's role.
        uri: S3 URI of the object or prefix.
        directory: target folder; made if needed.
        copies: directories that get the same files, each its own copy.
        shard: which part of how many, counted from 0: the keys in S3's order are dealt out like cards. A part may be
            empty. The service says only that each instance gets about 1/n of the objects (API_S3DataSource).
        stopped: asked between objects; ends the download early.
        may_be_empty: whether finding no object is fine.

    Returns:
        The number of files.

    Raises:
        TransferError: access is denied, the bucket does not exist, or no object is there.
    """
    bucket, prefix = split(uri)
    for place in (directory, *copies):
        place.mkdir(parents=True, exist_ok=True)
    part, parts = shard
    found = files = 0
    try:
        for key, name in _objects(s3, bucket, prefix):
            found += 1
            if (found - 1) % parts != part:
                continue
            if stopped():
                return files
            target = _below(directory, name, key)
            # Not download_file: it asks by HEAD first, whose refusal has no body and so cannot say what is missing.
            with target.open("wb") as file:
                shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], file, _CHUNK)
            for place in copies:
                shutil.copyfile(target, _below(place, name, key))
            files += 1
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise TransferError(f"ClientError: Data download failed:{_reason(error)} ({uri})") from error
    if not found and not may_be_empty:
        raise TransferError(
            f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
            "the bucket exists in the selected region, and that objects exist under that S3 prefix."
        )
    return files


def _objects(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Key, and path relative to the prefix, of every object at or below it, in the order of keys."""
    below = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    for listing in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in listing.get("Contents", ()):
            key = entry["Key"]
            if key.endswith("/"):
                continue
            if key == prefix:
                yield key, key.rsplit("/", 1)[-1]
            elif key.startswith(below):
                yield key, key[len(below) :]


def _below(directory: Path, name: str, key: str) -> Path:
    target = directory / name
    if directory.resolve() not in target.resolve().parents:
        raise TransferError(f"ClientError: Data download failed:the key '{key}' leaves its directory.")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def read(s3: Any, uri: str) -> bytes:
    """The content of one object.

    Raises:
        TransferError: it cannot be read.
    """
    bucket, key = split(uri)
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise TransferError(f"ClientError: Could not read {uri}: {_reason(error)}") from error
    return content


def upload(s3: Any, source: Path, uri: str, kms_key: str | None = None) -> None:
    """Store a file at a URI, or every file of a directory below it.

    Args:
        source: a file or a directory; a directory that does not exist is an empty one.
        uri: S3 URI of the object, or the prefix.
        kms_key: ARN or id of the key to encrypt with.

    Raises:
        TransferError: access is denied or the bucket does not exist.
    """
    bucket, prefix = split(uri)
    extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    try:
        for path in files:
            below = "" if path == source else f"/{path.relative_to(source).as_posix()}"
            key = f"{prefix.rstrip('/')}{below}".lstrip("/")
            s3.upload_file(os.fspath(path), bucket, key, ExtraArgs=extra, Config=_CONFIG)
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise TransferError(f"ClientError: Data upload failed:{_reason(error)} ({uri})") from error


def remove(s3: Any, uri: str) -> None:
    """Delete one object, which need not be there.

    Raises:
        TransferError: access is denied or the bucket does not exist.
    """
    bucket, key = split(uri)
    try:
        s3.delete_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise TransferError(f"ClientError: Data removal failed:{_reason(error)} ({uri})") from error


def _reason(error: Exception) -> str:
    cause = error.__context__ if isinstance(error, Boto3Error) else error
    if isinstance(cause, OSError):
        return words(cause)
    if not isinstance(cause, ClientError):
        return str(error)
    error_document = cause.response["Error"]
    status = cause.response["ResponseMetadata"].get("HTTPStatusCode")
    return f"{error_document.get('Code', '')} ({status}): {error_document.get('Message', '')}"
