"""The archive on this machine: what can be told about it before the upload, and zipping a folder into its layout."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ops.base.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS = ("NORMAL", "PNEUMONIA")
SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
_NO_SPLIT = "without a split"
_LAYOUT = "{train,val,test}/{NORMAL,PNEUMONIA}/<images>, or {NORMAL,PNEUMONIA}/<images>, at any depth"


@dataclasses.dataclass(frozen=True)
class Contents:
    """Images per split and label; one that is in the archive twice, as in Kaggle's double tree, is counted once."""

    images: dict[str, dict[str, int]]

    @property
    def total(self) -> int:
        """All images."""
        return sum(sum(labels.values()) for labels in self.images.values())

    def __str__(self) -> str:
        splits = ", ".join(f"{split} {sum(labels.values()):,}" for split, labels in self.images.items())
        return f"{self.total:,} images ({splits})"


def inspect(path: Path) -> Contents:
    """Read a zip file's central directory and count its images; raises CommandError when training cannot use it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [(entry.filename, entry.CRC) for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise CommandError(f"{path} is not a complete zip file: copy or download it again.") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _count(path, entries)


def pack(folder: Path, target: Path) -> Contents:
    """Zip the images of a folder into `target`, litter left out; raises CommandError when it has not the layout.

    Zip knows names in UTF-8 only (APPNOTE 4.4.4, bit 11): a byte of a name that is none of it is written as %XX.
    """
    files = [entry for entry in sorted(folder.rglob("*")) if _placed(entry.relative_to(folder).parts)]
    files = [entry for entry in files if entry.is_file()]
    contents = _count(folder, ((entry.relative_to(folder).as_posix(), entry.stat().st_size) for entry in files))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for entry in files:
            archive.write(entry, f"chest_xray/{_zip_name(entry.relative_to(folder))}")
    return contents


def _zip_name(path: Path) -> str:
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", path.as_posix())


def _placed(parts: tuple[str, ...]) -> tuple[str, str, str] | None:
    """(split, label, file name) of an image in the layout, however deep its root; None for anything else."""
    if len(parts) < 2 or "__MACOSX" in parts or any(part.startswith(".") for part in parts):
        return None
    label, name = parts[-2].upper(), parts[-1]
    if label not in LABELS or PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    split = parts[-3].lower() if len(parts) > 2 else ""
    return split if split in SPLITS else _NO_SPLIT, label, name


def _count(source: Path, entries: Iterable[tuple[str, int]]) -> Contents:
    seen = {
        (*placed, fingerprint)
        for name, fingerprint in entries
        if (placed := _placed(PurePosixPath(name).parts)) is not None
    }
    images: dict[str, dict[str, int]] = {}
    for split, label, _, _ in seen:
        images.setdefault(split, dict.fromkeys(LABELS, 0))[label] += 1
    if not images:
        raise CommandError(f"{source} holds no JPEG or PNG image in a folder NORMAL or PNEUMONIA: make it {_LAYOUT}.")
    # The Trigger function asks for the same: something of both classes to train on.
    training = "train" if set(images) != {_NO_SPLIT} and "train" in images else _NO_SPLIT
    if training not in images:
        raise CommandError(
            f"{source} has images in {' and '.join(sorted(images))} but none in train: make it {_LAYOUT}."
        )
    for label, count in images[training].items():
        if not count:
            raise CommandError(f"{source} holds no {label} image to train on: make it {_LAYOUT}.")
    order = (*SPLITS, _NO_SPLIT)
    return Contents(images={split: images[split] for split in order if split in images})
