"""Matching of an archive's files with the rows of its table of labels, and what fits nowhere."""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from model_code.archive import table_doubts, table_readers
from model_code.archive.entries import DICOM_SUFFIXES, IMAGE_SUFFIXES, parts, patient_named, shown
from model_code.archive.label_table import Row, Table, TableError, plain
from model_code.archive.layout_words import CODE_PAGES
from model_code.archive.table_columns import whole
from model_code.contract.labels import LABELS

MAX_MISMATCHED_SHARE = 0.05
"""Of the rows without a file, of the files without a row, and of the images with two labels or two splits, each."""
_ROUNDED = re.compile(r"\d+([.,]\d+)?E\+\d+", re.IGNORECASE)
NAMED = 3
"""So many rows or files a refusal names."""


class Identity(NamedTuple):
    """Identifiers in a DICOM file by which a table may name it; empty where it has none."""

    sop_instance_uid: str = ""
    patient_id: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    study_date: str = ""


class Place(NamedTuple):
    """Class or "", and split or None, by an image's folders, and whether its name says that it is no frontal view."""

    label: str = ""
    split: str | None = None
    other_view: bool = False


@dataclass
class Matches:
    """Rows by the files that they are about, and what fits nowhere.

    Attributes:
        rows: by path, of the files that have one label.
        other_label: paths of files that have another one than NORMAL and PNEUMONIA.
        other_view: paths of files that are no frontal view by the table or their names.
        without_row: paths of files that no row is about.
        without_file: rows about no file.
        two_labels: paths of files with two labels, of which their folder may say one, or with two patients.
        readers_disagree: paths of files on whose label no more than half of their readers agree.
        two_splits: paths of files with two splits, of which their folder may say one.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    other_label: list[str] = field(default_factory=list)
    other_view: list[str] = field(default_factory=list)
    without_row: list[str] = field(default_factory=list)
    without_file: list[Row] = field(default_factory=list)
    two_labels: list[str] = field(default_factory=list)
    readers_disagree: list[str] = field(default_factory=list)
    two_splits: list[str] = field(default_factory=list)


def match(table: Table, images: Mapping[str, Place], identities: Mapping[str, Identity]) -> Matches:
    """Find each row's files.

    Args:
        table: of the archive.
        images: what the folders of each image beside it say, by path.
        identities: of the DICOM files among them, by path; not needed where the table goes by `file`.
    """
    files = _in_folder(table, images)
    found = _by_file(table, files) if table.by == "file" else _by_identity(table, files, identities)
    rows: dict[str, list[Row]] = defaultdict(list)
    matches = Matches()
    for row, named in found:
        for path in named:
            rows[path].append(row)
        if not named:
            matches.without_file.append(row)
    for path in files:
        if path in rows:
            _place(matches, path, table_readers.agreed(rows[path]), images[path])
        elif images[path].other_view:
            matches.other_view.append(path)
        else:
            matches.without_row.append(path)
    return matches


def _place(matches: Matches, path: str, about: list[Row], folders: Place) -> None:
    """Put a file where it belongs by the rows about it, none where its readers disagree."""
    if not about:
        matches.readers_disagree.append(path)
    elif _differ(about) or folders.label not in {"", about[0].label}:
        matches.two_labels.append(path)
    elif folders.other_view or not all(row.frontal for row in about):
        matches.other_view.append(path)
    elif not about[0].label:
        matches.other_label.append(path)
    elif len({row.split for row in about}) > 1 or not _agree(about[0].split, folders.split):
        matches.two_splits.append(path)
    else:
        matches.rows[path] = about[0]


def _differ(rows: list[Row]) -> bool:
    return len({(row.label, row.patient.upper()) for row in rows}) > 1


def _agree(of_table: str | None, of_folder: str | None) -> bool:
    return None in {of_table, of_folder} or of_table == of_folder


def refuse_mismatched(table: Table, matches: Matches, name: Mapping[str, str]) -> None:
    """Few rows and files that do not fit are counted; many mean that table and files are not of each other.

    Args:
        table: of the archive.
        matches: of its rows.
        name: what a path is called in a message; itself where it is not there.

    Raises:
        TableError: naming some of them.
    """
    kinds = (matches.without_row, matches.two_labels, matches.two_splits)
    left = (matches.other_label, matches.other_view, matches.readers_disagree)
    files = len(matches.rows) + sum(map(len, (*left, *kinds)))
    refuse_without_dicom(table, files)
    without_row, two_labels, two_splits = ([name.get(path, path) for path in one] for one in kinds)
    lines = [f"line {row.line}" for row in matches.without_file]
    problems = [
        f"{len(some):,} of {total:,} {what} (at most {MAX_MISMATCHED_SHARE:.0%} may be so): {_some(some)}"
        for some, total, what in (
            (lines, len(table.rows), f"rows are about no file in the archive, by their {table.by}"),
            (without_row, files, "images have no row"),
            (two_labels, files, "images have two labels or two patients, the folder's label and every row counted"),
            (two_splits, files, "images have two splits, that of their folder counted"),
        )
        if len(some) > MAX_MISMATCHED_SHARE * total
    ]
    if problems:
        rounded = any(_ROUNDED.fullmatch(row.key) for row in matches.without_file)
        raise TableError(
            f"The table {table.called} does not fit the images: {'; '.join(problems)}. Give each image one row or "
            "leave it out, and take out the rows of images that are not there."
            + " A spreadsheet has rounded long numbers in it (1.23E+11): write it again with that column as text."
            * rounded
        )


def named(table: Table, paths: Iterable[str]) -> dict[str, Identity]:
    """Identities of pictures that are called, or lie in a folder that is called, as the table's rows are.

    Exports to PNG name files by SOP Instance UID, and folders by patient or accession number. In such a folder files
    have numbers of their own, so names of files count where no folder is called so or names patients in another way,
    and each says one image.

    Args:
        table: of the archive, which has no DICOM file.
        paths: of its images.

    Returns:
        An identity for each path, an empty one where nothing fits; none at all where nothing fits anywhere.

    Raises:
        TableError: images lie in folders of two rows.
    """
    of_instances = table.by == "sop_instance_uid"
    places = {path: parts(path.upper()) for path in paths}
    found = {} if of_instances else _keys(table, {path: place[:-1] for path, place in places.items()})
    if not found:
        found = _keys(table, {path: (_without_suffix(place[-1]),) for path, place in places.items()})
        said = Counter(_number(one) for keys in found.values() for one in keys)
        of_others = table.by == "patient_id" and any(map(patient_named, places))
        if of_others or (not of_instances and len(said) < said.total()):
            return {}
    if two := sum(len(set(map(_number, keys))) > 1 for keys in found.values()):
        raise TableError(
            f"The table {table.called} goes by {table.by}, and {two:,} of the images lie in folders of two of its "
            "rows, one in the other. Rename those that are not meant, or add a column file with each image's path."
        )
    return {path: Identity(**{table.by: keys[-1] if keys else ""}) for path, keys in found.items()}


def _keys(table: Table, said: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Those of each path's words that are keys of the table; none at all where none is."""
    keys = {_number(row.key.upper()) for row in table.rows}
    found = {path: [one for one in some if _number(one) in keys] for path, some in said.items()}
    return found if any(found.values()) else {}


