"""Table of labels in an archive: `labels.csv`, or that of RSNA's pneumonia challenge, and which file a row is about.

`labels.csv` has a header with `label` and one of `file`, `sop_instance_uid` and `patient_id`, in any order and case,
and if wanted `split`, `subtype` and `patient`. It may be what Excel writes: separated by commas, semicolons or tabs, in
UTF-8 with or without its mark, or in UTF-16 with it. A `file` is a path below the table's folder or from the archive's
top, or a name that one file has alone.

A label is NORMAL or PNEUMONIA, the words that folders are read by (`contract.layout_words`), or 0 or 1. An image of
another label is left out, as one in another folder is.

RSNA's table has a row for each box around an opacity, `Target` 1, and one without a box for every other radiograph,
`Target` 0, so several rows say the same (https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data).
Target 0 is "no lung opacity": radiographs of other diseases are among these.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from model_code.contract import layout_words as spoken
from model_code.contract.entries import RSNA_IMAGES, RSNA_TABLE, parts, shown
from model_code.contract.labels import LABELS, NORMAL, PNEUMONIA

MAX_TABLE_BYTES = 64 * 2**20
MAX_MISMATCHED_SHARE = 0.05
"""Of the rows without a file, of the files without a row and of the images with two labels, each."""
NAMED = 3
"""So many rows or files a refusal names."""
_KEYS = ("file", "sop_instance_uid", "patient_id")
# As DICOM spells them (PS3.6).
_SPELLINGS = {"sopinstanceuid": "sop_instance_uid", "patientid": "patient_id"}
_RSNA_COLUMNS = frozenset({"patientid", "target"})
_SEPARATORS = (",", ";", "\t", "|")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_DIGITS = {"0": NORMAL, "1": PNEUMONIA}
# `Pneumonia?` is a doubt, and `pneumonia: 0` the opposite of what its word says.
_UNCERTAIN = frozenset("?:=")


class TableError(ValueError):
    """A table cannot be used. `str()` is a sentence or several that say why and what to do."""


class Identity(NamedTuple):
    """What a DICOM file calls its instance and its patient; empty where it does not."""

    sop_instance_uid: str = ""
    patient_id: str = ""


@dataclass(frozen=True)
class Row:
    """What the table says of a file, or of all files of a patient.

    Attributes:
        line: of the table, from 1; a row over several lines has the last one's.
        key: value of the column that the table goes by.
        label: NORMAL, PNEUMONIA, or "" for any other.
        split: train, validation, test or None.
        subtype: bacteria, virus or "".
        patient: as the table calls the patient, or "".
    """

    line: int
    key: str
    label: str
    split: str | None = None
    subtype: str = ""
    patient: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        name: its path in the archive.
        by: the column that says what a row is about: `file`, `sop_instance_uid` or `patient_id`.
        rows: in the table's order.
        images: folder that all files it is about lie in, from the archive's top; "" for any.
    """

    name: str
    by: str
    rows: list[Row]
    images: str = ""


