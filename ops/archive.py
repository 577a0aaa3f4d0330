"""The archive on this machine: what can be told about it before the upload, and zipping a folder into its layout."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ops.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS = ("NORMAL", "PNEUMONIA")
IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
_REQUIRED_SPLITS = ("train", "test")
_LAYOUT = "chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}/<images>"


@dataclasses.dataclass(frozen=True)
class Contents:
    """Images per split and label, each counted once though the tree may be in the archive twice."""

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
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except zipfile.BadZipFile as error:
        raise CommandError(
            f"{path} is not a complete zip file: {str(error).rstrip('.')}. Copy or download it again."
        ) from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _count(path, names)


def pack(folder: Path, target: Path) -> Contents:
    """Zip the images of a folder into `target`, litter left out; raises CommandError when it has not the layout."""
    files = sorted(entry for entry in folder.rglob("*") if entry.is_file() and _placed(entry.relative_to(folder).parts))
    members = {_member(entry.relative_to(folder).parts): entry for entry in files}
    contents = _count(folder, members)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for name, entry in members.items():
            archive.write(entry, name)
    return contents


def _placed(parts: tuple[str, ...]) -> tuple[str, str, str] | None:
    """(split, label, file name) of an image in the layout, however deep its root; None for anything else."""
    if len(parts) < 3 or "__MACOSX" in parts:
        return None
    split, label, name = parts[-3].lower(), parts[-2].upper(), parts[-1]
    if split not in {"train", "val", "test"} or label not in LABELS or name.startswith("."):
        return None
    if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    return split, label, name


def _member(parts: tuple[str, ...]) -> str:
    placed = _placed(parts)
    if placed is None:
        raise ValueError(f"{'/'.join(parts)} is no image in the layout")
    return "/".join(("chest_xray", *placed))


def _count(source: Path, names: Iterable[str]) -> Contents:
    seen = {placed for name in names if (placed := _placed(PurePosixPath(name.replace("\\", "/")).parts))}
    images: dict[str, dict[str, int]] = {}
    for split in ("train", "val", "test"):
        counts = {label: sum(1 for place in seen if place[:2] == (split, label)) for label in LABELS}
        if any(counts.values()) or split in _REQUIRED_SPLITS:
            images[split] = counts
    missing = [f"{split}/{label}" for split in _REQUIRED_SPLITS for label in LABELS if not images[split][label]]
    if missing:
        raise CommandError(
            f"{source} holds no JPEG or PNG images in {', '.join(missing)}: training needs the layout {_LAYOUT}."
        )
    return Contents(images=images)
