"""Columns of a table of labels by the names that data sets have for them, and what a row's cells say.

Data sets are published with tables of their own: `Image Index` and `Finding Labels` (NIH ChestX-ray14), a column for
each finding (CheXpert, MIMIC-CXR, VinDr-PCXR), a list of findings (PadChest). Called `labels.csv`, such a table is read
as it is where its columns say plainly which image a row is about, and whether that shows pneumonia or nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from model_code.archive import layout_words as spoken
from model_code.archive import table_doubts
from model_code.contract.labels import NORMAL, PNEUMONIA
from model_code.dicom.words import anatomy, view_words

KEYS = ("file", "sop_instance_uid", "series_instance_uid", "study_instance_uid", "accession_number", "patient_id")
"""Columns that say what a row is about, the first of a table that is there."""
FLAGS = ("pneumonia", "no_finding")
"""Columns of a table that has one for each finding, which stand in for `label`: 1 where it is there."""
# Other names, in the spelling of `plain`.
_SPELLINGS = {one.replace("_", ""): one for one in KEYS if "_" in one}  # as DICOM has them (PS3.6)
_SPELLINGS |= dict.fromkeys(("bodypart", "bodypartexamined", "bodyregion", "anatomy", "anatomicregion"), "bodypart")
_OTHER_NAMES = {
    "file": (
        *("filename", "file_name", "file_path", "filepath", "path", "dicom_id"),
        *("image", "image_id", "imageid", "image_index", "image_name", "image_path"),
        *("pngpath", "path_to_image", "x_ray_image_name"),
    ),
    "sop_instance_uid": ("sop_uid", "sopuid", "instance_uid", "image_uid"),
    "series_instance_uid": ("series_uid", "seriesuid"),
    "study_instance_uid": ("study_uid", "studyuid"),
    "accession_number": ("accession", "accession_no", "accession_#", "acc_no"),
    "patient_id": ("mrn", "pid", "patient_number", "patient_no", "deid_patient_id"),
    "label": ("labels", "finding", "findings", "finding_labels", "class", "class_name", "diagnosis"),
    "no_finding": ("normal",),
    "patient": ("subject_id",),
    "reader": ("rad_id", "reader_id", "radiologist", "rater", "annotator"),
    "view": ("view_position", "viewposition", "projection", "frontal/lateral", "frontal_lateral"),
}
# Columns of this product's own that say it already.
_UNNEEDED = {"file": "sop_instance_uid", "patient": "patient_id"}
KNOWN = frozenset({*KEYS, *FLAGS, *_OTHER_NAMES, "split", "subtype", "target", "modality", "bodypart"}).union(
    *_OTHER_NAMES.values()
)
"""Names that a message may repeat: the first line of a table without a header may be about patients."""
_DIGITS = {"0": NORMAL, "1": PNEUMONIA, "false": NORMAL, "true": PNEUMONIA}
_DIGITS |= {word: PNEUMONIA if value else NORMAL for word, value in table_doubts.LOCALIZED.items()}
# Signs that leave words what they are. Others change them: `Pneumonia?`, `pneumonia: 0`, `∅ Pneumonia`, `<50%`.
_SIGNS = re.compile(r"[\w\s.,;/|&+()\[\]'\"\u2019\u2013\u2014-]*")
# `Pneumonia (-)`, `pneumonia -`, `-pneumonia`, `Pneumonia 0`: the opposite of what the word says.
_TAKEN_BACK = re.compile(r"\(\s*[\u2013\u2014-]\s*\)|[\u2013\u2014-]\s*$|^\s*[\u2013\u2014-]|[^\W\d].*[\W_]0\W*$")
# As programs write several: `A|B`, and `['a', 'b']`. A comma in a text may go on with `ruled out`.
_LIST = re.compile(r"\[\s*(.*?)\s*\]")
_LISTED = re.compile(r"['\"]\s*,\s*['\"]")
# Of what is no finding by itself but may be about the one beside it: `Pneumonia|ruled out`, `Pneumonia|no`.
_ABOUT_NOTHING = (
    spoken.DOUBTS | spoken.LABEL_WORDS.keys() | {"out", "present", "seen", "found", "evident", "evidence", "of"}
)
_SIGNLESS = re.compile(r"[\W_]+")
_WHOLE = re.compile(r"(\d+)[.,]0")
# Columns of people, who may be called Train and Val, and of the image that this one is compared with.
_READER = re.compile(r"reader|radiologist|rater|annotator|observer|physician|doctor")
_OF_ANOTHER_IMAGE = re.compile(r"prior|previous|compar|second|earlier|former")
# So many cells without a split are none of a column of splits, and so many different ones none of names of classes.
_ENOUGH = 50
_REVERSED = 0.9
# By which images of one person are kept together where nothing names the patient. In the mean at most so many are of
# one study, and of one person, where a column is only called so.
_STUDIES = ("study_instance_uid", "accession_number", "study_id", "exam_id", "examination_id")
_IMAGES_OF_A_STUDY = 5
_IMAGES_OF_A_PERSON = 50
# What a column of people is called besides `patient` and `subject_id`, in the languages of hospitals, without signs.
_PERSON = re.compile(
    r"(id|no|num|numero|anon|deid)?(de|del|do)?"
    r"(patient(en|in)?|pat|subject|subj|participant|person|paciente|paziente|pacient|pacjent|пациент|患者|病人|환자)s?"
    r"(id|ids|uid|guid|no|nr|num|number|nummer|numero|key|code|hash|index|identifier|pseudo(nym|id)?|name|编号|号|番号|번호)?"
    r"|pseudonym(id)?|(anon|anonymi[sz]ed|deidentified)(_?id)?|empi(anon)?|nhsnumber|nhsno|hospital(number|no)|nhc"
)
_RADIOGRAPHS = frozenset({"cr", "dx", "dr", "xr", "rx", "xray", "radiograph", "radiography"})
# As data frames and people write an empty cell.
_EMPTY = frozenset({"", "nan", "none", "null", "na", "n/a", "-"})


class ColumnsError(ValueError):
    """Columns of which two are about the same. `str()` is the end of a sentence about the table."""


def plain(cell: str) -> str:
    """A column's name in lower case, with `_` for blanks."""
    named = cell.strip().strip('"').strip().lower().replace(" ", "_")
    return _SPELLINGS.get(named.replace("_", ""), named)


