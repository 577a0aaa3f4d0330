"""An archive on its way in: the upload, and what the Trigger function made of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ops.errors import CommandError, ExitCode, error_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from ops.executions import ExecutionReader

_PART_BYTES = 16 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Upload:
    """An object that is completely in the data bucket."""

    bucket: str
    key: str
    version_id: str

    @property
    def token(self) -> str:
        """Names the immutable copy that the Trigger function makes of this object version, 64 hex digits."""
        return hashlib.sha256(f"{self.bucket}\n{self.key}\n{self.version_id}".encode()).hexdigest()


def upload_key(name: str, now: datetime | None = None) -> str:
    """A key under `incoming/` that no earlier upload had, so that a refusal found beside it is about this one."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name.removesuffix(".zip")).strip("-.") or "archive"
    return f"incoming/{stem}-{(now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%S%fZ')}.zip"


def send(s3: S3Client, path: Path, *, bucket: str, key: str, progress: Callable[[int], None]) -> Upload:
    """Upload the file in parts of 16 MiB, calling `progress` with the bytes of each piece, from several threads."""
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415

    config = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4)
    s3.upload_file(
        str(path), bucket, key, ExtraArgs={"ContentType": "application/zip"}, Callback=progress, Config=config
    )
    return Upload(bucket=bucket, key=key, version_id=s3.head_object(Bucket=bucket, Key=key).get("VersionId", "null"))


def refusal(s3: S3Client, upload: Upload) -> str | None:
    """Why the Trigger function refused the archive, or None while there is no report."""
    try:
        body = s3.get_object(Bucket=upload.bucket, Key=f"{upload.key}.rejected.json")["Body"].read()
    except Exception as error:
        if error_code(error) in {"NoSuchKey", "404"}:
            return None
        raise
    report = json.loads(body)
    return f"{report['detail']} {report.get('what_to_do', '')}".strip()


def await_start(s3: S3Client, executions: ExecutionReader, upload: Upload, *, timeout: float, poll: float = 2.0) -> str:
    """Wait for the execution that works on this upload and return its ARN.

    Raises CommandError with the Trigger function's reason when it refuses the archive, and with exit code 4 when
    neither happens within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        if reason := refusal(s3, upload):
            raise CommandError(f"The archive was refused: {reason}")
        if arn := executions.find(upload.token):
            return arn
        if time.monotonic() >= end:
            raise CommandError(
                f"s3://{upload.bucket}/{upload.key} is uploaded, but no execution started within {timeout:.0f} s: "
                "look at the Trigger function's log.",
                ExitCode.TIMED_OUT,
            )
        time.sleep(poll)