@dataclass
class Matches:
    """Which row is which file's, and what fits nowhere.

    Attributes:
        rows: by path, of the files that have one label.
        other_label: paths of files that have another one than NORMAL and PNEUMONIA.
        without_row: paths of files that no row is about.
        without_file: rows about no file.
        conflicting: paths of files with two labels, one of which may be their folder's, two splits or two patients.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    other_label: list[str] = field(default_factory=list)
    without_row: list[str] = field(default_factory=list)
    without_file: list[Row] = field(default_factory=list)
    conflicting: list[str] = field(default_factory=list)


def read(name: str, content: bytes) -> Table:
    """Read a table.

    Args:
        name: its path in the archive.
        content: of the file.

    Raises:
        TableError: naming the table, and the line where there is one at fault.
    """
    if len(content) > MAX_TABLE_BYTES:
        raise TableError(f"The table {shown(name)} has more than {MAX_TABLE_BYTES // 2**20} MiB.")
    lines = _decoded(name, content)
    separator, skipped = _separator(lines)
    text = io.StringIO("".join(lines[skipped:]), newline="")
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        header = [_column(cell) for cell in next(reader, [])]
        cells = [(reader.line_num + skipped, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise TableError(
            f"The table {shown(name)} is damaged near line {reader.line_num + skipped}: {error}."
        ) from error
    if twice := [column for column, count in Counter(header).items() if column and count > 1]:
        raise TableError(f"The table {shown(name)} has two columns {shown(twice[0], 60)}.")
    if long := next((line for line, row in cells if any(map(str.strip, row[len(header) :]))), None):
        # What is cut off could be the label, with another column's text in its place.
        raise TableError(
            f"Line {long} of the table {shown(name)} has more cells than the first line has columns: put a text that "
            "holds the separator in quotes."
        )
    table = _rsna(name, header, cells) if _is_rsna(name, header) else _labels(name, header, cells)
    if not table.rows:
        raise TableError(f"The table {shown(name)} has a header and no rows.")
    if not any(row.label for row in table.rows):
        first = table.rows[0]
        raise TableError(
            f"The table {shown(name)} has no row of {' or '.join(LABELS)}: what line {first.line} says, for example, "
            "is neither. Write these words, or 0 and 1."
        )
    return table


def match(table: Table, images: Mapping[str, str], identities: Mapping[str, Identity]) -> Matches:
    """Find each row's files.

    Args:
        table: of the archive.
        images: class that the folder of each image beside it names, or "", by path.
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
        about = rows.get(path, [])
        if not about:
            matches.without_row.append(path)
        elif _differ(about) or images[path] not in {"", about[0].label}:
            matches.conflicting.append(path)
        elif not about[0].label:
            matches.other_label.append(path)
        else:
            matches.rows[path] = about[0]
    return matches


def _differ(rows: list[Row]) -> bool:
    return len({(row.label, row.split, row.patient.upper()) for row in rows}) > 1


def refuse_mismatched(table: Table, matches: Matches, name: Mapping[str, str]) -> None:
    """Few rows and files that do not fit are counted; many mean that table and files are not of each other.

    Args:
        table: of the archive.
        matches: of its rows.
        name: what a path is called in a message; itself where it is not there.

    Raises:
        TableError: naming some of them.
    """
    files = len(matches.rows) + len(matches.other_label) + len(matches.without_row) + len(matches.conflicting)
    lines = [f"line {row.line}" for row in matches.without_file]
    unnamed, opposed = ([name.get(path, path) for path in one] for one in (matches.without_row, matches.conflicting))
    problems = [
        f"{len(some):,} of {total:,} {what} (at most {MAX_MISMATCHED_SHARE:.0%} may be so): {_some(some)}"
        for some, total, what in (
            (lines, len(table.rows), f"rows are about no file in the archive, by their {table.by}"),
            (unnamed, files, "images have no row"),
            (opposed, files, "images have two labels, two splits or two patients"),
        )
        if len(some) > MAX_MISMATCHED_SHARE * total
    ]
    if problems:
        raise TableError(f"The table {shown(table.name)} does not fit the images: {'; '.join(problems)}.")


def refuse_one_class(table: Table, labelled: Iterable[tuple[str | None, str]]) -> None:
    """Refuse a table without both classes to train on.

    Args:
        table: of the archive.
        labelled: split or None, and label, of each image.

    Raises:
        TableError: naming the class that is missing.
    """
    counts = Counter(label for split, label in labelled if split in {"train", None})
    for label in LABELS:
        if not counts[label]:
            raise TableError(f"The table {shown(table.name)} has no {label} image to train on.")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(shown(one) for one in names[:NAMED]) + more


