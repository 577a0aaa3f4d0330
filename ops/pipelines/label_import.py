"""A reviewed table of labels becomes a new version of the dataset: the archive as it is, with corrections in it.

The images stay in S3, which copies the archive up to its directory; the corrections and the directory, which is read
for that, are all that this machine sends (of an archive below 5 MiB, which S3 makes no parts of, all). The new archive
comes to `incoming/` and starts as any upload does.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambdas.trigger.ranged import RangedObject
from model_code.archive import label_table, table_columns
from model_code.archive.entries import shown
from model_code.archive.label_table import TableError
from model_code.contract import archives
from model_code.contract.label_review import (
    CORRECTIONS_FILE,
    REVIEWED,
    Correction,
    Corrections,
    CorrectionsError,
    changes,
    decode,
    encode,
    revised,
)
from model_code.contract.labels import LABELS
from ops.base.errors import CommandError
from ops.pipelines.uploads import Upload, upload_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer
    from mypy_boto3_s3 import S3Client

    from lambdas.trigger.upload import Upload as Source

_MIB = 1024 * 1024
# Of all parts but the last (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, read 2026-11).
_LEAST_PART = 5 * _MIB
_MOST_PART = 512 * _MIB
_AT_ONCE = 4
# Of an archive's directory: 10 million files would need no more.
_DIRECTORY_BUDGET = 1024 * _MIB


def reviewed(table: bytes, exported: bytes, called: str) -> dict[str, Correction]:
    """Labels that a reviewed table changes, by file.

    Args:
        table: the reviewed table, as `cxr labels export` wrote it or a spreadsheet saved it.
        exported: the table of the execution that it is about.
        called: what messages call the reviewed one.

    Raises:
        CommandError: it is no such table, or of another dataset, or changes nothing.
    """
    labels = {file: label for _, file, label, _ in _rows(exported, "suspect_labels.csv")}
    decided: dict[str, str] = {}
    for line, file, label, review in _rows(table, called):
        where = f"Line {line} of {called}"
        if file not in labels:
            raise CommandError(f"{where} is about {shown(file)}, which the dataset does not have: name its execution.")
        if label != labels[file]:
            raise CommandError(
                f"{where} says that {shown(file)} has the label {shown(label)}, and in the dataset it has "
                f"{labels[file]}: the table was exported of another version. Only the column {REVIEWED} is for readers."
            )
        if not review:
            continue
        decision, _ = table_columns.label_of(review)
        if not decision:
            raise CommandError(
                f"{where} has {shown(review, 40)} in the column {REVIEWED}: write {' or '.join(LABELS)}, or nothing."
            )
        if decided.setdefault(file, decision) != decision:
            raise CommandError(f"{called} gives {shown(file)} two labels, the second one in line {line}.")
    found: dict[str, Correction] = {
        file: {"given": labels[file], "reviewed": decision}
        for file, decision in decided.items()
        if decision != labels[file]
    }
    if not found:
        raise CommandError(
            f"{called} changes no label: {len(decided):,} of its rows have something in the column {REVIEWED}, and "
            f"all of that is what the dataset says already. Fill in {REVIEWED} where a label is wrong."
        )
    return found


def _rows(table: bytes, called: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, file, label and the reader's label of each row."""
    try:
        header, rows = label_table.read_cells(called, table)
    except TableError as error:
        raise CommandError(str(error)) from error
    if missing := [column for column in ("file", "label", REVIEWED) if column not in header]:
        raise CommandError(f"{called} has no column {missing[0]}: review a table that `cxr labels export` wrote.")
    for line, cells in rows:
        said = {column: cell.strip() for column, cell in zip(header, cells, strict=False)}
        yield line, said.get("file", ""), said.get("label", ""), said.get(REVIEWED, "")


