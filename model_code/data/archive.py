"""Which files of an uploaded archive are labelled radiographs, read one member at a time.

Nothing is ever extracted to a path, so no name in an archive can point outside anything.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
from pathlib import Path

from model_code.contract.job import JobError
from model_code.contract.layout import Kind, Layout, look

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
        subtype: bacteria or virus when the file name or a folder says so, else "".
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
    """The members of an archive.

    Attributes:
        candidates: labelled radiographs, sorted by path.
        litter: number of files that operating systems left.
        masks: number of segmentation masks.
        unlabelled: images in no folder that names a class.
        not_images: other files.
    """

    candidates: list[Candidate]
    litter: int
    masks: int
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
    """Sort an archive's members into labelled radiographs and the rest.

    Raises:
        JobError: when nothing can be trained on them (`Layout.problem`).
    """
    layout = Layout()
    candidates: list[Candidate] = []
    others: dict[Kind, list[str]] = {Kind.UNLABELLED: [], Kind.NOT_AN_IMAGE: []}
    for member in archive.infolist():
        entry = layout.add(member.filename)
        if entry.kind is Kind.RADIOGRAPH:
            patient, subtype = patient_of(entry.file, fallback=member.filename)
            candidates.append(
                Candidate(
                    path=member.filename,
                    label=entry.label,
                    folder=entry.split,
                    patient=patient,
                    subtype=subtype or entry.subtype,
                    size=member.file_size,
                    checksum=member.CRC,
                )
            )
        elif entry.kind in others:
            others[entry.kind].append(member.filename)
    if problem := layout.problem():
        raise JobError(f"The archive cannot be trained on. {problem.detail} {problem.advice}")
    return Listing(
        candidates=sorted(candidates, key=lambda one: one.path),
        litter=layout.litter,
        masks=layout.masks,
        unlabelled=sorted(others[Kind.UNLABELLED]),
        not_images=sorted(others[Kind.NOT_AN_IMAGE]),
    )


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
    return _FOLDER_RANK[folder], look(path).depth, path


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
