"""Table of labels in an archive: `labels.csv`, or that of RSNA's pneumonia challenge, and which file a row is about.

`labels.csv` has a header with `label` and one of `file`, `sop_instance_uid`, `series_instance_uid`,
`study_instance_uid`, `accession_number` and `patient_id`, in any order and case, and if wanted `split`, `subtype`,
`patient`, `view` and `reader`; or what published data sets have for them (`table_columns`). It
may be what Excel writes: separated by commas, semicolons or tabs, in UTF-8 with or without its mark, or in UTF-16 with
it. A `file` is a path below the table's folder or from the archive's top, or a name that one file has alone, each with
its suffix or without; folders that all paths begin with may be those of another machine.

A label is NORMAL or PNEUMONIA, the words that folders are read by (`layout_words`), or 0 or 1. An image of
another label is left out, as one in another folder is, and so is one of another view than a frontal one.

RSNA's table has a row for each box around an opacity, `Target` 1, and one without a box for every other radiograph,
`Target` 0, so several rows say the same (https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data).
Target 0 is "no lung opacity": radiographs of other diseases are among these.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace

from model_code.archive import table_columns, table_doubts
from model_code.archive.entries import RSNA_IMAGES, RSNA_TABLE, parts, shown
from model_code.archive.table_columns import FLAGS, KEYS, ColumnsError, label_of
from model_code.contract.labels import LABELS, PNEUMONIA

MAX_TABLE_BYTES = 64 * 2**20
_SEPARATORS = (",", ";", "\t", "|")
# Before a header, of an export that names itself.
_TITLE_LINES = 12
# Signs without a width, which copying from pages leaves in a cell.
_UNSEEN = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_ONE_CELL = re.compile(r'"([^"]|"")*"')
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_FORMULA = re.compile(r'\s*="([^"]*)"\s*')
# How people keep spreadsheets from it.
_APOSTROPHE = re.compile(r"\s*'(\d[\d.]*)\s*")
# First bytes of Excel's two formats, [MS-CFB] 2.2 and of a zip archive, whatever the name ends with.
_WORKBOOKS = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04")
_GZIP = b"\x1f\x8b"


class TableError(ValueError):
    """A table cannot be used. `str()` is a sentence or several that say why and what to do."""


@dataclass(frozen=True)
class Row:
    """Row of the table, about a file, or about all files of a series, a study or a patient.

    Attributes:
        line: of the table, from 1; a row over several lines has the last one's.
        key: value of the column that the table goes by.
        label: NORMAL, PNEUMONIA, or "" for any other.
        split: train, validation, test or None.
        subtype: bacteria, virus or "".
        patient: as the table calls the patient, or "".
        frontal: whether it names a frontal view, or none.
        reader: who judged the image, or "".
        study: as the table calls the image's study, or "".
    """

    line: int
    key: str
    label: str
    split: str | None = None
    subtype: str = ""
    patient: str = ""
    frontal: bool = True
    reader: str = ""
    study: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        name: its path in the archive.
        by: the column that says what a row is about, of `table_columns.KEYS`.
        rows: in the table's order.
        called: what messages call it.
        images: folder that all files it is about lie in, from the archive's top; "" for any.
        patient_ids: of its rows, where it goes by accession numbers and has both in each row.
        dated: whether a column says of which day a row is.
    """

    name: str
    by: str
    rows: list[Row]
    called: str
    images: str = ""
    patient_ids: tuple[str, ...] = ()
    dated: bool = False

    @property
    def names_patients(self) -> bool:
        """Whether it says of whom images are."""
        return any(row.patient for row in self.rows)

    def by_patients(self) -> Table:
        """The table by its `patient_ids`."""
        rows = [replace(row, key=key) for row, key in zip(self.rows, self.patient_ids, strict=True)]
        return replace(self, by="patient_id", rows=rows, patient_ids=())


