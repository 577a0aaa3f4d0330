"""Archive on this machine: inspection before the upload, and zipping of a folder.

Files of a folder are named as they are: who reads this has them. Of an archive is said what the Trigger function and
the jobs would say, who call entries by their numbers where names may say of whom they are (`archive.layout`);
`entries` tells which is which. Which patient or instance a DICOM file is of is not read here, so a table that goes by
these is checked for its form only; the job that decodes matches it.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from model_code.archive import inventory, label_table, table_matches
from model_code.archive.entries import Kind, by_number, look
from model_code.archive.inventory import InventoryError
from model_code.archive.label_table import TableError
from model_code.archive.layout import Layout
from model_code.archive.problem import Problem
from model_code.archive.table_matches import Identity, Place
from model_code.contract.archives import INVENTORY
from model_code.contract.images import DICOM_START_BYTES, is_dicom
from model_code.contract.labels import LABELS, SPLITS
from model_code.data.candidates import are_dicom
from model_code.members.members import MEMBER_ERRORS, ZipMembers
from ops.base.errors import CommandError

_NO_SPLIT = "without a split"
_ZIP = b"PK"
_PICTURES = frozenset({Kind.RADIOGRAPH, Kind.UNLABELLED, Kind.PERHAPS_DICOM, Kind.OTHER_VIEW})
# Whether such names are images, their content says.
_UNCLEAR = frozenset({Kind.PERHAPS_DICOM, Kind.NOT_AN_IMAGE})
_NUMBER = re.compile(r"(?:entry-)?(\d{1,9})(?:\.\w*)?", re.IGNORECASE)


class Entry(NamedTuple):
    """An entry of an archive: its number in the directory, from 1, what it is called by it, and its name."""

    number: int
    called: str
    name: str


class _File(NamedTuple):
    """A file: its name, something that copies of it share, and whether its content is DICOM; None for unknown."""

    name: str
    fingerprint: int | str
    dicom: bool | None


@dataclasses.dataclass(frozen=True)
class Contents:
    """Images per split and label; one that is in the archive twice, as in Kaggle's double tree, is counted once.

    Attributes:
        images: number of images by split and label.
        copies: number of further copies of them.
        unused: a sentence about what is left out besides metadata files; empty for nothing.
        unmatched: number of images that a table labels by what only the files say.
    """

    images: dict[str, dict[str, int]]
    copies: int = 0
    unused: str = ""
    unmatched: int = 0

    @property
    def total(self) -> int:
        """All images."""
        return self.unmatched + sum(sum(labels.values()) for labels in self.images.values())

    def __str__(self) -> str:
        splits = ", ".join(f"{split} {sum(labels.values()):,}" for split, labels in self.images.items())
        copies = f", and {self.copies:,} copies of them" if self.copies else ""
        unused = f". {self.unused}" if self.unused else ""
        return f"{self.total:,} images ({splits or 'labelled by a table'}){copies}{unused}"


def entries(path: Path, wanted: Iterable[str] = ()) -> list[Entry]:
    """The entries of a zip file or an inventory, or those that a folder has once `cxr upload` packs it.

    Args:
        path: of either, or of an inventory.
        wanted: numbers, or names such as `entry-17.dcm`; none for all.

    Raises:
        CommandError: it cannot be read, or has no such entry.
    """
    names = (
        [f"chest_xray/{_zip_name(name)}" for name in _packed(path, "evaluate")[2]] if path.is_dir() else _names(path)
    )
    found = [Entry(number, by_number(name, number), name) for number, name in enumerate(names, start=1)]
    chosen = []
    for text in wanted:
        number = _NUMBER.fullmatch(text.strip())
        if number is None or not 1 <= int(number[1]) <= len(found):
            raise CommandError(f"{path} has no {text!r}: it has {len(found):,} entries, `entry-1` and so on.")
        chosen.append(found[int(number[1]) - 1])
    return chosen or found


def _names(path: Path) -> list[str]:
    if path.name.endswith(INVENTORY):
        try:
            with path.open("rb") as file:
                return [item.key for item in inventory.read(file).objects]
        except InventoryError as error:
            raise CommandError(f"{path}: {error}") from error
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _no_zip(path) from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error


def _no_zip(path: Path) -> CommandError:
    with path.open("rb") as file:
        begins = file.read(len(_ZIP))
    if not begins:
        return CommandError(f"{path} is empty: copy or download it again.")
    if begins != _ZIP:
        return CommandError(f"{path} is no zip file: name one, or the folder with the radiographs.")
    return CommandError(f"{path} is not a complete zip file: copy or download it again.")


def inspect(path: Path, purpose: str = "train") -> Contents:
    """Read a zip file's central directory and its table of labels, and count its images.

    Args:
        path: of the file.
        purpose: one of `layout.PURPOSES`.

    Raises:
        CommandError: it does not serve the purpose.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = ZipMembers(archive)
            found = zip(members.all, are_dicom(members), strict=True)
            files = [_File(entry.name, entry.checksum, dicom) for entry, dicom in found]
            return _count(path, _layout(files, Layout()), files, archive.read, purpose)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _no_zip(path) from error
    except MEMBER_ERRORS as error:
        raise CommandError(f"{path} has a table of labels that cannot be unpacked: {error}.") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error


def inspect_listed(
    uri: str, files: Iterable[tuple[str, str]], read: Callable[[str], bytes], purpose: str = "train"
) -> Contents:
    """Count the images of files whose content is elsewhere; those of unclear names count as images.

    Args:
        uri: of the folder that they are in.
        files: the name below it of each, and what copies of it share.
        read: the content of one that is a table of labels.
        purpose: one of `layout.PURPOSES`.

    Raises:
        CommandError: they do not serve the purpose.
    """
    listed = [_File(name, fingerprint, None) for name, fingerprint in files]
    return _count(uri, _layout(listed, Layout()), listed, read, purpose)


