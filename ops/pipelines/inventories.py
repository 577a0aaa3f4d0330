"""Inventory of a bucket's folder, by object versions: listed once, and kept as a dataset."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.aws.errors import error_code
from model_code.archive import inventory
from model_code.archive.inventory import MAX_OBJECTS, Object
from model_code.contract import archives
from ops.base.errors import CommandError, ExitCode
from ops.base.polling import looks
from ops.pipelines import archive, uploads
from ops.pipelines.datasets import Dataset
from ops.pipelines.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3 import S3Client

    from ops.pipelines.archive import Contents

_URI = re.compile(rf"s3://(?P<bucket>{archives.BUCKET})/(?P<prefix>.*)")
# A job cannot read these before somebody has them restored (API_GetObject, InvalidObjectState).
_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Folder(NamedTuple):
    """A folder of a bucket: what keys in it begin with ends with a slash, or is empty."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """The folder as it is written."""
        return f"s3://{self.bucket}/{self.prefix}"


class Taken(NamedTuple):
    """An inventory that was taken: the file with it, its SHA-256, and the images that it lists."""

    content: bytes
    digest: str
    contents: Contents


def folder(uri: str, sources: Sequence[str]) -> Folder:
    """The folder that a URI names.

    Args:
        uri: such as `s3://bucket/prefix/`, with or without its last slash.
        sources: the folders that executions may read.

    Raises:
        CommandError: it is no such URI, or executions may not read there.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise CommandError(f"{uri} is no folder of a bucket, such as s3://bucket/prefix/.", ExitCode.USAGE)
    prefix = found["prefix"].rstrip("/")
    named = Folder(found["bucket"], f"{prefix}/" if prefix else "")
    if not any(named.uri.startswith(source) for source in sources):
        raise CommandError(
            f"Executions may not read {named.uri}: they may read {', '.join(sources)}. Copy the files below one of "
            "these, or name the folder in archive.sources of cdk.json and deploy."
        )
    return named


def take(s3: S3Client, named: Folder) -> Taken:
    """List a folder once, and judge what is in it as an archive's names are judged.

    Raises:
        CommandError: the bucket keeps no versions, objects are in an archive class, or nothing can be trained on them.
    """
    _check_versioned(s3, named)
    objects = list(_objects(s3, named))
    if not objects:
        raise CommandError(f"There is no object below {named.uri}.")
    versions = {item.key: item for item in objects}

    def read(key: str) -> bytes:
        version = versions[key]
        answer = s3.get_object(Bucket=named.bucket, Key=named.prefix + key, VersionId=version.version)
        return answer["Body"].read()

    contents = archive.inspect_listed(named.uri, [(item.key, f"{item.size} {item.etag}") for item in objects], read)
    file = io.BytesIO()
    digest = inventory.write(file, named.bucket, named.prefix, objects)
    return Taken(file.getvalue(), digest, contents)


def _check_versioned(s3: S3Client, named: Folder) -> None:
    """Refuse a bucket without versions: objects could be replaced during an execution, or before it is repeated."""
    status = s3.get_bucket_versioning(Bucket=named.bucket).get("Status", "never enabled")
    if status != "Enabled":
        raise CommandError(
            f"The bucket {named.bucket} keeps no versions ({status.lower()}), so its objects could be replaced while "
            "an execution works on them. Have its owner turn versioning on, which changes none of the objects that are "
            f"there: `aws s3api put-bucket-versioning --bucket {named.bucket} --versioning-configuration "
            "Status=Enabled`."
        )


def _objects(s3: S3Client, named: Folder) -> Iterator[Object]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=named.bucket, Prefix=named.prefix)
    versions = (version for page in pages for version in page.get("Versions", []) if version["IsLatest"])
    for number, version in enumerate(versions, start=1):
        if number > MAX_OBJECTS:
            raise CommandError(f"There are more than {MAX_OBJECTS:,} objects below {named.uri}: name a part of them.")
        if version.get("StorageClass") in _ARCHIVED:
            raise CommandError(
                f"{version['Key']!r} lies in the storage class {version['StorageClass']}: have it restored, and copied "
                "to another class, first."
            )
        yield Object(
            version["Key"].removeprefix(named.prefix), version["VersionId"], version["Size"], version["ETag"].strip('"')
        )


def keep(s3: S3Client, taken: Taken, *, bucket: str, name: str, timeout: float, poll: float = 2.0) -> Dataset:
    """Send an inventory, and wait until the Trigger function keeps it as a dataset; one that is there is not sent.

    Args:
        s3: a client that may write to `incoming/`.
        name: what the key begins with.
        timeout: seconds to wait.
        poll: seconds between two looks.

    Raises:
        CommandError: with the function's reason when it refuses it, and with exit code 4 when neither happens in time.
    """
    key = f"{archives.DATASETS}/{taken.digest}/{archives.INVENTORY}"
    to = uploads.upload_key(name, suffix=archives.INVENTORY_SUFFIX)
    sent: Upload | None = None
    for _ in looks(timeout, poll):
        if head := _head(s3, bucket, key):
            return Dataset(taken.digest, f"s3://{bucket}/{key}", head["ContentLength"], head["LastModified"])
        if sent is None:
            answer = s3.put_object(Bucket=bucket, Key=to, Body=taken.content, ContentType="application/gzip")
            sent = Upload(bucket=bucket, key=to, version_id=answer.get("VersionId", "null"))
        elif reason := uploads.refusal(s3, sent):
            raise CommandError(f"The inventory was refused: {reason}")
    raise CommandError(
        f"s3://{bucket}/{to} is uploaded, but was not kept as a dataset within {timeout:.0f} s: look at the "
        "Trigger function's log.",
        ExitCode.TIMED_OUT,
    )


def _head(s3: S3Client, bucket: str, key: str) -> Any:
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except Exception as error:
        if error_code(error) in {"404", "NoSuchKey"}:
            return None
        raise