def identified(
    table: Table, identify: Callable[[Table], Mapping[str, Identity]]
) -> tuple[Table, Mapping[str, Identity]]:
    """The table by what the images have, and that of each.

    De-identification empties or replaces accession numbers: where no image has one of the table's, and each row names
    a patient too, it goes by these.

    Args:
        table: of the archive.
        identify: the images' identities by what a table goes by.

    Raises:
        TableError: a patient's rows have a date, and the images several.
    """
    identities = identify(table)
    stated = [one.accession_number.upper() for one in identities.values() if one.accession_number]
    if table.patient_ids and not _keys(table, {"": stated}):
        table = table.by_patients()
        identities = identify(table)
    days = ((one.patient_id.upper(), one.study_date) for one in identities.values())
    patients = (row.key.upper() for row in table.rows)
    if table.by == "patient_id" and table.dated and (several := table_doubts.of_several_days(days, patients)):
        raise TableError(
            f"The table {table.called} goes by patient_id and has dates, and {several:,} of its patients have images "
            "of several days, of which one is meant. Add a column accession_number, study_instance_uid or file."
        )
    return table, identities


def refuse_without_dicom(table: Table, files: int) -> None:
    """Refuse a table that goes by what DICOM files say, where there is none.

    Args:
        table: of the archive.
        files: number of files that are or may be DICOM.

    Raises:
        TableError: saying so.
    """
    if table.by != "file" and not files:
        raise TableError(
            f"The table {table.called} goes by {table.by}, which DICOM files have, and there is none, nor an image "
            "that is called so. Add a column file with the path or name of each image."
        )


def without_split(table: Table, matches: Matches) -> list[str]:
    """Paths of images that the table gives no split; none of RSNA's, whose folders the challenge called so."""
    return [] if table.images else [path for path, row in matches.rows.items() if row.split is None]


def refuse_one_class(
    table: Table, matches: Matches, labelled: Iterable[tuple[str | None, str]], purpose: str = "train"
) -> None:
    """Refuse a table without both classes to train, or evaluate, on.

    Args:
        table: of the archive.
        matches: of its rows.
        labelled: split or None, and label, of each image.
        purpose: one of `layout.PURPOSES`.

    Raises:
        TableError: naming the class that is missing.
    """
    counts = Counter(label for split, label in labelled if split in {"train", None} or purpose == "evaluate")
    for label in LABELS:
        if not counts[label]:
            counted = (
                (matches.other_view, "are left out by their view, which is none that is known as frontal"),
                (matches.other_label, f"have labels that say neither {' nor '.join(LABELS)} plainly"),
                (matches.readers_disagree, "have readers of whom no more than half agree"),
            )
            why = "; ".join(f"{len(some):,} {what}" for some, what in counted if some)
            raise TableError(f"The table {table.called} has no {label} image to {purpose} on{why and f': {why}'}.")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(shown(one) for one in names[:NAMED]) + more


