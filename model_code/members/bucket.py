"""Files of an inventory: versions of a bucket's objects, prefetched a little ahead of their reader."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from model_code.archive.entries import by_number
from model_code.archive.inventory import Inventory, Object
from model_code.contract.job import JobError
from model_code.members.members import Member, Members

# S3 answers in 20 to 100 ms; a radiograph of 5 MB then takes that long again. So many at once keep two processors busy.
_AT_ONCE = 16
# Beginnings take the first of the two only.
_BEGINNINGS_AT_ONCE = 32
_FILES_AHEAD = 32
# Of what is fetched and not yet read: one file at least, and no more files than these bytes hold.
_BYTES_AHEAD = 256 * 2**20
_RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=_BEGINNINGS_AT_ONCE,
    connect_timeout=10,
    read_timeout=60,
)
# botocore repeats what fails before an answer begins. Its content may break off as well, of one object in some hundred
# thousand: as boto3's own downloads do, it is asked for anew, and so many times in all (`num_download_attempts` and
# `S3_RETRYABLE_DOWNLOAD_ERRORS` of s3transfer 0.19, read 2026-11-29).
_DOWNLOADS = 5
_BROKEN_OFF = (ConnectionError, TimeoutError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_GONE = frozenset({"NoSuchVersion", "NoSuchKey", "NoSuchBucket", "MethodNotAllowed", "404", "405"})
_CHANGED = frozenset({"PreconditionFailed", "412"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})


class BucketMembers(Members):
    """Files that are the objects of an inventory.

    Args:
        inventory: whose objects they are.
        uri: of the inventory.
    """

    def __init__(self, inventory: Inventory, uri: str) -> None:
        self.uri = inventory.uri
        self.all = [
            Member(number, item.key, item.size, item.etag) for number, item in enumerate(inventory.objects, start=1)
        ]
        self._inventory = inventory
        self._inventory_uri = uri
        self._s3: Any = boto3.client("s3", config=_RETRIES)
        self._ahead: _Ahead | None = None

    def read(self, member: Member) -> bytes:
        """The content of a file."""
        if self._ahead is not None and (fetched := self._ahead.take(member)) is not None:
            return fetched
        return self._fetch(member, member.size)

    def beginnings(self, wanted: Sequence[Member], size: int) -> Iterator[bytes]:
        """The first bytes of each file."""
        with ThreadPoolExecutor(_BEGINNINGS_AT_ONCE) as pool:
            for start in range(0, len(wanted), _BEGINNINGS_AT_ONCE):
                yield from pool.map(
                    lambda member: self._fetch(member, size), wanted[start : start + _BEGINNINGS_AT_ONCE]
                )

    @contextlib.contextmanager
    def ahead(self, wanted: Sequence[Member]) -> Iterator[None]:
        """Fetch these files as they are read, and a few of the next."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self._ahead = _Ahead(wanted, lambda member: pool.submit(self._fetch, member, member.size))
            try:
                yield
            finally:
                self._ahead = None
                pool.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, member: Member, size: int) -> bytes:
        """The first bytes of a file, all where it has no more."""
        item = self._inventory.objects[member.number - 1]
        if item.size == 0:
            return b""
        try:
            content = self._content(item, size)
        except _BROKEN_OFF as error:
            said = f"broke off on its way ({type(error).__name__}), again and again: start the execution again."
            raise JobError(f"{self._named(member, item)} {said}") from error
        except (ClientError, BotoCoreError) as error:
            raise JobError(self._reason(member, item, error)) from error
        if len(content) != min(size, item.size):
            raise JobError(f"{self._named(member, item)} has another size than the inventory says. {self._advice()}")
        return content

    def _content(self, item: Object, size: int, downloads: int = _DOWNLOADS) -> bytes:
        asked: dict[str, Any] = {"Range": f"bytes=0-{size - 1}"} if size < item.size else {}
        body = self._s3.get_object(
            Bucket=self._inventory.bucket,
            Key=self._inventory.prefix + item.key,
            VersionId=item.version,
            # The version `null` can be replaced, should somebody suspend the bucket's versioning.
            IfMatch=f'"{item.etag}"',
            **asked,
        )["Body"]
        try:
            # A server may ignore a range and answer with everything (RFC 9110, 14.2).
            with contextlib.closing(body):
                return bytes(body.read(size) if asked else body.read())
        except _BROKEN_OFF:
            if downloads == 1:
                raise
        return self._content(item, size, downloads - 1)

    def _reason(self, member: Member, item: Object, error: Exception) -> str:
        named = self._named(member, item)
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in _GONE:
            return f"{named} is gone: somebody deleted that version, or a lifecycle rule did. {self._advice()}"
        if code in _CHANGED:
            return f"{named} was changed since the inventory was taken. {self._advice()}"
        if code in _DENIED:
            return (
                f"{named} may not be read by this job: name {self.uri} in archive.sources of cdk.json and deploy, and "
                "have the bucket's owner allow it (docs/datasets.md)."
            )
        if code == "InvalidObjectState":
            return f"{named} lies in an archive class of S3: restore it, then take the inventory again."
        if code:
            return f"{named} cannot be read: S3 answers {code}. Start again; if it stays so, ask the bucket's owner."
        return (
            f"{named} cannot be fetched ({type(error).__name__}): the job reaches no S3, or has no credentials. Start "
            "it by `cxr start`, or with the parameter NetworkIsolation at false."
        )

    def _named(self, member: Member, item: Object) -> str:
        # Its name may say of whom it is.
        return f"The object {by_number(member.name, member.number)} of {self._inventory_uri} (version {item.version})"

    def _advice(self) -> str:
        return (
            f"Take the inventory again: `cxr start --from {self.uri}`. What the object is called say `aws s3 cp` of "
            "the inventory and `cxr entries inventory.jsonl.gz`."
        )


class _Ahead:
    """Files on their way, in the order in which they are wanted, bounded by number and by bytes."""

    def __init__(self, wanted: Sequence[Member], submit: Callable[[Member], Future[bytes]]) -> None:
        self._wanted = iter(wanted)
        self._submit = submit
        self._next: Member | None = next(self._wanted, None)
        self._fetched: dict[int, Future[bytes]] = {}
        self._bytes = 0
        self._changed = threading.Condition()

    def take(self, member: Member) -> bytes | None:
        """The content of a file, once it is there; None after all that are wanted have been taken.

        Who takes files in about the order in which they are wanted never waits for good: the first of those that
        nobody has taken is always on its way.
        """
        with self._changed:
            self._fill()
            while member.number not in self._fetched:
                if self._next is None:
                    return None
                self._changed.wait()
            future = self._fetched[member.number]
        try:
            return future.result()
        finally:
            with self._changed:
                if self._fetched.pop(member.number, None):
                    self._bytes -= member.size
                self._fill()
                self._changed.notify_all()

    def _fill(self) -> None:
        while self._next is not None and (
            not self._fetched or (len(self._fetched) < _FILES_AHEAD and self._bytes + self._next.size <= _BYTES_AHEAD)
        ):
            self._fetched[self._next.number] = self._submit(self._next)
            self._bytes += self._next.size
            self._next = next(self._wanted, None)