def pack(folder: Path, target: Path, purpose: str = "train") -> Contents:
    """Zip the radiographs of a folder, and its table of labels, into `target`.

    Zip knows names in UTF-8 only (APPNOTE 4.4.4, bit 11): a byte of a name that is none of it is written as %XX.

    Raises:
        CommandError: they do not serve the purpose, one of `layout.PURPOSES`.
    """
    names, contents, wanted = _packed(folder, purpose)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for name in wanted:
            archive.write(names[name], f"chest_xray/{_zip_name(name)}")
    return contents


def _packed(folder: Path, purpose: str) -> tuple[dict[str, Path], Contents, list[str]]:
    """The files of a folder by name, what is in it, and which of them are packed, in this order."""
    names = {entry.relative_to(folder).as_posix(): entry for entry in sorted(folder.rglob("*")) if entry.is_file()}
    files = [_File(name, entry.stat().st_size, _begins_dicom(name, entry)) for name, entry in names.items()]
    layout = _layout(files, Layout(local=True))
    contents = _count(folder, layout, files, lambda name: names[name].read_bytes(), purpose)
    wanted = _PICTURES if layout.table else {Kind.RADIOGRAPH}
    packed = [file for file in files if file.name == layout.table or look(file.name, dicom=file.dicom).kind in wanted]
    return names, contents, [file.name for file in packed]


def _begins_dicom(name: str, path: Path) -> bool:
    if look(name).kind not in _UNCLEAR:
        return False
    try:
        with path.open("rb") as opened:
            return is_dicom(opened.read(DICOM_START_BYTES))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error


def _zip_name(name: str) -> str:
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)


def _layout(files: Iterable[_File], layout: Layout) -> Layout:
    for file in files:
        layout.add(file.name, dicom=file.dicom)
    return layout


def _count(
    source: Path | str, layout: Layout, files: list[_File], read: Callable[[str], bytes], purpose: str
) -> Contents:
    """Count files by name and fingerprint; raises CommandError when they do not serve the purpose."""
    if problem := layout.problem(purpose):
        raise _refused(source, problem)
    if layout.table is not None:
        return _count_by_table(source, layout, files, read, purpose)
    entries = [(look(file.name, dicom=file.dicom), file.fingerprint) for file in files]
    seen = {
        (entry.split or _NO_SPLIT, entry.label, entry.file, fingerprint)
        for entry, fingerprint in entries
        if entry.kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM} and entry.label
    }
    labelled = ((split, label) for split, label, _, _ in seen)
    return Contents(_by_split(labelled), copies=layout.labelled.total() - len(seen), unused=layout.unused())


def _refused(source: Path | str, problem: Problem) -> CommandError:
    return CommandError(f"{source}: {problem.detail} {problem.advice}")


def _count_by_table(
    source: Path | str, layout: Layout, files: list[_File], read: Callable[[str], bytes], purpose: str
) -> Contents:
    assert layout.table is not None  # noqa: S101
    looked = {file.name: look(file.name, dicom=file.dicom) for file in files}
    pictures = {
        path: Place(entry.label, entry.split, entry.kind is Kind.OTHER_VIEW)
        for path, entry in looked.items()
        if entry.kind in _PICTURES
    }
    numbers = {file.name: number for number, file in enumerate(files, start=1)}
    try:
        in_splits = all(picture.split for picture in pictures.values())
        table = label_table.read(layout.table, read(layout.table), layout.table_called, split_folders=in_splits)
        identities: Mapping[str, Identity] = {}
        if table.by != "file":
            # What is certainly no DICOM file has no such identifier, but may be called by one.
            unmatched = len(pictures) - sum(file.dicom is False for file in files if file.name in pictures)
            if not unmatched:
                table, identities = table_matches.identified(
                    table, lambda labels: table_matches.named(labels, pictures)
                )
            if not identities:
                table_matches.refuse_without_dicom(table, unmatched)
                return Contents({}, unmatched=unmatched)
        layout.names_patients = table.names_patients
        matches = table_matches.match(table, pictures, identities)
        called = {path: layout.called(path, numbers[path]) for path in pictures}
        table_matches.refuse_mismatched(table, matches, called)
        labelled = [(row.split or looked[path].split, row.label) for path, row in matches.rows.items()]
        table_matches.refuse_one_class(table, matches, labelled, purpose)
    except TableError as error:
        raise CommandError(f"{source}: {error}") from error
    without_split = ((path, numbers[path]) for path in table_matches.without_split(table, matches))
    if purpose == "train" and (problem := layout.doubt_beside_the_table(without_split)):
        raise _refused(source, problem)
    counted = {
        "images without a row": len(matches.without_row),
        "rows without an image": len(matches.without_file),
        "images with two labels": len(matches.two_labels),
        "images whose readers disagree": len(matches.readers_disagree),
        "images with two splits": len(matches.two_splits),
        "images of another label": len(matches.other_label),
        "images of another view": len(matches.other_view),
    }
    left = ", ".join(f"{count:,} {what}" for what, count in counted.items() if count)
    named = ((split or _NO_SPLIT, label) for split, label in labelled)
    return Contents(_by_split(named), unused=f"Not used: {left}." if left else "")


def _by_split(labelled: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    images: dict[str, dict[str, int]] = {}
    for split, label in labelled:
        images.setdefault(split, dict.fromkeys(LABELS, 0))[label] += 1
    return {split: images[split] for split in (*SPLITS, _NO_SPLIT) if split in images}
