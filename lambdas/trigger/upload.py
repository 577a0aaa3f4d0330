"""Uploads by S3's events: the object and the version that was uploaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from model_code.contract.archives import INVENTORY_SUFFIX, REPORT_SUFFIX, copy_token

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectRequestTypeDef

INCOMING_PREFIX = "incoming/"
EVALUATE_PREFIX = "incoming/evaluate/"
"""Below a folder here that is a version's number: archives to evaluate that version on."""
CALIBRATE_PREFIX = "incoming/calibrate/"
"""Prefix of archives to calibrate a registered version on."""
ARCHIVE_SUFFIXES = (".zip", INVENTORY_SUFFIX)

# HEAD has no body, so a missing object is only a status: 404, or 405 when the version is a delete marker.
_GONE = frozenset({"404", "405", "NoSuchKey", "NoSuchVersion", "MethodNotAllowed"})


class UnversionedBucketError(RuntimeError):
    """The upload has no version, so nothing immutable can be named by it."""


@dataclass(frozen=True)
class Announcement:
    """An "Object Created" event of an upload, not yet compared with the bucket."""

    bucket: str
    key: str
    version_id: str | None


@dataclass(frozen=True)
class Upload:
    """One version of an uploaded object; `size` is in bytes."""

    bucket: str
    key: str
    version_id: str
    size: int

    @property
    def token(self) -> str:
        """64 hexadecimal characters that stand for this version: folder of its copy and ClientRequestToken."""
        return copy_token(self.bucket, self.key, self.version_id)

    @property
    def purpose(self) -> str:
        """Purpose of its radiographs, one of `layout.PURPOSES`: `evaluate` a model, calibrated or not, or `train`."""
        return "evaluate" if self.key.startswith((EVALUATE_PREFIX, CALIBRATE_PREFIX)) else "train"

    @property
    def calibrates(self) -> bool:
        """Whether a version is to be calibrated on it."""
        return self.key.startswith(CALIBRATE_PREFIX)

    @property
    def is_archive(self) -> bool:
        """Whether its name is that of an archive, in any case of its letters, or of an inventory."""
        return self.key.lower().endswith(ARCHIVE_SUFFIXES)

    @property
    def is_folder_marker(self) -> bool:
        """Whether it only stands for a folder, as S3's console makes one by "Create folder": nobody sent a file."""
        return self.key.endswith("/") and self.size == 0

    @property
    def is_inventory(self) -> bool:
        """Whether it lists files that lie elsewhere."""
        return self.key.lower().endswith(INVENTORY_SUFFIX)

    @property
    def uri(self) -> str:
        """The object, without its version."""
        return f"s3://{self.bucket}/{self.key}"


def announcement(event: dict[str, Any]) -> Announcement | None:
    """Read an EventBridge event of S3; None for anything but an object created under `incoming/`, and for a report.

    The rule filters by the prefix too; this keeps a rule edited by hand from starting executions on copies. A report
    is told by its suffix, which the function's role may write alone: one on a report would be followed by the next.
    """
    if event.get("source") != "aws.s3" or event.get("detail-type") != "Object Created":
        return None
    detail = event.get("detail") or {}
    created = detail.get("object") or {}
    bucket, key = (detail.get("bucket") or {}).get("name"), created.get("key")
    if not bucket or not key or not key.startswith(INCOMING_PREFIX) or key.endswith(REPORT_SUFFIX):
        return None
    return Announcement(bucket, key, created.get("version-id") or None)


def find(s3: S3Client, announced: Announcement) -> Upload | None:
    """Look the announced version up; None when it is gone.

    An event without a version (emulators send none) means the newest version.

    Raises:
        UnversionedBucketError: the bucket keeps no versions.
    """
    target: HeadObjectRequestTypeDef = {"Bucket": announced.bucket, "Key": announced.key}
    if announced.version_id:
        target["VersionId"] = announced.version_id
    try:
        head = s3.head_object(**target)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
    version_id = announced.version_id or head.get("VersionId")
    if version_id is None or version_id == "null":
        raise UnversionedBucketError(
            f"s3://{announced.bucket}/{announced.key} has no version: turn versioning on for the bucket "
            "(the data stack does), then upload the archive again."
        )
    return Upload(announced.bucket, announced.key, version_id, head["ContentLength"])