def read(name: str, content: bytes, called: str = "", *, split_folders: bool = False) -> Table:
    """Read a table.

    Args:
        name: its path in the archive.
        content: of the file.
        called: what messages call it, where that is not its path.
        split_folders: whether the images' folders name their splits, so that a column does only if it is called so.

    Raises:
        TableError: naming the table, and the line where there is one at fault.
    """
    called = shown(called or name)
    header, cells = read_cells(called, content)
    of_rsna = plain(name).rpartition("/")[2].lower() == RSNA_TABLE and "label" not in header
    table = (
        _rsna(name, called, header, cells)
        if of_rsna
        else _labels(name, called, header, cells, split_folders=split_folders)
    )
    if not table.rows:
        raise TableError(f"The table {called} has a header and no rows.")
    if not any(row.label for row in table.rows):
        first = table.rows[0]
        raise TableError(
            f"The table {called} has no row of {' or '.join(LABELS)}: what line {first.line} says, for example, "
            "is neither. Write these words, or 0 and 1."
        )
    return table


def read_cells(called: str, content: bytes) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns of a table, and the line and the cells of each row that has any.

    Args:
        called: what messages call it.
        content: of the file.

    Raises:
        TableError: it is no table, or no whole one.
    """
    if len(content) > MAX_TABLE_BYTES:
        raise TableError(
            f"The table {called} has more than {MAX_TABLE_BYTES // 2**20} MiB: leave out columns that are not read, "
            "such as reports."
        )
    lines = _unwrapped(_decoded(called, content))
    separator, skipped = _separator(lines)
    text = io.StringIO("".join(lines[skipped:]), newline="")
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        header = [table_columns.plain(_said(cell)) for cell in next(reader, [])]
        cells = [(reader.line_num + skipped, list(map(_said, row))) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise TableError(f"The table {called} is damaged near line {reader.line_num + skipped}: {error}.") from error
    if twice := [column for column, count in Counter(header).items() if column and count > 1]:
        # The first line of a table without a header may name patients.
        raise TableError(
            f"The table {called} has two columns {twice[0] if twice[0] in table_columns.KNOWN else 'of one name'}."
        )
    if long := next((line for line, row in cells if any(map(str.strip, row[len(header) :]))), None):
        # What is cut off could be the label, with another column's text in its place.
        raise TableError(
            f"Line {long} of the table {called} has more cells than the first line has columns: put a text that "
            "holds the separator in quotes."
        )
    return header, cells


def _decoded(called: str, content: bytes) -> list[str]:
    """The table's lines, with their ends."""
    if content.startswith(_GZIP):
        raise TableError(f"The table {called} is compressed with gzip: unpack it.")
    if content.startswith(_WORKBOOKS):
        raise TableError(f"The table {called} is a workbook, such as Excel's, and no text. Save it as “CSV UTF-8”.")
    encoding = next((one for mark, one in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise TableError(
                f"The table {called} is in UTF-16, by its first bytes, and is damaged or cut short at byte "
                f"{error.start:,}. Save it as “CSV UTF-8”."
            ) from error
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"The table {called} is not in UTF-8: line {line} has the byte {content[error.start]:#04x}. Save it "
            "as “CSV UTF-8”."
        ) from error
    text = text.removesuffix("\x1a")  # which ended files of MS-DOS
    if "\0" in text:
        raise TableError(
            f"The table {called} is no text, or in UTF-16 without the mark that says so. Save it as “CSV UTF-8”."
        )
    return io.StringIO(text, newline=None).read().splitlines(keepends=True)


def _unwrapped(lines: list[str]) -> list[str]:
    """The lines of a table of which each is one cell in quotes, as Excel writes a text that it has not taken apart."""
    header = next((line.strip() for line in lines if line.strip()), "")
    if not any(_known(header[1:-1], one) > 1 for one in _SEPARATORS):
        return lines
    if not all(_ONE_CELL.fullmatch(line.strip()) for line in lines if line.strip()):
        return lines
    return [line.strip()[1:-1].replace('""', '"') + "\n" if line.strip() else line for line in lines]


def _known(header: str, separator: str) -> int:
    return len({table_columns.plain(cell) for cell in header.split(separator)} & table_columns.KNOWN)


def _separator(lines: list[str]) -> tuple[str, int]:
    """Separator of the columns, and the number of lines before the header.

    Excel may begin with `sep=;`, and exports with a title: the header is the first line with two names of columns.
    """
    skipped = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[skipped].strip().strip('"').lower().startswith("sep=") and len(lines) > skipped + 1:
        skipped += 1
    places = ((number, one) for number in range(skipped, min(len(lines), _TITLE_LINES)) for one in _SEPARATORS)
    skipped = next((number for number, one in places if _known(lines[number], one) > 1), skipped)
    header = lines[skipped] if lines else ""
    return max(_SEPARATORS, key=lambda one: _known(header, one)), skipped


def _said(cell: str) -> str:
    """A cell's text, also where it is a formula of nothing else, by which exports keep spreadsheets from numbers."""
    # A table has millions of cells.
    if not cell.isascii():
        cell = cell.translate(_UNSEEN)
    if "=" not in cell and "'" not in cell:
        return cell
    formula = _FORMULA.fullmatch(cell) or _APOSTROPHE.fullmatch(cell)
    return formula[1] if formula else cell


def _labels(
    name: str, called: str, header: list[str], cells: list[tuple[int, list[str]]], *, split_folders: bool
) -> Table:
    numbered, told = "label" in header, "split" not in header
    try:
        header = table_columns.told_by_cells(
            table_columns.known(header), [row for _, row in cells], split_folders=split_folders
        )
    except ColumnsError as error:
        raise TableError(f"The table {called} {error}.") from error
    by = next((key for key in KEYS if key in header), None)
    flagged = "label" not in header and set(FLAGS) <= set(header)
    if by is None or ("label" not in header and not flagged):
        # The first line of a table without a header may name patients, so it is not repeated.
        alone = " Its column Pneumonia alone does not say which of the others show nothing." * (FLAGS[0] in header)
        raise TableError(
            f"The first line of the table {called} has to name its columns: label, and one of {', '.join(KEYS)}. "
            "A patient column keeps one person's images together."
            + alone
            + " docs/datasets.md has the other names that are read."
        )
    patient = next((one for one in ("patient", "patient_id") if one in header), None)
    study = table_columns.study(header, [row for _, row in cells])
    rows = []
    for line, row in cells:
        said = {column: cell.strip() for column, cell in zip(header, row, strict=False)}
        label, subtype = (
            (table_columns.label_of_flags(said), "") if flagged else label_of(said.get("label", ""), numbered=numbered)
        )
        split = table_columns.split_of(said.get("split", ""), numbered=not told)
        if table_columns.stated(said.get("split", "")) and split is None:
            raise TableError(
                f"Line {line} of the table {called} has a split that is none of train, val and test."
                + " Leave out that column if it is none of splits." * told
            )
        if not said.get(by):
            raise TableError(f"Line {line} of the table {called} has nothing in the column {by}.")
        subtype = (table_columns.subtype_of(said.get("subtype", "")) or subtype) if label == PNEUMONIA else ""
        frontal = table_columns.is_frontal(said.get("view", "")) and table_columns.is_of_the_chest(said)
        # A column without a name is a data frame's index, and names nobody.
        named = table_columns.whole(table_columns.stated(said.get(patient, ""))) if patient else ""
        reader = table_columns.stated(said.get("reader", ""))
        rows.append(Row(line, said[by], label, split, subtype, named, frontal, reader, said.get(study, "")))
    ids = [dict(zip(header, row, strict=False)).get("patient_id", "").strip() for _, row in cells]
    patient_ids = tuple(ids) if by == "accession_number" and all(ids) else ()
    return Table(name, by, rows, called, patient_ids=patient_ids, dated=table_doubts.has_days(header))


def _rsna(name: str, called: str, header: list[str], cells: list[tuple[int, list[str]]]) -> Table:
    if not {"patient_id", "target"} <= set(header):
        raise TableError(f"The table {called} needs the columns patientId and Target, as RSNA's has them.")
    folder = f"{plain(name).rpartition('/')[0]}/{RSNA_IMAGES}".lstrip("/")
    rows = []
    for line, row in cells:
        said = {column: cell.strip() for column, cell in zip(header, row, strict=False)}
        patient = said.get("patient_id", "")
        if not patient:
            raise TableError(f"Line {line} of the table {called} has nothing in the column patientId.")
        label = table_columns.of_digits(said.get("target", ""))
        rows.append(Row(line, f"{RSNA_IMAGES}/{patient}.dcm", label, patient=patient))
    return Table(name, "file", rows, called, images=folder)


def plain(path: str) -> str:
    """A path as people write it: no backslashes, nothing that goes nowhere, and a letter with its accent as one."""
    composed = unicodedata.normalize("NFC", path)  # macOS takes them apart
    return "/".join(parts(composed))
