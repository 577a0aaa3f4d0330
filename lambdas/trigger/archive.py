"""Validation of an archive by its central directory alone: zip bombs, overlaps, layout.

The directory is what the archive says of itself: an entry that unpacks to more than it declares shows only when it is
unpacked, where `zipfile` stops at the declared size and the checksum fails.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from lambdas.trigger.directory import MAX_END_BYTES, Directory, locate
from lambdas.trigger.rejection import Reason, Rejection
from model_code.archive.entries import Kind, look, shown
from model_code.archive.layout import WHAT_IT_IS_CALLED, Layout

# A directory entry is 46 bytes and its name (APPNOTE 4.3.12); Kaggle's take about 140 with extra fields.
_BYTES_PER_ENTRY = 512
_LOCAL_HEADER_BYTES = 30
_ENTRY_SIGNATURE = b"PK\x01\x02"
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000  # APPNOTE 4.4.4: encrypted, strong encryption, masked local headers
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# APPNOTE 4.4.5, as far as archivers in use write them.
_METHOD_NAMES = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstandard", 95: "xz", 98: "ppmd", 99: "AES"}
_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Limits:
    """Largest accepted archive: bytes, declared bytes unpacked, entries, and unpacked/packed size of one entry.

    Radiographs are compressed already: the archives seen have ratios near 1. Deflate reaches 1,032:1 at most
    (zlib's technical notes), so 100:1 on an entry above 1 MiB is padding or a bomb.
    """

    max_archive_bytes: int
    max_uncompressed_bytes: int
    max_files: int
    max_ratio: int = 100
    ratio_from_bytes: int = 1024 * 1024

    @property
    def max_directory_bytes(self) -> int:
        """Largest central directory that is read into memory."""
        return self.max_files * _BYTES_PER_ENTRY + 64 * 1024

    @property
    def read_budget(self) -> int:
        """Bytes that reading a directory of the largest size, twice its end and block rounding can take."""
        return self.max_directory_bytes + 2 * MAX_END_BYTES + 512 * 1024


@dataclass(frozen=True)
class Summary:
    """An accepted archive's contents as its directory declares them."""

    files: int
    images: dict[str, int]
    """Files that are or may be radiographs, by folder, for example {"train/NORMAL": 1341}; by the table's name where
    there is one, which says only to those who read it what they are."""
    masks: int
    """Segmentation masks, which are not used."""
    unlabelled: int
    """Images in no folder that names a class, which are not used."""


class _Entry(NamedTuple):
    """An entry of the directory, and what it is called in a refusal."""

    info: zipfile.ZipInfo
    called: str


def check_size(size: int, limits: Limits) -> None:
    """Refuse by size alone, before anything is read.

    Raises:
        Rejection: no bytes, or more than `limits.max_archive_bytes`.
    """
    if size == 0:
        raise Rejection(Reason.EMPTY, "The file is empty.")
    if size > limits.max_archive_bytes:
        raise Rejection(
            Reason.ARCHIVE_TOO_LARGE,
            f"The archive has {size:,} bytes; at most {limits.max_archive_bytes:,} are accepted.",
        )


def inspect(archive: BinaryIO, size: int, limits: Limits, purpose: str = "train") -> Summary:
    """Read the central directory of a seekable archive of `size` bytes and judge whether it serves the purpose.

    Raises:
        Rejection: with the reason and, where one entry is at fault, its name.
    """
    check_size(size, limits)
    directory = locate(archive, size)
    _check_directory(archive, directory, limits)
    infos = _entries(archive, directory)
    layout = Layout.of(info.filename for info in infos)
    try:
        _check_entries(infos, layout, directory, limits)
    except Rejection as refusal:
        if layout.withheld:
            refusal.advice += " " + WHAT_IT_IS_CALLED.format(refusal.entry)
        raise
    if problem := layout.problem(purpose):
        raise Rejection.of(problem)
    # By a table, images are labelled wherever they lie.
    unlabelled = 0 if layout.table is not None else layout.left.unlabelled.total()
    return Summary(len(infos), _images(layout), masks=layout.left.masks, unlabelled=unlabelled)


def _check_entries(infos: list[zipfile.ZipInfo], layout: Layout, directory: Directory, limits: Limits) -> None:
    """Refuse what may not be unpacked."""
    total = 0
    # `filename` is cut at a NUL and has the host's separator replaced; `orig_filename` is what the archive says.
    entries = [_Entry(info, layout.called(info.orig_filename, number)) for number, info in enumerate(infos, start=1)]
    for entry in entries:
        _check_name(entry)
        _check_storage(entry, limits)
        total += entry.info.file_size
        if total > limits.max_uncompressed_bytes:
            raise Rejection(
                Reason.ZIP_BOMB_SIZE,
                f"Unpacked, the archive would take more than {limits.max_uncompressed_bytes:,} bytes; "
                f"the limit is passed at {shown(entry.called)}.",
                entry=entry.called,
            )
    _check_overlap(entries, directory)


def _images(layout: Layout) -> dict[str, int]:
    if layout.table is not None:
        return {shown(layout.table_called): layout.pictures}
    counted = sorted(layout.labelled.items(), key=str)
    return {f"{split}/{label}" if split else label: count for (split, label), count in counted}


def _check_directory(archive: BinaryIO, directory: Directory, limits: Limits) -> None:
    if directory.entries == 0 and not directory.size:
        raise Rejection(Reason.EMPTY, "The archive holds no files.")
    if directory.entries > limits.max_files:
        raise _too_many(directory.entries, limits)
    if directory.size > limits.max_directory_bytes:
        raise Rejection(
            Reason.DIRECTORY_TOO_LARGE,
            f"The list of files in the archive takes {directory.size:,} bytes; "
            f"at most {limits.max_directory_bytes:,} are read.",
        )
    # The count above is a claim. Signatures bound the true one before `zipfile` makes an object of each entry.
    archive.seek(directory.offset)
    signatures = archive.read(directory.size).count(_ENTRY_SIGNATURE)
    if signatures > limits.max_files:
        raise _too_many(signatures, limits)


def _too_many(count: int, limits: Limits) -> Rejection:
    return Rejection(
        Reason.TOO_MANY_FILES, f"The archive lists {count:,} files; at most {limits.max_files:,} are accepted."
    )


def _entries(archive: BinaryIO, directory: Directory) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
    # `zipfile` checks little: short extra fields end as struct.error, undecodable names as ValueError, and a newer
    # format version as NotImplementedError.
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise Rejection(
            Reason.DAMAGED_DIRECTORY, f"The list of files in the archive cannot be read: {error}."
        ) from None
    if not directory.holds(len(entries)):
        raise Rejection(
            Reason.DAMAGED_DIRECTORY,
            f"The archive says it lists {directory.entries:,} files but lists {len(entries):,}.",
        )
    return entries


def _check_name(entry: _Entry) -> None:
    name, called = entry.info.orig_filename, entry.called
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in re.split(r"[/\\]", name):
        raise Rejection(
            Reason.PATH_TRAVERSAL,
            f"The entry {shown(called)} would be unpacked outside the folder it is unpacked into.",
            entry=called,
        )
    if (not name or _CONTROL.search(name)) and look(name).kind is not Kind.METADATA:
        raise Rejection(
            Reason.UNSAFE_NAME,
            f"The entry {shown(called) or 'without a name'} has a control character in its name, or no name.",
            entry=called,
        )
    if stat.S_ISLNK(entry.info.external_attr >> 16):
        raise Rejection(Reason.LINK, f"The entry {shown(called)} is a link, not a file.", entry=called)


def _check_storage(entry: _Entry, limits: Limits) -> None:
    info, called = entry
    if info.flag_bits & _ENCRYPTED_FLAGS:
        raise Rejection(Reason.ENCRYPTED, f"The entry {shown(called)} is encrypted.", entry=called)
    if info.compress_type not in _COMPRESSIONS:
        method = _METHOD_NAMES.get(info.compress_type, "unknown")
        raise Rejection(
            Reason.UNSUPPORTED_COMPRESSION,
            f"The entry {shown(called)} is compressed by method {info.compress_type} ({method}); "
            "only deflate and none are supported.",
            entry=called,
        )
    if info.file_size > limits.ratio_from_bytes and info.file_size > limits.max_ratio * info.compress_size:
        raise Rejection(
            Reason.ZIP_BOMB_RATIO,
            f"The entry {shown(called)} would grow from {info.compress_size:,} to {info.file_size:,} bytes, "
            f"more than {limits.max_ratio} times.",
            entry=called,
        )
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise Rejection(
            Reason.DAMAGED_DIRECTORY, f"The entry {shown(called)} is not compressed but has two sizes.", entry=called
        )


def _check_overlap(entries: list[_Entry], directory: Directory) -> None:
    """Refuse entries that share bytes (Fifield 2019, "A better zip bomb") or reach into the directory.

    The least an entry can take is its 30-byte header and its data; names and extra fields only add to that, so an
    ordinary archive never fails here.
    """
    ordered = sorted(entries, key=lambda entry: entry.info.header_offset)
    ends = [entry.info.header_offset + _LOCAL_HEADER_BYTES + entry.info.compress_size for entry in ordered]
    starts = [*(entry.info.header_offset for entry in ordered[1:]), directory.offset]
    for entry, end, following in zip(ordered, ends, starts, strict=True):
        if end > following:
            raise Rejection(
                Reason.ZIP_BOMB_OVERLAP,
                f"The data of the entry {shown(entry.called)} overlaps what follows it in the archive.",
                entry=entry.called,
            )
