"""Upload of an archive in parts, and the execution or refusal that follows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code
from model_code.contract.archives import REPORT_SUFFIX, copy_token
from ops.base.errors import CommandError, ExitCode
from ops.base.output import said_on_interrupt
from ops.base.polling import looks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from ops.pipelines.executions import ExecutionReader

_PART_BYTES = 16 * 1024 * 1024
_AT_ONCE = 4
INCOMING = "incoming"


def to_evaluate(version: int) -> str:
    """The folder below which an archive is one to evaluate that model version on."""
    return f"{INCOMING}/evaluate/{version}"


def to_calibrate(version: int) -> str:
    """The folder below which an archive is one to calibrate that model version on."""
    return f"{INCOMING}/calibrate/{version}"


@dataclasses.dataclass(frozen=True)
class Upload:
    """An object that is completely in the data bucket."""

    bucket: str
    key: str
    version_id: str

    @property
    def token(self) -> str:
        """Names the immutable copy that the Trigger function makes of this object version, 64 hex digits."""
        return copy_token(self.bucket, self.key, self.version_id)


def upload_key(name: str, now: datetime | None = None, *, folder: str = INCOMING, suffix: str = ".zip") -> str:
    """A key in `incoming` that no earlier upload had, so that a refusal found beside it is about this one."""
    return f"{folder}/{_stem(name)}-{(now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%S%fZ')}{suffix}"


def _stem(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", _without_suffix(name)).strip("-.") or "archive"


def _without_suffix(name: str) -> str:
    return re.sub(r"\.zip$", "", name, flags=re.IGNORECASE)


def send(
    s3: S3Client, path: Path, *, bucket: str, name: str, progress: Callable[[int], None], folder: str = INCOMING
) -> Upload:
    """Upload the file, in parts of 16 MiB where it is larger than one, and go on with what an earlier try began.

    What has arrived is what S3 lists: nothing is remembered on this machine. The key of a file in parts holds the start
    of its SHA-256, by which the unfinished upload of the same bytes is found. Unfinished uploads that nobody comes back
    to are removed by the bucket's lifecycle rule.

    Args:
        s3: a client that may write to `incoming/`.
        name: what the key begins with.
        progress: called with the bytes of each part that is there, from several threads.
        folder: of the key.

    Raises:
        CommandError: another command that sent the same parts put them together, or gave them up.
    """
    size = path.stat().st_size
    if size <= _PART_BYTES:
        key = upload_key(name, folder=folder)
        with path.open("rb") as file:
            answer = s3.put_object(Bucket=bucket, Key=key, Body=file, ContentType="application/zip")
        progress(size)
        return Upload(bucket=bucket, key=key, version_id=answer.get("VersionId", "null"))
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    named = f"{_without_suffix(name)}-{fingerprint}"
    begun = _unfinished(s3, bucket, prefix=f"{folder}/{_stem(named)}-")
    if begun is None:
        key = upload_key(named, folder=folder)
        made = s3.create_multipart_upload(
            Bucket=bucket, Key=key, ContentType="application/zip", ChecksumAlgorithm="CRC32"
        )
        begun = _Parts(s3, bucket, key, made["UploadId"])
    try:
        version_id = begun.finish(path, size, progress)
    except Exception as error:
        if error_code(error) != "NoSuchUpload":
            raise
        raise CommandError(
            f"The upload of {begun.key} was ended meanwhile, as by another command that sent the same file and was "
            "done first. Look at `cxr executions` before you send it again."
        ) from error
    return Upload(bucket=bucket, key=begun.key, version_id=version_id)


@dataclasses.dataclass(frozen=True)
class _Parts:
    """An upload in parts that S3 knows of and that is not complete."""

    s3: S3Client
    bucket: str
    key: str
    upload_id: str

    def finish(self, path: Path, size: int, progress: Callable[[int], None]) -> str:
        """Send the parts that S3 does not list, and put them together; the new object's version."""
        ours: Any = {"Bucket": self.bucket, "Key": self.key, "UploadId": self.upload_id}
        sizes = {
            number: min(_PART_BYTES, size - start) for number, start in enumerate(range(0, size, _PART_BYTES), start=1)
        }
        done = {number: part for number, part in self._arrived(ours).items() if part.pop("Size") == sizes.get(number)}
        for number in done:
            progress(sizes[number])

        def put(number: int) -> dict[str, Any]:
            with path.open("rb") as file:
                file.seek((number - 1) * _PART_BYTES)
                content = file.read(sizes[number])
            answer = self.s3.upload_part(**ours, PartNumber=number, Body=content, ChecksumAlgorithm="CRC32")
            progress(sizes[number])
            return _part(number, answer)

        missing = [number for number in sizes if number not in done]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            try:
                for part in pool.map(put, missing):
                    done[part["PartNumber"]] = part
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        parts: Any = [done[number] for number in sorted(done)]
        answer = self.s3.complete_multipart_upload(**ours, MultipartUpload={"Parts": parts})
        return answer.get("VersionId", "null")

    def _arrived(self, ours: Any) -> dict[int, dict[str, Any]]:
        pages = self.s3.get_paginator("list_parts").paginate(**ours)
        return {
            part["PartNumber"]: {**_part(part["PartNumber"], part), "Size": part["Size"]}
            for page in pages
            for part in page.get("Parts", [])
        }


def _part(number: int, answer: Any) -> dict[str, Any]:
    """A part as CompleteMultipartUpload wants it: with its checksum, where the upload has one."""
    checksum = {"ChecksumCRC32": answer["ChecksumCRC32"]} if answer.get("ChecksumCRC32") else {}
    return {"PartNumber": number, "ETag": answer["ETag"], **checksum}


def _unfinished(s3: S3Client, bucket: str, *, prefix: str) -> _Parts | None:
    """The newest upload in parts that was begun under the prefix."""
    try:
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
        found = [upload for page in pages for upload in page.get("Uploads", []) if upload["Key"].startswith(prefix)]
    except Exception as error:
        # A role that may upload need not be allowed to see what others began.
        if error_code(error) in {"AccessDenied", "AccessDeniedException"}:
            return None
        raise
    # The keys end with the time.
    newest = max(found, key=lambda upload: upload["Key"], default=None)
    return _Parts(s3, bucket, newest["Key"], newest["UploadId"]) if newest else None


def refusal(s3: S3Client, upload: Upload) -> str | None:
    """The Trigger function's refusal of the archive, or None while there is no report."""
    try:
        body = s3.get_object(Bucket=upload.bucket, Key=upload.key + REPORT_SUFFIX)["Body"].read()
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
    address = f"s3://{upload.bucket}/{upload.key}"
    with said_on_interrupt(f"Interrupted; {address} is uploaded, and its execution starts all the same."):
        for _ in looks(timeout, poll):
            if reason := refusal(s3, upload):
                raise CommandError(f"The archive was refused: {reason}")
            if arn := executions.find(upload.token):
                return arn
    raise CommandError(
        f"{address} is uploaded, but no execution started within {timeout:.0f} s: look at the Trigger function's log.",
        ExitCode.TIMED_OUT,
    )
