"""Candidates of an archive: the files that its folders or its table say are labelled radiographs, and the rest.

Labels come from folders (`archive.layout`), or from a table at the archive's top
(`archive.label_table`). Nothing is ever extracted to a path, so no name in an archive can point outside
anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from types import ModuleType
from typing import Any

from model_code.archive import label_table, table_matches
from model_code.archive.entries import DICOM_SUFFIXES, Entry, Kind, look, patient_named
from model_code.archive.file_names import patient_of
from model_code.archive.label_table import Row, Table, TableError
from model_code.archive.layout import Layout
from model_code.archive.problem import Problem
from model_code.archive.table_matches import Identity, Matches, Place
from model_code.contract.documents import Revision
from model_code.contract.images import DICOM_START_BYTES, is_dicom
from model_code.contract.job import JobError
from model_code.contract.label_review import (
    CORRECTIONS_FILE,
    MAX_CORRECTIONS_BYTES,
    Corrections,
    CorrectionsError,
    decode,
)
from model_code.members.members import MEMBER_ERRORS, Member, Members

# Of files with the same content, one is used: that in test, else that in validation, else the least nested one.
_FOLDER_RANK = {"test": 0, "validation": 1, "train": 2, None: 3}

# In sentences, by purpose.
_DONE = {"train": "trained", "evaluate": "evaluated"}


TOLD = ("path", "label", "folder", "patient", "subtype")
"""What a manifest says of every file, and `reviewed` where there is a review."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One file of the archive that its place, or the table, says is a labelled radiograph.

    Attributes:
        path: what it is called wherever it is named: its name inside the archive, or `entry-N` where that may say of
            whom it is.
        label: NORMAL or PNEUMONIA, from the folder or the table.
        folder: train, validation or test when a folder or the table says so, else None.
        patient: key that keeps one patient's images together; see `patient_of`.
        subtype: bacteria or virus when the file name, a folder or the table says so, else "".
        size: bytes when unpacked, as the archive declares.
        checksum: CRC-32 or ETag of the content, as the archive declares.
        number: of its entry in the archive's directory, from 1.
        stated_patient: as the table calls the patient, else what a JPEG's or PNG's own name begins with, or a folder
            around it is called (`patient_named`), or "". Never to be written anywhere.
        stated_study: of a JPEG or PNG of which nothing else names a patient: its study as the table calls it, or "".
            Never to be written either.
        dicom: whether it is DICOM, by its suffix or by its first bytes.
        reviewed: the label that readers gave it where that is another, else "".
    """

    path: str
    label: str
    folder: str | None
    patient: str
    subtype: str
    size: int
    checksum: int | str
    number: int = 0
    stated_patient: str = dataclasses.field(default="", repr=False)
    stated_study: str = dataclasses.field(default="", repr=False)
    dicom: bool = False
    reviewed: str = ""

    def named(self) -> dict[str, Any]:
        """Facts that may leave the archive, by the names that a `Radiograph` has for them."""
        return {name: getattr(self, name) for name in (*TOLD, *(("reviewed",) if self.reviewed else ()))}


@dataclasses.dataclass(frozen=True)
class Listing:
    """The members of an archive, called as in `Candidate.path`.

    Attributes:
        candidates: labelled radiographs, sorted by path.
        metadata_files: number of files that operating systems left.
        masks: number of segmentation masks, and of what is drawn over radiographs.
        unlabelled: images in no folder that names a class.
        not_images: other files.
        table: the table of labels, if there is one.
        mismatched: what does not fit in it, or is another view, by reason: names of files, or lines of the table.
        revisions: of its labels by readers.
    """

    candidates: list[Candidate]
    metadata_files: int
    masks: int
    unlabelled: list[str]
    not_images: list[str]
    table: str | None = None
    mismatched: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    revisions: list[Revision] = dataclasses.field(default_factory=list)

    def beside_candidates(self) -> dict[str, Any]:
        """Everything but the candidates, by the names that a manifest's header has for it."""
        return {name: value for name, value in vars(self).items() if name != "candidates"}


@dataclasses.dataclass(frozen=True)
class _File:
    """Archive member with the kind that its name says."""

    member: Member
    entry: Entry
    dicom: bool

    @property
    def number(self) -> int:
        return self.member.number

    @property
    def path(self) -> str:
        return self.member.name

    def candidate(
        self, called: str, *, label: str, folder: str | None, subtype: str, stated_patient: str = "", study: str = ""
    ) -> Candidate:
        # `IM-0001-0001` is what many archives call their first file, whoever the patient.
        patient, named = (called, "") if self.dicom else patient_of(self.entry.file, fallback=called)
        # A DICOM file says itself of whom it is, and of which study.
        stated_patient = stated_patient or ("" if self.dicom else patient_named(self.path))
        known = self.dicom or stated_patient or patient != called
        return Candidate(
            path=called,
            label=label,
            folder=folder,
            patient=patient,
            subtype=named or subtype,
            size=self.member.size,
            checksum=self.member.checksum,
            number=self.number,
            stated_patient=stated_patient,
            stated_study="" if known else study,
            dicom=self.dicom,
        )