def send(s3: S3Client, archive_uri: str, changed: dict[str, Correction], table: bytes, *, bucket: str) -> Upload:
    """Make the archive of the new version, from the one that is there, below `incoming/`.

    Args:
        s3: a client that may read the archive and write to `incoming/`.
        archive_uri: S3 URI of the dataset's archive.
        changed: what `reviewed` found.

    Raises:
        CommandError: the archive was packed again after an earlier import, or is none but an inventory.
    """
    if archives.is_inventory(archive_uri):
        raise CommandError(
            f"The dataset is a folder of a bucket ({archive_uri}), to which no corrections can be added: correct its "
            "table of labels in that folder, and train on it again by `cxr start --from`."
        )
    from lambdas.trigger.upload import Upload as Source  # noqa: PLC0415 - brings botocore along

    place = urlsplit(archive_uri)
    head = s3.head_object(Bucket=place.netloc, Key=place.path.lstrip("/"))
    source = Source(place.netloc, place.path.lstrip("/"), head.get("VersionId", "null"), head["ContentLength"])
    opened = _Appended(s3, source, budget=_DIRECTORY_BUDGET)
    with zipfile.ZipFile(opened, "a") as archive:
        earlier = _taken_out(archive)
        made = revised(
            earlier,
            {
                "archive_uri": archive_uri,
                "table_sha256": hashlib.sha256(table).hexdigest(),
                "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "changed": changes((label["given"], label["reviewed"]) for label in changed.values()),
            },
            changed,
        )
        archive.writestr(CORRECTIONS_FILE, encode(made), zipfile.ZIP_DEFLATED)
    key = upload_key(f"reviewed-{source.key.rpartition('/')[0].rpartition('/')[2][:12]}")
    return _joined(s3, source, opened.begin, bytes(opened.tail), bucket=bucket, key=key)


def _taken_out(archive: zipfile.ZipFile) -> Corrections | None:
    """The corrections of an earlier import, which new ones take the place of; entries before it keep their numbers."""
    info = archive.NameToInfo.get(CORRECTIONS_FILE)
    if info is None:
        return None
    if archive.filelist[-1] is not info:
        raise CommandError(
            "The dataset's archive was packed again with the corrections of an earlier import in it: upload it "
            f"without {CORRECTIONS_FILE}."
        )
    try:
        found = decode(archive.read(info))
    except CorrectionsError as error:
        raise CommandError(str(error)) from error
    archive.filelist.remove(info)
    del archive.NameToInfo[CORRECTIONS_FILE]
    archive.start_dir = info.header_offset
    return found


class _Appended(RangedObject):
    """An object of which a part is read, and what is written instead of its end.

    Attributes:
        begin: where that begins, in bytes.
        tail: what is written from there on.
    """

    def __init__(self, s3: S3Client, source: Source, *, budget: int) -> None:
        super().__init__(s3, source, budget=budget)
        self.begin, self.tail = source.size, bytearray()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, content: ReadableBuffer) -> int:
        """Write at the position; the first write decides where the end begins."""
        written, position = bytes(content), self.tell()
        if not self.tail:
            self.begin = position
        self.tail[position - self.begin : position - self.begin + len(written)] = written
        self.seek(position + len(written))
        return len(written)

    def truncate(self, size: int | None = None) -> int:
        """Cut what was written."""
        end = self.tell() if size is None else size
        del self.tail[end - self.begin :]
        return end


def _joined(s3: S3Client, source: Source, begin: int, tail: bytes, *, bucket: str, key: str) -> Upload:
    """A new object: the source up to `begin`, then the tail."""
    copied: Any = {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version_id}
    if begin < _LEAST_PART:
        body = s3.get_object(**copied)["Body"].read(begin)
        answer: Any = s3.put_object(Bucket=bucket, Key=key, Body=body + tail, ContentType="application/zip")
        return Upload(bucket, key, answer.get("VersionId", "null"))
    ours: Any = {"Bucket": bucket, "Key": key}
    ours["UploadId"] = s3.create_multipart_upload(**ours, ContentType="application/zip")["UploadId"]
    count = -(-begin // _MOST_PART)
    ends = [begin * number // count for number in range(count + 1)]

    def copy(number: int) -> dict[str, Any]:
        span = f"bytes={ends[number - 1]}-{ends[number] - 1}"
        part = s3.upload_part_copy(**ours, PartNumber=number, CopySource=copied, CopySourceRange=span)
        return {"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts: Any = list(pool.map(copy, range(1, count + 1)))
        last = s3.upload_part(**ours, PartNumber=count + 1, Body=tail)
        parts.append({"PartNumber": count + 1, "ETag": last["ETag"]})
        answer = s3.complete_multipart_upload(**ours, MultipartUpload={"Parts": parts})
    except BaseException:
        s3.abort_multipart_upload(**ours)
        raise
    return Upload(bucket, key, answer.get("VersionId", "null"))