def known(header: Iterable[str]) -> list[str]:
    """The names of columns, and those that data sets have for one of this product replaced by it.

    Raises:
        ColumnsError: two of them would be the same column.
    """
    own = list(header)
    columns = own.copy()
    for ours, others in _OTHER_NAMES.items():
        found = [column for column in columns if column in others]
        if not found or ours in columns or _UNNEEDED.get(ours) in own:
            continue
        if len(found) > 1:
            if ours == "view":
                continue  # their cells tell
            if ours == "file" and "patient_id" in columns:
                continue  # the table goes by its patients then
            if ours in KEYS and set(KEYS[: KEYS.index(ours)]) & set(columns):
                continue  # the table goes by another one
            raise ColumnsError(f"has the columns {' and '.join(found)}, and either may be meant: call one {ours}")
        columns[columns.index(found[0])] = ours
    return columns


def told_by_cells(header: list[str], rows: Sequence[Sequence[str]], *, split_folders: bool) -> list[str]:
    """The columns, with `split` and `view` for those of other names whose cells say that.

    `Dataset_type`, `partition` or `conjunto` hold back images as `split` does, and to train on them cannot be undone.

    Args:
        header: the columns' names.
        rows: cells of each row.
        split_folders: whether the images' folders name their splits, so that no such column does.

    Raises:
        ColumnsError: two columns are of splits, or of views, and not the same.
    """
    header = list(header)
    others = [index for index, name in enumerate(header) if name not in KNOWN and not _READER.search(name)]
    _refuse_doubts(header, rows, others, split_folders=split_folders)
    if "split" not in header and not split_folders:
        found = {index: _splits(rows, index) for index in others}
        meant = {index: said for index, said in found.items() if len(set(said) - {""}) > 1}
        if len(set(map(tuple, meant.values()))) > 1:
            raise ColumnsError("has several columns of train, val and test that differ: call the one that counts split")
        if meant:
            header[next(iter(meant))] = "split"
        elif any(table_doubts.splits_without_train(_cells(rows, index)) for index in others):
            raise ColumnsError(
                "has a column that may be of splits, such as development and holdout: call it split, with the words "
                "train, val and test, or leave it out"
            )
    if "view" not in header:
        views = [index for index, name in enumerate(header) if name in _OTHER_NAMES["view"]]
        views = views or [index for index in others if _tells_views(rows, index, header[index])]
        if len({tuple(map(is_frontal, _cells(rows, index))) for index in views}) > 1:
            raise ColumnsError("has several columns of views that differ: call the one of each image view")
        if views:
            header[views[0]] = "view"
    if not {"patient", "patient_id"} & set(header):
        people = [index for index in others if _PERSON.fullmatch(_SIGNLESS.sub("", header[index]))]
        counted = {index: count for index in people if (count := _people(rows, index))}
        # Of a number and a name, the one that is of fewer people keeps more together.
        if counted:
            header[min(counted, key=lambda index: counted[index])] = "patient"
    return header


