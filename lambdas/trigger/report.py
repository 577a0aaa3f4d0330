"""Refusal of an upload: report beside it, and notification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.aws.topic import Topic
from lambdas.trigger.rejection import Reason
from model_code.contract.archives import REPORT_SUFFIX

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sns.client import SNSClient

    from lambdas.trigger.rejection import Rejection
    from lambdas.trigger.upload import Upload


# Of an object's key, in UTF-8 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, read 2026-11).
_LONGEST_KEY = 1024


def report_key(upload: Upload) -> str:
    """Key of the report beside the upload, of which a very long one is cut and told apart by the version's token."""
    room = _LONGEST_KEY - len(REPORT_SUFFIX)
    named = upload.key.encode()
    if len(named) > room:
        end = f"-{upload.token[:16]}"
        return named[: room - len(end)].decode(errors="ignore") + end + REPORT_SUFFIX
    return upload.key + REPORT_SUFFIX


def content(upload: Upload, rejection: Rejection) -> dict[str, Any]:
    """The report: what was refused, why, which entry (null when no single one is at fault) and what to do."""
    return {
        "status": "rejected",
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "entry": rejection.entry,
        "what_to_do": rejection.advice,
        "archive": {
            "bucket": upload.bucket,
            "key": upload.key,
            "version_id": upload.version_id,
            "size_bytes": upload.size,
        },
    }


def reported(s3: S3Client, upload: Upload) -> bool:
    """Whether this very version has its report already."""
    try:
        head = s3.head_object(Bucket=upload.bucket, Key=report_key(upload))
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey", "405", "MethodNotAllowed"}:
            return False
        raise
    return head["Metadata"].get("source-version-id") == upload.version_id


def publish(s3: S3Client, sns: SNSClient, topic_arn: str, upload: Upload, rejection: Rejection) -> bool:
    """Notify, unless it is no archive, and write the report; False when both were done before.

    The report is written last and marks the notification as sent: a failure in between repeats the notification
    on the next attempt rather than losing it.
    """
    if reported(s3, upload):
        return False
    # A bucket that is synchronised brings thousands of files at once: a report beside each, and no mail.
    if rejection.reason is not Reason.NOT_AN_ARCHIVE:
        _notify(Topic(sns, topic_arn), upload, rejection)
    s3.put_object(
        Bucket=upload.bucket,
        Key=report_key(upload),
        Body=json.dumps(content(upload, rejection), indent=2, ensure_ascii=False).encode(),
        ContentType="application/json",
        Metadata={"source-version-id": upload.version_id},
    )
    return True


def _notify(topic: Topic, upload: Upload, rejection: Rejection) -> None:
    topic.publish(
        "archive_rejected",
        f"Archive refused: {rejection.reason.value}",
        "\n".join(
            (
                f"{upload.uri} (version {upload.version_id}) was refused and no training was started.",
                "",
                f"Why: {rejection.detail}",
                f"What to do: {rejection.advice}",
                "",
                f"Report: s3://{upload.bucket}/{report_key(upload)}",
            )
        ),
        reason=rejection.reason.value,
    )
