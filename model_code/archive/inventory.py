"""Inventory of a bucket's folder: the objects in it by their versions, as gzip-compressed JSON lines.

    {"schema": 1, "bucket": "radiology", "prefix": "study/"}
    {"key": "NORMAL/1.dcm", "version": "3HL4...", "size": 9021, "etag": "9b2c..."}

Keys are relative to the prefix and in the order in which S3 lists them. A version never changes, so what an inventory
names is as immutable as a copy would be, for as long as the bucket keeps the versions. It holds no time: the same
objects give the same bytes, and so the same SHA-256, by which it is called.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

SCHEMA = 1
MAX_OBJECTS = 1_000_000
MAX_BYTES = 2**30
"""Of the text: S3's keys have at most 1,024 bytes, usual ones a tenth of that."""
# Of one line: a key of 1,024 bytes, each escaped to six characters, a version of at most 1,024, and the names.
_MAX_LINE_BYTES = 16_384
_HEAD = ("bucket", "prefix")
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)


class InventoryError(ValueError):
    """An inventory cannot be read. `str()` is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object of the folder.

    Attributes:
        key: below the prefix.
        version: of S3; `null` of an object that is older than the bucket's versioning.
        size: in bytes.
        etag: of S3, without quotes: the same for the same content where neither a key of KMS nor parts made it.
    """

    key: str
    version: str
    size: int
    etag: str


@dataclass(frozen=True)
class Inventory:
    """The objects of `s3://bucket/prefix`."""

    bucket: str
    prefix: str
    objects: list[Object]

    @property
    def uri(self) -> str:
        """The folder."""
        return f"s3://{self.bucket}/{self.prefix}"


def write(file: IO[bytes], bucket: str, prefix: str, objects: Iterable[Object]) -> str:
    """Write an inventory; its SHA-256, in hexadecimal, which is that of the text.

    Args:
        file: opened for writing.
        bucket: of the objects.
        prefix: of their keys, which ends with a slash or is empty.
        objects: in the order in which S3 lists them.
    """
    digest = hashlib.sha256()
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        for document in _documents(bucket, prefix, objects):
            line = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            packed.write(line)
    return digest.hexdigest()


def _documents(bucket: str, prefix: str, objects: Iterable[Object]) -> Iterator[dict[str, Any]]:
    yield {"schema": SCHEMA, "bucket": bucket, "prefix": prefix}
    for one in objects:
        yield {"key": one.key, "version": one.version, "size": one.size, "etag": one.etag}


def read(file: IO[bytes], *, digest: str = "") -> Inventory:
    """Read an inventory and check it.

    Args:
        file: opened for reading; nothing is sought in it.
        digest: SHA-256 that it must have; any where it is empty.

    Raises:
        InventoryError: it is none, too large, or another one.
    """
    objects: list[Object] = []
    head, found = _read(file, objects.append)
    if digest not in {"", found}:
        raise InventoryError(f"The inventory's SHA-256 is {found}, not {digest}: it was changed.")
    return Inventory(head["bucket"], head["prefix"], objects)


def check(file: IO[bytes]) -> str:
    """Check an inventory as `read` does, in memory that does not grow with it; its SHA-256.

    Raises:
        InventoryError: it is none, or too large.
    """
    return _read(file, lambda _: None)[1]


def _read(file: IO[bytes], add: Callable[[Object], None]) -> tuple[dict[str, Any], str]:
    found = hashlib.sha256()
    lines = _lines(file, found)
    head = next(lines, {})
    if head.get("schema") != SCHEMA:
        raise InventoryError(f"The inventory is of schema {head.get('schema')!r}, where {SCHEMA} is understood.")
    if not all(isinstance(head.get(name), str) for name in _HEAD):
        raise InventoryError("The inventory's first line does not name a bucket and a prefix.")
    for number, line in enumerate(lines, start=2):
        if number - 1 > MAX_OBJECTS:
            raise InventoryError(f"The inventory has more than {MAX_OBJECTS:,} objects: divide the folder.")
        add(_object(line, number))
    return head, found.hexdigest()


def _object(line: dict[str, Any], number: int) -> Object:
    try:
        return Object(str(line["key"]), str(line["version"]), int(line["size"]), str(line["etag"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InventoryError(f"Line {number} of the inventory names no object with version, size and ETag.") from error


def _lines(file: IO[bytes], digest: hashlib._Hash) -> Iterator[dict[str, Any]]:
    total = 0
    with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        while True:
            try:
                line = unpacked.readline(_MAX_LINE_BYTES)
                document = json.loads(line) if line else None
            except (*_DAMAGED, ValueError) as error:
                raise InventoryError("The inventory is no gzip-compressed JSON lines, or is damaged.") from error
            if not line:
                return
            total += len(line)
            if total > MAX_BYTES:
                raise InventoryError(f"The inventory's text has more than {MAX_BYTES // 2**20:,} MiB.")
            if not isinstance(document, dict):
                raise InventoryError("The inventory is no gzip-compressed JSON lines, or is damaged.")
            digest.update(line)
            yield document