def _people(rows: Sequence[Sequence[str]], index: int) -> int:
    """Number of people by a column's cells, each empty one being of another; 0 where the cells are no people's.

    `anonymized` may be yes of each row, a name that of nobody, and a number that of a hospital.
    """
    cells = list(_cells(rows, index))
    said = Counter(filter(None, cells))
    several = len(said) > 1 and len(said) * _IMAGES_OF_A_PERSON >= said.total()
    return len(said) + cells.count("") if several and None in map(table_doubts.boolean, said) else 0


def study(header: list[str], rows: Sequence[Sequence[str]]) -> str:
    """Name of the column of the images' studies; "" where none has about as many as there are images.

    `study_id` may be what a whole trial is called.
    """
    for name in _STUDIES:
        if name in header:
            cells = list(filter(None, _cells(rows, header.index(name))))
            if len(set(cells)) >= len(cells) / _IMAGES_OF_A_STUDY:
                return name
    return ""


def _refuse_doubts(header: list[str], rows: Sequence[Sequence[str]], others: list[int], *, split_folders: bool) -> None:
    """Refuse a table whose rows may be for something else than its label and split say.

    Raises:
        ColumnsError: saying why.
    """
    said = table_doubts.doubt(
        ((index, header[index]) for index in others),
        lambda index: list(_cells(rows, index)),
        splits="split" not in header and not split_folders,
        views="view" not in header,
    )
    if said:
        raise ColumnsError(said)
    if found := [index for index in others if table_doubts.some_set_aside(_cells(rows, index))]:
        raise ColumnsError(
            f"has a column by which some rows are set aside, such as rejected (column {found[0] + 1}): take these rows "
            "out, and that column"
        )
    if "label" in header:
        labels = [*_cells(rows, header.index("label"))]
        if table_doubts.numbers_of_classes(labels):
            raise ColumnsError(
                "has numbers of more than two classes as labels, and 0 and 1 may be any of them: write NORMAL and "
                "PNEUMONIA, and a word for each of the others"
            )
        later = [index for index in others if table_doubts.of_later_labels(header[index])]
        if found := [index for index in later if _differs(labels, _cells(rows, index))]:
            raise ColumnsError(
                f"has a second column of labels, final or corrected ones (column {found[0] + 1}), and they differ: "
                "call the one that counts label, and leave the other out"
            )
        numbers = [*map(of_digits, labels)]
        if any(numbers) and (found := [at for at in range(len(header)) if _is_opposite(numbers, rows, at)]):
            raise ColumnsError(
                f"has labels of 0 and 1 that another of its columns (column {found[0] + 1}) calls the opposite in "
                "words: 0 is read as NORMAL, and 1 as PNEUMONIA. Write these words into label"
            )


def _differs(labels: list[str], later: Iterable[str]) -> bool:
    pairs = {(one, other) for one, other in zip(labels, later, strict=True) if one and other and one != other}
    return any(label_of(one)[0] != label_of(other)[0] for one, other in pairs)


def _is_opposite(numbers: list[str], rows: Sequence[Sequence[str]], index: int) -> bool:
    """Whether a column's words name both classes, and each the other one than its rows' numbers, but for some mistakes.

    `normal` alone may be about the heart, `pneumonia` a history, and words in some rows what somebody remarked on them.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for label, cell in zip(numbers, _cells(rows, index), strict=True):
        if label:
            pairs[label, cell] += 1
        if len(pairs) > 2 * _ENOUGH:
            return False
    named: Counter[tuple[str, str]] = Counter()
    for (label, cell), count in pairs.items():
        named[label, _named(cell)] += count
    opposite = {word: named[other, word] for word, other in ((NORMAL, PNEUMONIA), (PNEUMONIA, NORMAL))}
    told = {word: count + named[word, word] for word, count in opposite.items()}
    reversed_ = all(count and count >= _REVERSED * told[word] for word, count in opposite.items())
    return reversed_ and 2 * sum(told.values()) >= pairs.total()


def _named(cell: str) -> str:
    return label_of(cell, numbered=False)[0]


def _splits(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    """Splits by a column's cells, `""` where they are empty; none at all where most of them say anything else.

    What is neither, beside train, is somebody's word for what is held back: its rows are refused then. So is a split
    with a number, which may be a second one, or no split but an examination's `Test 2`.
    """
    said: list[str] = []
    named = filled = 0
    for cell in _cells(rows, index):
        said.append(split_of(cell, numbered=False) or cell.lower())
        filled += bool(cell)
        named += split_of(cell) is not None
        if filled == _ENOUGH and not named:
            return []
    return said if "train" in said and 2 * named >= filled else []


def _tells_views(rows: Sequence[Sequence[str]], index: int, name: str) -> bool:
    """Whether each cell of a column names a view of its row's image, and one of them none from the front."""
    views: set[str] = set()
    if _OF_ANOTHER_IMAGE.search(name):
        return False
    for cell in filter(None, _cells(rows, index)):
        view = view_words.of_position(spoken.unaccented(cell).upper())
        if view is None:
            return False
        views.add(view)
    return view_words.FRONTAL in views and len(views) > 1


