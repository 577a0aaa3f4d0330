"""The archive on this machine: what can be told about it before the upload, and zipping a folder into its layout."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from typing import TYPE_CHECKING

from model_code.contract.labels import LABELS, SPLITS
from model_code.contract.layout import Kind, Layout, look
from ops.base.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NO_SPLIT = "without a split"


@dataclasses.dataclass(frozen=True)
class Contents:
    """Images per split and label; one that is in the archive twice, as in Kaggle's double tree, is counted once.

    Attributes:
        images: by split and label.
        copies: how many more there are.
        unused: a sentence about what is left out besides litter; empty where that is nothing.
    """

    images: dict[str, dict[str, int]]
    copies: int = 0
    unused: str = ""

    @property
    def total(self) -> int:
        """All images."""
        return sum(sum(labels.values()) for labels in self.images.values())

    def __str__(self) -> str:
        splits = ", ".join(f"{split} {sum(labels.values()):,}" for split, labels in self.images.items())
        copies = f", and {self.copies:,} copies of them" if self.copies else ""
        unused = f". {self.unused}" if self.unused else ""
        return f"{self.total:,} images ({splits}){copies}{unused}"


def inspect(path: Path) -> Contents:
    """Read a zip file's central directory and count its images; raises CommandError when training cannot use it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [(entry.filename, entry.CRC) for entry in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise CommandError(f"{path} is not a complete zip file: copy or download it again.") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _count(path, entries)


def pack(folder: Path, target: Path) -> Contents:
    """Zip the radiographs of a folder into `target`; raises CommandError when nothing can be trained on them.

    Zip knows names in UTF-8 only (APPNOTE 4.4.4, bit 11): a byte of a name that is none of it is written as %XX.
    """
    names = {entry.relative_to(folder).as_posix(): entry for entry in sorted(folder.rglob("*")) if entry.is_file()}
    contents = _count(folder, ((name, entry.stat().st_size) for name, entry in names.items()))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for name, entry in names.items():
            if look(name).kind is Kind.RADIOGRAPH:
                archive.write(entry, f"chest_xray/{_zip_name(name)}")
    return contents


def _zip_name(name: str) -> str:
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)


def _count(source: Path, entries: Iterable[tuple[str, int]]) -> Contents:
    """Count entries by name and fingerprint; raises CommandError when nothing can be trained on them."""
    layout = Layout()
    seen = {
        (entry.split or _NO_SPLIT, entry.label, entry.file, fingerprint)
        for name, fingerprint in entries
        if (entry := layout.add(name)).kind is Kind.RADIOGRAPH
    }
    if problem := layout.problem():
        raise CommandError(f"{source}: {problem.detail} {problem.advice}")
    images: dict[str, dict[str, int]] = {}
    for split, label, _, _ in seen:
        images.setdefault(split, dict.fromkeys(LABELS, 0))[label] += 1
    ordered = {split: images[split] for split in (*SPLITS, _NO_SPLIT) if split in images}
    return Contents(ordered, copies=layout.total - len(seen), unused=layout.unused())