def _in_folder(table: Table, paths: Iterable[str]) -> list[str]:
    folder = f"{table.images}/".lower() if table.images else ""
    return [path for path in paths if plain(path).lower().startswith(folder)]


def _by_file(table: Table, files: list[str]) -> Iterable[tuple[Row, list[str]]]:
    keys = [plain(row.key) for row in table.rows]
    found: list[list[str]] = [[] for _ in keys]
    # RSNA's images are DICOM; many have them converted. So are others', where no row is about a file as it is called,
    # and spreadsheets have taken the zeros from names that are numbers.
    for any_suffix, zeros in ((bool(table.images), True), (True, True), (True, False)):
        called = _Called(table, files, any_suffix=any_suffix, zeros=zeros)
        # Paths of the machine that the table was written on begin with folders that the archive has not. What all of
        # them begin with can be left out, since rows then still say different files.
        for depth in range(len(_shared(keys)) + 1):
            found = [called.find("/".join(key.split("/")[depth:])) for key in keys]
            if any(found):
                return zip(table.rows, found, strict=True)
    return zip(table.rows, found, strict=True)


def _shared(keys: list[str]) -> list[str]:
    """The folders that all paths begin with."""
    first, last = (one.split("/")[:-1] for one in (min(keys), max(keys)))
    return [one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]


class _Called:
    """Files of an archive by what rows may call them."""

    def __init__(self, table: Table, files: list[str], *, any_suffix: bool, zeros: bool) -> None:
        self._top = plain(table.name).rpartition("/")[0]
        self._any_suffix, self._zeros = any_suffix, zeros
        places = {path: plain(path) for path in files}
        self._places = _Spelled(places.items())
        self._names = _Spelled((path, place.rpartition("/")[2]) for path, place in places.items())
        stems = {path: self._stem(place) for path, place in places.items()}
        self._place_stems = _Spelled(stems.items())
        self._name_stems = _Spelled((path, stem.rpartition("/")[2]) for path, stem in stems.items())

    def find(self, asked: str) -> list[str]:
        """The one file that a row is about: by its path or name, then by those without a suffix."""
        for one in itertools.chain([asked], _as_read(asked)):
            stem = self._stem(one) if self._any_suffix else one
            found = self._find(one, self._places, self._names)
            if found := found or self._find(stem, self._place_stems, self._name_stems):
                return found
        return []

    def _stem(self, place: str) -> str:
        stem = _without_suffix(place)
        above, slash, name = stem.rpartition("/")
        return stem if self._zeros else f"{above}{slash}{_number(name)}"

    def _find(self, asked: str, places: _Spelled, names: _Spelled) -> list[str]:
        below = f"{self._top}/{asked}".lstrip("/")
        by_name = names.find(asked) if "/" not in asked else []
        return places.find(below) or places.find(asked) or by_name


def _without_suffix(place: str) -> str:
    stem, dot, suffix = place.rpartition(".")
    return stem if dot + suffix.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES else place


def _as_read(name: str) -> Iterator[str]:
    """Spellings in which `zipfile` shows a name that an archiver wrote in its machine's own code page.

    What is not marked as UTF-8 it takes for code page 437 (APPNOTE 6.3.10, appendix D). macOS writes UTF-8 without the
    mark, with accents apart from their letters.
    """
    if name.isascii():
        return
    for encoding in CODE_PAGES:
        for form in ("NFC", "NFD") if encoding == "utf-8" else ("NFC",):
            with contextlib.suppress(UnicodeEncodeError):
                yield plain(unicodedata.normalize(form, name).encode(encoding).decode("cp437"))


class _Spelled:
    """Files by what they are called: as it is written, else in any case where that means one file.

    Args:
        called: paths, and what each is called.
    """

    def __init__(self, called: Iterable[tuple[str, str]]) -> None:
        self._exact: dict[str, list[str]] = defaultdict(list)
        self._any_case: dict[str, list[str]] = defaultdict(list)
        for path, name in called:
            self._exact[name].append(path)
            self._any_case[name.lower()].append(path)

    def find(self, name: str) -> list[str]:
        """The one file of that name; none where there are several."""
        found = self._exact.get(name) or self._any_case.get(name.lower(), [])
        return found if len(found) == 1 else []


def _by_identity(table: Table, files: list[str], identities: Mapping[str, Identity]) -> Iterable[tuple[Row, list[str]]]:
    known: dict[str, list[str]] = defaultdict(list)
    numbers: dict[str, set[str]] = defaultdict(set)
    for path in files:
        if stated := getattr(identities.get(path, Identity()), table.by).upper():
            known[stated].append(path)
            numbers[_number(stated)].add(stated)
    for row in table.rows:
        key = row.key.upper()
        # Spreadsheets take the zeros from a number.
        meant = {key} if key in known else numbers.get(_number(key), set())
        yield row, known[meant.pop()] if len(meant) == 1 else []


def _number(stated: str) -> str:
    stated = whole(stated)
    return stated.lstrip("0") if stated.isdecimal() else stated
