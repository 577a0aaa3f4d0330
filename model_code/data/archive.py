"""Which files of an uploaded archive are labelled radiographs, read one member at a time.

Nothing is ever extracted to a path, so no name in an archive can point outside anything.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
from pathlib import Path, PurePosixPath

from model_code.contract.job import JobError

LABELS = ("NORMAL", "PNEUMONIA")

SPLIT_FOLDERS = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
SPLIT_FOLDERS |= {"validation": "validation", "test": "test", "testing": "test"}
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
# Written by file managers, never by a radiology department.
_LITTER_FOLDERS = frozenset({"__macosx", "$recycle.bin", "@eadir"})
_LITTER_FILES = frozenset({"thumbs.db", "desktop.ini"})

# Of files with the same content, one is used: that in test, else that in validation, else the least nested one.
_FOLDER_RANK = {"test": 0, "validation": 1, "train": 2, None: 3}

_PERSON = re.compile(r"^person(\d+)_(virus|bacteria)_\d+", re.IGNORECASE)
_NORMAL = re.compile(r"^(?:NORMAL(\d+)-)?IM-(\d+)-\d+", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One file of the archive that its place says is a labelled radiograph.

    Attributes:
        path: name inside the archive.
        label: NORMAL or PNEUMONIA, from the folder.
        folder: train, validation or test when a folder says so, else None.
        patient: key that keeps one patient's images together; see `patient_of`.
        subtype: bacteria or virus when the file name says so, else "".
        size: bytes when unpacked, as the archive declares.
        checksum: CRC-32 of the content, as the archive declares.
    """

    path: str
    label: str
    folder: str | None
    patient: str
    subtype: str
    size: int
    checksum: int


@dataclasses.dataclass(frozen=True)
class Listing:
    """The members of an archive: candidates sorted by path, litter counted, and other files named."""

    candidates: list[Candidate]
    litter: int
    unlabelled: list[str]
    not_images: list[str]


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises:
        JobError: when the file is not a readable zip.
    """
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise JobError(f"The archive {path.name} is not a readable zip file: {error}.") from error


def list_candidates(archive: zipfile.ZipFile) -> Listing:
    """Sort an archive's members into labelled radiographs, litter and the rest.

    Raises:
        JobError: when no member is a labelled radiograph.
    """
    candidates: list[Candidate] = []
    unlabelled: list[str] = []
    not_images: list[str] = []
    litter = 0
    for member in archive.infolist():
        if member.is_dir():
            continue
        path = PurePosixPath(member.filename.replace("\\", "/"))
        label, folder = _place(path)
        if _is_litter(path):
            litter += 1
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            not_images.append(member.filename)
        elif label is None:
            unlabelled.append(member.filename)
        else:
            patient, subtype = patient_of(path.name, fallback=member.filename)
            candidates.append(Candidate(member.filename, label, folder, patient, subtype, member.file_size, member.CRC))
    if not candidates:
        raise JobError(
            f"The archive has {len(archive.infolist())} members and none of them is a JPEG or PNG below a folder named "
            "NORMAL or PNEUMONIA; expected for example chest_xray/train/NORMAL/image.jpeg."
        )
    return Listing(sorted(candidates, key=lambda one: one.path), litter, sorted(unlabelled), sorted(not_images))


def share(candidates: list[Candidate], position: int, hosts: int) -> list[list[Candidate]]:
    """The candidates that one of several hosts works on; each host finds its own without asking the others.

    Dealt out are groups of files that may have the same content (same size and checksum), so that the second copy of a
    doubled tree costs nothing on any number of hosts: whoever decodes a file has its copies too.

    Args:
        candidates: all of the archive's, sorted by path.
        position: of this host, from 0.
        hosts: how many hosts share the work.

    Returns:
        Groups in the order of their first path; in a group, the file that would be used comes first.
    """
    groups: dict[tuple[int, int], list[Candidate]] = {}
    for one in candidates:
        groups.setdefault((one.size, one.checksum), []).append(one)
    mine = list(groups.values())[position::hosts]
    return [sorted(group, key=lambda one: preference(one.folder, one.path)) for group in mine]


def preference(folder: str | None, path: str) -> tuple[int, int, str]:
    """Sorts files with the same content: the one to use comes first."""
    return _FOLDER_RANK[folder], path.count("/"), path


def patient_of(name: str, *, fallback: str) -> tuple[str, str]:
    """The patient and the subtype that a file name of the Kermany data set tells.

    `person12_virus_30.jpeg` is patient P12. Virus and bacteria are numbered separately in that data set, and whether
    person12_virus and person12_bacteria are one child is not published; one key for both cannot leak. `IM-0003-0001`
    is N1_0003, `NORMAL2-IM-0003-0001` is N2_0003: two series with numbers of their own.

    Args:
        name: the file's name without folders.
        fallback: the key of a file with any other name, which then is a patient of its own.

    Returns:
        The patient key, and bacteria, virus or "".
    """
    if person := _PERSON.match(name):
        return f"P{int(person[1])}", person[2].lower()
    if normal := _NORMAL.match(name):
        return f"N{int(normal[1] or 1)}_{normal[2]}", ""
    return fallback, ""


def _place(path: PurePosixPath) -> tuple[str | None, str | None]:
    """Label and split from the nearest folders that name one, whatever their case and whatever stands above them."""
    folders = [part.casefold() for part in path.parts[:-1]]
    label = next((part.upper() for part in reversed(folders) if part.upper() in LABELS), None)
    split = next((SPLIT_FOLDERS[part] for part in reversed(folders) if part in SPLIT_FOLDERS), None)
    return label, split


def _is_litter(path: PurePosixPath) -> bool:
    folders = {part.casefold() for part in path.parts[:-1]}
    return bool(folders & _LITTER_FOLDERS) or path.name.startswith(".") or path.name.casefold() in _LITTER_FILES
