"""A file object over one version of an S3 object that fetches only what is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

    from lambdas.trigger.upload import Upload

# Small enough that the end record of an archive costs one short request, large enough that the
# directory of a typical archive (5,000 files, 0.7 MB) is not fetched in many.
BLOCK_BYTES = 32 * 1024


class ReadBudgetExceededError(RuntimeError):
    """More was read than reading a zip's directory can need."""


class RangedObject(io.RawIOBase):
    """Seekable, read-only, cached in aligned blocks; neighbouring missing blocks are one ranged GET.

    `requests` and `bytes_fetched` count what it cost. Nothing is ever dropped from the cache, so memory is
    bounded by `budget` (bytes), beyond which reading raises ReadBudgetExceededError.
    """

    def __init__(self, s3: S3Client, upload: Upload, *, budget: int, block_bytes: int = BLOCK_BYTES) -> None:
        super().__init__()
        self._s3 = s3
        self._upload = upload
        self._budget = budget
        self._block_bytes = block_bytes
        self._blocks: dict[int, bytes] = {}
        self._position = 0
        self.requests = 0
        self.bytes_fetched = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move without fetching."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._upload.size}[whence]
        if start + offset < 0:
            raise OSError(f"cannot seek to {start + offset}, before the start of {self._upload.uri}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer`, short only at the end of the object."""
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._upload.size)
        if end <= self._position:
            return 0
        first, last = self._position // self._block_bytes, (end - 1) // self._block_bytes
        self._fetch_missing(first, last)
        span = b"".join(self._blocks[number] for number in range(first, last + 1))
        skipped = self._position - first * self._block_bytes
        count = end - self._position
        view[:count] = span[skipped : skipped + count]
        self._position = end
        return count

    def _fetch_missing(self, first: int, last: int) -> None:
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        while missing:
            run = [missing.pop(0)]
            while missing and missing[0] == run[-1] + 1:
                run.append(missing.pop(0))
            self._fetch(run[0], run[-1])

    def _fetch(self, first: int, last: int) -> None:
        start = first * self._block_bytes
        end = min((last + 1) * self._block_bytes, self._upload.size)
        if self.bytes_fetched + end - start > self._budget:
            raise ReadBudgetExceededError(f"reading {self._upload.uri} needs more than {self._budget} bytes")
        answer = self._s3.get_object(
            Bucket=self._upload.bucket,
            Key=self._upload.key,
            VersionId=self._upload.version_id,
            Range=f"bytes={start}-{end - 1}",
        )
        body = answer["Body"]
        if "ContentRange" not in answer:
            # A server may ignore a range and answer with everything (RFC 9110, 14.2). S3 does not; MiniStack does
            # where a version is named (findings/ministack_range_of_a_version.sh).
            _skip(body, start)
        data = body.read(end - start)
        body.close()
        self.requests += 1
        self.bytes_fetched += len(data)
        if len(data) != end - start:
            raise OSError(f"{self._upload.uri}: asked for bytes {start} to {end - 1}, got {len(data)} bytes")
        for number in range(first, last + 1):
            offset = (number - first) * self._block_bytes
            self._blocks[number] = data[offset : offset + self._block_bytes]


def _skip(body: StreamingBody, count: int) -> None:
    while count > 0:
        skipped = len(body.read(min(count, 1024 * 1024)))
        if not skipped:
            return
        count -= skipped