def _cells(rows: Sequence[Sequence[str]], index: int) -> Iterator[str]:
    return (stated(row[index]) if index < len(row) else "" for row in rows)


def stated(cell: str) -> str:
    """Text of a cell, "" where it is empty as people and data frames write that."""
    said = cell.strip()
    return "" if said.lower() in _EMPTY else said


def whole(said: str) -> str:
    """A number without the fraction that data frames add where a cell of its column is empty; else what is said."""
    found = _WHOLE.fullmatch(said)
    return found[1] if found else said


def label_of(said: str, *, numbered: bool = True) -> tuple[str, str]:
    """Label and subtype that a cell says; none for another word than those that folders are read by.

    Of several findings, one of pneumonia says so whatever the others are, and each has to say that there is none.

    Args:
        said: the cell.
        numbered: whether 0 and 1 are labels; in a column `class` they may be anything.
    """
    if not _SIGNS.fullmatch(said):
        return "", ""
    findings = _findings(said)
    if len(findings) > 1 and any(map(_is_doubt, findings)):
        return "", ""
    found = [_finding(one, numbered=numbered) for one in findings]
    labels = {label for label, _ in found}
    if PNEUMONIA in labels and _TAKEN_BACK.search(said):
        return "", ""
    if PNEUMONIA in labels and NORMAL not in labels:
        subtypes = {subtype for _, subtype in found if subtype}
        return PNEUMONIA, subtypes.pop() if len(subtypes) == 1 else ""
    return (NORMAL if labels == {NORMAL} else ""), ""


def _findings(said: str) -> list[str]:
    if listed := _LIST.fullmatch(said.strip()):
        return _LISTED.split(listed[1].strip("'\""))
    return [one for one in said.split("|") if one.strip()] or [said]


def _is_doubt(said: str) -> bool:
    found = spoken.words(said)
    return bool(found & spoken.DOUBTS) and found <= _ABOUT_NOTHING


def _finding(said: str, *, numbered: bool) -> tuple[str, str]:
    found = spoken.words(said)
    subtype = spoken.only(found, spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS)
    return spoken.label(found) or (PNEUMONIA if subtype else "") or (of_digits(said) if numbered else ""), subtype


def label_of_flags(said: Mapping[str, str]) -> str:
    """Label by the columns for each finding; "" where pneumonia is uncertain (-1), or only others are there."""
    flags = [of_digits(stated(said.get(name, "")) or "0") for name in FLAGS]
    return {(PNEUMONIA, NORMAL): PNEUMONIA, (NORMAL, PNEUMONIA): NORMAL}.get((flags[0], flags[1]), "")


def of_digits(said: str) -> str:
    """Label by 0 or 1, also as `1.0`, `1,0` or, as data frames have it, `True`, which Excel writes in its language."""
    return _DIGITS.get(table_doubts.plain_value(said), "")


def is_frontal(said: str) -> bool:
    """Whether a cell names a frontal view, or none at all."""
    return not stated(said) or _is_frontal(spoken.unaccented(said).upper())


def is_of_the_chest(said: Mapping[str, str]) -> bool:
    """Whether a row's modality and part of the body, where it has them, may be those of a chest radiograph."""
    words = spoken.words(said.get("modality", ""))
    modality = words & (spoken.OTHER_MODALITIES | {"mr", "us", "mg", "nm", "pt"})
    # `X-ray (no CT)`, `CR; CT later`
    modality = frozenset() if words & _RADIOGRAPHS or {"x", "ray"} <= words else modality
    part = anatomy.read(view_words.words(spoken.unaccented(said.get("bodypart", "")).upper()))
    return not modality and not part.term


def _is_frontal(said: str) -> bool:
    return view_words.of_position(said) == view_words.FRONTAL


def split_of(said: str, *, numbered: bool = True) -> str | None:
    """Split that a cell names; None where it is none, or has a number and is not `numbered`."""
    if not numbered and any(map(str.isdigit, said)):
        return None
    return spoken.only(spoken.words(said), spoken.SPLIT_WORDS, spoken.SPLIT_COMPANIONS) or None


def subtype_of(said: str) -> str:
    """Subtype that a cell names, or ""."""
    return spoken.only(spoken.words(said), spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS)