def dicom_reader() -> ModuleType:
    """`data.dicom_images`, loaded when there is something for it: other archives do without its libraries.

    Raises:
        JobError: they are not there, or not for this machine.
    """
    try:
        from model_code.data import dicom_images  # noqa: PLC0415
    except ImportError as error:
        raise JobError(
            f"The archive holds DICOM files, and what reads them cannot be loaded here: {error}. Deploy again, with "
            "what `make libraries` installs."
        ) from error
    return dicom_images


def list_candidates(archive: Members, purpose: str = "train") -> Listing:
    """Sort an archive's members into labelled radiographs and the rest.

    Args:
        purpose: one of `layout.PURPOSES`.

    Raises:
        JobError: when they do not serve the purpose (`Layout.problem`), or a table or corrections do not fit them.
    """
    listing = _listed(archive, purpose)
    corrections = _corrections(archive)
    return listing if corrections is None else _corrected(listing, corrections)


def _corrections(archive: Members) -> Corrections | None:
    """Corrections by readers of the archive's labels, where it carries them."""
    found = next((member for member in archive.all if member.name == CORRECTIONS_FILE), None)
    if found is None:
        return None
    try:
        if found.size > MAX_CORRECTIONS_BYTES:
            raise CorrectionsError(f"The archive's label corrections take more than {MAX_CORRECTIONS_BYTES:,} bytes.")
        return decode(archive.read(found))
    except CorrectionsError as error:
        raise JobError(str(error)) from error
    except MEMBER_ERRORS as error:
        raise JobError(f"The archive's label corrections, {CORRECTIONS_FILE}, are damaged ({error}).") from error


def _corrected(listing: Listing, corrections: Corrections) -> Listing:
    """The listing with the reviewed labels beside those that the archive gives."""
    labels = corrections["labels"]
    given = {candidate.path: candidate.label for candidate in listing.candidates if candidate.path in labels}
    if wrong := [file for file, label in labels.items() if given.get(file) != label["given"]]:
        raise JobError(
            f"The archive's label corrections are about other files or labels than it has ({len(wrong)}, for example "
            f"{wrong[0]}): import the reviewed table again, for the dataset that it was exported of."
        )
    candidates = [
        dataclasses.replace(candidate, reviewed=labels[candidate.path]["reviewed"])
        if candidate.path in labels
        else candidate
        for candidate in listing.candidates
    ]
    # The corrections were counted with what operating systems leave.
    return dataclasses.replace(
        listing, candidates=candidates, metadata_files=listing.metadata_files - 1, revisions=corrections["revisions"]
    )


def _listed(archive: Members, purpose: str) -> Listing:
    layout = Layout()
    members = [
        _File(member, layout.add(member.name, dicom=dicom), dicom)
        for member, dicom in zip(archive.all, are_dicom(archive), strict=True)
    ]
    if problem := layout.problem(purpose):
        raise _refused(problem, purpose)
    if layout.table is not None:
        return _by_table(archive, layout, members, purpose)
    candidates = [
        member.candidate(
            layout.called(member.path, member.number),
            label=member.entry.label,
            folder=member.entry.split,
            subtype=member.entry.subtype,
        )
        for member in _of_kind(members, Kind.RADIOGRAPH)
    ]
    other_views = sorted(layout.called(member.path, member.number) for member in _of_kind(members, Kind.OTHER_VIEW))
    return Listing(
        candidates=sorted(candidates, key=lambda candidate: candidate.path),
        metadata_files=layout.metadata_files,
        masks=layout.left.masks,
        unlabelled=sorted(layout.called(member.path, member.number) for member in _of_kind(members, Kind.UNLABELLED)),
        not_images=_not_images(layout, members),
        mismatched={"other_view": other_views} if other_views else {},
    )


def _of_kind(members: list[_File], *kinds: Kind) -> list[_File]:
    return [member for member in members if member.entry.kind in kinds]


def _not_images(layout: Layout, members: list[_File]) -> list[str]:
    others = _of_kind(members, Kind.NOT_AN_IMAGE, Kind.TABLE)
    return sorted(layout.called(listed.path, listed.number) for listed in others if listed.path != layout.table)


def _refused(problem: Problem, purpose: str) -> JobError:
    return JobError(f"The archive cannot be {_DONE[purpose]} on. {problem.detail} {problem.advice}")


def are_dicom(archive: Members) -> list[bool]:
    """Whether each member is DICOM, by its suffix or, whatever it is called, by its first bytes."""
    by_name = [_dicom_by_name(member.name) for member in archive.all]
    unclear = [member for member, said in zip(archive.all, by_name, strict=True) if said is None]
    begin = archive.beginnings(unclear, DICOM_START_BYTES)
    return [is_dicom(next(begin)) if said is None else said for said in by_name]