def _decoded(name: str, content: bytes) -> list[str]:
    """The table's lines, with their ends."""
    encoding = next((one for mark, one in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"The table {shown(name)} is not in UTF-8: line {line} has the byte {content[error.start]:#04x}. Save it "
            "as “CSV UTF-8”."
        ) from error
    if "\0" in text:
        raise TableError(
            f"The table {shown(name)} is no text, or in UTF-16 without the mark that says so. Save it as “CSV UTF-8”."
        )
    return io.StringIO(text, newline=None).read().splitlines(keepends=True)


def _separator(lines: list[str]) -> tuple[str, int]:
    """What separates the columns, and how many lines come before the header: Excel may begin with `sep=;`."""
    skipped = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[skipped].strip().lower().startswith("sep=") and len(lines) > skipped + 1:
        skipped += 1
    header = lines[skipped] if lines else ""
    return max(
        _SEPARATORS, key=lambda one: len({_column(cell) for cell in header.split(one)} & {*_KEYS, "label", "target"})
    ), skipped


def _column(cell: str) -> str:
    plain = cell.strip().strip('"').strip().lower().replace(" ", "_")
    return _SPELLINGS.get(plain, plain)


def _is_rsna(name: str, header: list[str]) -> bool:
    return name.replace("\\", "/").rpartition("/")[2].lower() == RSNA_TABLE and "label" not in header


def _labels(name: str, header: list[str], cells: list[tuple[int, list[str]]]) -> Table:
    by = next((key for key in _KEYS if key in header), None)
    if by is None or "label" not in header:
        # The first line of a table without a header may name patients, so it is not repeated.
        raise TableError(
            f"The first line of the table {shown(name)} has to name its columns: label, and one of {', '.join(_KEYS)}."
        )
    patient = next((one for one in ("patient", "patient_id") if one in header), "")
    rows = []
    for line, row in cells:
        said = {column: cell.strip() for column, cell in zip(header, row, strict=False)}
        label, subtype = _label(said.get("label", ""))
        split = _split(said.get("split", ""))
        if said.get("split") and split is None:
            raise TableError(f"Line {line} of the table {shown(name)} has a split that is none of train, val and test.")
        if not said.get(by):
            raise TableError(f"Line {line} of the table {shown(name)} has nothing in the column {by}.")
        stated = spoken.only(spoken.words(said.get("subtype", "")), spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS)
        subtype = (stated or subtype) if label == PNEUMONIA else ""
        rows.append(Row(line, said[by], label, split, subtype, said.get(patient, "")))
    return Table(name, by, rows)


def _rsna(name: str, header: list[str], cells: list[tuple[int, list[str]]]) -> Table:
    if not {"patient_id", "target"} <= set(header):
        raise TableError(f"The table {shown(name)} needs the columns patientId and Target, as RSNA's has them.")
    folder = f"{_plain(name).rpartition('/')[0]}/{RSNA_IMAGES}".lstrip("/")
    rows = []
    for line, row in cells:
        said = {column: cell.strip() for column, cell in zip(header, row, strict=False)}
        patient = said.get("patient_id", "")
        if not patient:
            raise TableError(f"Line {line} of the table {shown(name)} has nothing in the column patientId.")
        label = _DIGITS.get(said.get("target", ""), "")
        rows.append(Row(line, f"{RSNA_IMAGES}/{patient}.dcm", label, patient=patient))
    return Table(name, "file", rows, images=folder)


def _label(said: str) -> tuple[str, str]:
    """Label and subtype; none for another word than those that folders are read by."""
    if _UNCERTAIN & set(said):
        return "", ""
    found = spoken.words(said)
    subtype = spoken.only(found, spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS)
    label = spoken.only(found, spoken.LABEL_WORDS, spoken.LABEL_COMPANIONS) or (PNEUMONIA if subtype else "")
    return label or _DIGITS.get(said.removesuffix(".0"), ""), subtype


def _split(said: str) -> str | None:
    return spoken.only(spoken.words(said), spoken.SPLIT_WORDS, spoken.SPLIT_COMPANIONS) or None


def _in_folder(table: Table, paths: Iterable[str]) -> list[str]:
    folder = f"{table.images}/".lower() if table.images else ""
    return [path for path in paths if _plain(path).lower().startswith(folder)]


def _plain(path: str) -> str:
    """A path as people write it: no backslashes, nothing that goes nowhere, and a letter with its accent as one."""
    composed = unicodedata.normalize("NFC", path)  # macOS takes them apart
    return "/".join(parts(composed))


def _by_file(table: Table, files: list[str]) -> Iterable[tuple[Row, list[str]]]:
    top = _plain(table.name).rpartition("/")[0]
    plain = {path: _plain(path) for path in files}
    places = _Spelled((path, place) for path, place in plain.items())
    names = _Spelled((path, place.rpartition("/")[2]) for path, place in plain.items())
    for row in table.rows:
        asked = _plain(row.key)
        below = f"{top}/{asked}".lstrip("/")
        by_name = names.find(asked) if "/" not in asked else []
        yield row, places.find(below) or places.find(asked) or by_name


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
    for path in files:
        if stated := getattr(identities.get(path, Identity()), table.by):
            known[stated.upper()].append(path)
    for row in table.rows:
        yield row, known.get(row.key.upper(), [])
