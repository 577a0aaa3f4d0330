"""Image files on this machine: what a file is by its first bytes, and which files of a folder are radiographs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

from dicom_results.result import WRITER
from model_code.archive.entries import IMAGE_SUFFIXES
from model_code.contract import images

DICOM = "application/dicom"
OVERLAY_END = ".overlay.png"
"""How the name of each picture ends that `cxr predict --overlay` writes."""
OVERLAY_MARK = ("Software", "cxr predict --overlay")
"""The PNG text chunk (keyword, text) of those pictures: they are known under any name."""

START_BYTES = 512
"""As much of a file as tells what it is."""

# Source Application Entity Title (PS3.10, 7.1), which lies far below START_BYTES.
_RESULT = b"\x02\x00\x16\x00AE" + len(WRITER).to_bytes(2, "little") + WRITER.encode()
# A text chunk written by Pillow comes right after the header, which ends at byte 33 (PNG, 5.3 and 11.2.1).
_MARK = b"tEXt" + b"\0".join(part.encode() for part in OVERLAY_MARK)
_SUFFIXES = IMAGE_SUFFIXES | {".dcm"}
# The index of a medium (PS3.10, 8.6) is a DICOM file without an image.
_INDEX = "DICOMDIR"


def media_type(content: bytes) -> str | None:
    """Media type of a file by its first bytes, not by its name: a PNG called .jpeg is common."""
    if images.is_dicom(content):
        return DICOM
    return images.media_type(content)


def start_of(path: Path) -> bytes:
    """The first bytes of a file, which determine its type; empty for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(START_BYTES)
    except OSError:
        return b""


@dataclasses.dataclass
class Found:
    """Files that paths stand for, and what was left out of them.

    Attributes:
        files: those named, and those of the folders named, however deep, sorted within each folder.
        overlays: pictures that this command drew before, which are no radiographs.
        results: coded results that it wrote before, which are none either.
        others: files of the folders that are neither JPEG, PNG nor DICOM.
        closed: folders that cannot be listed, each with the reason.
    """

    files: list[Path] = dataclasses.field(default_factory=list)
    overlays: int = 0
    results: int = 0
    others: int = 0
    closed: list[str] = dataclasses.field(default_factory=list)

    def left_out(self) -> str | None:
        """A sentence about what was left out, or None when nothing was."""
        parts = [
            f"{count:,} {what}"
            for count, what in (
                (self.overlays, "overlays that cxr drew itself"),
                (self.results, "results that cxr wrote itself"),
                (self.others, "files that are no JPEG, PNG or DICOM"),
            )
            if count
        ]
        return f"Left out: {' and '.join(parts)}." if parts else None


def find_results(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The coded results among files and in folders, and a sentence for each path named that is none or not there."""
    results, reasons = list[Path](), list[str]()
    for path in paths:
        found = Found()
        files = list(_files(path, found)) if path.is_dir() else [path]
        coded = [file for file in files if _RESULT in start_of(file)]
        results += coded
        reasons += found.closed
        if not coded and not path.is_dir():
            what = "is no result of `cxr predict --dicom`" if path.exists() else "does not exist"
            reasons.append(f"{path} {what}.")
    return results, reasons


def find(paths: Iterable[Path]) -> Found:
    """The radiographs that files and folders stand for.

    A file of a folder is taken by its first bytes, as PACS export DICOM without a suffix, or by its name's end: one
    that is called .jpeg and is none is named in an error, not left out. Hidden files are passed over.
    """
    found = Found()
    for path in paths:
        for file in _files(path, found) if path.is_dir() else [path]:
            start = start_of(file)
            if file.name.endswith(OVERLAY_END) or _MARK in start:
                found.overlays += 1
            elif _RESULT in start:
                found.results += 1
            elif file == path or media_type(start) is not None or file.suffix.lower() in _SUFFIXES:
                found.files.append(file)
            else:
                found.others += 1
    return found


def _files(folder: Path, found: Found) -> Iterable[Path]:
    def closed(error: OSError) -> None:
        found.closed.append(f"{error.filename} cannot be listed: {error.strerror or error}.")

    listed = []
    for above, folders, names in os.walk(folder, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        listed += [Path(above, name) for name in names if not name.startswith(".") and name != _INDEX]
    return [file for file in sorted(listed) if file.is_file()]