def _dicom_by_name(name: str) -> bool | None:
    """Whether a member is DICOM, as far as its name says; None where its first bytes have to."""
    entry = look(name)
    if entry.kind in {Kind.FOLDER, Kind.METADATA, Kind.TABLE}:
        return False
    if entry.kind in {Kind.RADIOGRAPH, Kind.UNLABELLED} and entry.file.lower().endswith(tuple(DICOM_SUFFIXES)):
        return True
    return None


def _by_table(archive: Members, layout: Layout, members: list[_File], purpose: str) -> Listing:
    """The images that the table has a row for, with what it says of them."""
    assert layout.table is not None  # noqa: S101
    pictures = _of_kind(members, Kind.RADIOGRAPH, Kind.UNLABELLED, Kind.OTHER_VIEW)
    by_path = {picture.path: picture for picture in pictures}
    by_name = {listed.path: listed.member for listed in _of_kind(members, Kind.TABLE)}
    try:
        content = archive.read(by_name[layout.table])
        in_splits = all(picture.entry.split for picture in pictures)
        table = label_table.read(layout.table, content, layout.table_called, split_folders=in_splits)
        table, identities = table_matches.identified(table, lambda labels: _identities(archive, labels, pictures))
        # Previews beside DICOM files, as CDs hold, have no row.
        without_identity = {path for path in by_path if table.by != "file" and path not in identities}
        asked = {path: picture.entry for path, picture in by_path.items() if path not in without_identity}
        images = {
            path: Place(picture.label, picture.split, picture.kind is Kind.OTHER_VIEW)
            for path, picture in asked.items()
        }
        matches = table_matches.match(table, images, identities)
        layout.names_patients = table.names_patients
        called = {path: layout.called(path, picture.number) for path, picture in by_path.items()}
        table_matches.refuse_mismatched(table, matches, called)
        candidates = [_candidate(by_path[path], row, called[path]) for path, row in matches.rows.items()]
        table_matches.refuse_one_class(
            table, matches, ((candidate.folder, candidate.label) for candidate in candidates), purpose
        )
    except TableError as error:
        raise JobError(f"The archive cannot be {_DONE[purpose]} on. {error}") from error
    except MEMBER_ERRORS as error:
        # What `zipfile` says has the member's name in it.
        why = "" if layout.withheld else f" ({error})"
        raise JobError(f"The archive's table {layout.table_called} is damaged or unsupported{why}.") from error
    without_split = ((path, by_path[path].number) for path in table_matches.without_split(table, matches))
    if purpose == "train" and (problem := layout.doubt_beside_the_table(without_split)):
        raise _refused(problem, purpose)
    return Listing(
        candidates=sorted(candidates, key=lambda candidate: candidate.path),
        metadata_files=layout.metadata_files,
        masks=layout.left.masks,
        unlabelled=[],
        not_images=_not_images(layout, members),
        table=table.called,
        mismatched=_mismatched(table, matches, without_identity, called),
    )


def _mismatched(
    table: Table, matches: Matches, without_identity: Set[str], called: Mapping[str, str]
) -> dict[str, list[str]]:
    """Images and rows that the table leaves out, by reason."""
    found = {
        "file_without_row": sorted(called[path] for path in matches.without_row),
        "row_without_file": [f"{table.called}, line {row.line}" for row in matches.without_file],
        "two_labels": sorted(called[path] for path in matches.two_labels),
        "readers_disagree": sorted(called[path] for path in matches.readers_disagree),
        "two_splits": sorted(called[path] for path in matches.two_splits),
        "other_label": sorted(called[path] for path in matches.other_label),
        "other_view": sorted(called[path] for path in matches.other_view),
        "not_dicom": sorted(called[path] for path in without_identity),
    }
    return {reason: names for reason, names in found.items() if names}


def _candidate(member: _File, row: Row, called: str) -> Candidate:
    return member.candidate(
        called,
        label=row.label,
        folder=row.split or member.entry.split,
        subtype=row.subtype,
        stated_patient=row.patient,
        study=row.study,
    )


def _identities(archive: Members, table: Table, pictures: list[_File]) -> Mapping[str, Identity]:
    if table.by == "file":
        return {}
    members = [picture.member for picture in pictures if picture.dicom]
    if not members:
        return table_matches.named(table, [picture.path for picture in pictures])
    reader = dicom_reader()
    begin = archive.beginnings(members, DICOM_START_BYTES + reader.subject.BEGINNING_BYTES)
    # One that is damaged has no row then, and is counted.
    found = zip(members, begin, strict=True)
    return {member.name: reader.identity(data, table.by) if is_dicom(data) else Identity() for member, data in found}


def share_of_host(candidates: list[Candidate], position: int, hosts: int) -> list[list[Candidate]]:
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
    groups: dict[tuple[int, int | str], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault((candidate.size, candidate.checksum), []).append(candidate)
    mine = list(groups.values())[position::hosts]
    return [sorted(group, key=lambda candidate: preference(candidate.folder, candidate.path)) for group in mine]


def preference(folder: str | None, path: str) -> tuple[int, int, str]:
    """Sorts files with the same content: the one to use comes first."""
    return _FOLDER_RANK[folder], look(path).depth, path
