"""Columns of a table of labels that change what its rows are for, in a way that is not read: such a table is refused.

`is_test` and `holdout` hold images back, `exclude` takes them out, `lateral` is a view, `assertion` and `certainty`
take a label back or leave it open, and numbers of a program's classes stand for other words than 0 and 1 do here. What
was trained on by mistake cannot be undone, and the table's author can say it in the columns that are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from model_code.archive import layout_words as spoken

# As people and programs write them, and Excel where its language is another one; without accents.
_TRUE = frozenset({"1", "true", "yes", "y", "x", "t", "ja", "si", "sim", "oui", "tak", "да", "是"})
_FALSE = frozenset({"0", "false", "no", "n", "f", "nein", "nao", "non", "nee", "nej", "nie", "нет", "否"})
_EXCELS = {
    True: "wahr verdadero vrai vero verdadeiro waar sant sann prawda pravda tosi igaz dogru истина",
    False: "falsch falso faux falso onwaar falskt usann falsz nepravda epatosi hamis yanlis ложь",
}
LOCALIZED = {word: value for value, said in _EXCELS.items() for word in said.split()}
"""What Excel writes for TRUE and FALSE in other languages than English, in lower case without accents."""

# Of a column's name beside what it is about.
_COMPANIONS = frozenset({"is", "in", "for", "set", "flag", "data", "split", "only", "image", "images", "the", "of"})
_COMPANIONS |= {"used", "row", "study", "view", "label", "finding", "out"}
_SPLITS = spoken.SPLIT_WORDS.keys() | spoken.UNCLEAR_SPLITS | spoken.BOTH_SPLITS
# Of studies of prediction models, beside one of the words above.
_UNCLEAR = spoken.UNCLEAR_SPLITS | {"derivation", "learning"}
_COHORT = frozenset({"data", "cohort", "hold", "held", "out"})
_SET_ASIDE = spoken.SET_ASIDE | {
    "use",
    "include",
    "included",
    "ignore",
    "ignored",
    "skip",
    "drop",
    "dropped",
    "usable",
    "keep",
}
_ACCEPTED = frozenset({"accepted", "included", "include", "ok", "usable", "keep", "approved", "good", "valid"})
_LATER = frozenset(
    {"final", "corrected", "consensus", "revised", "adjudicated", "gold", "verified", "reviewed", "true"}
)
_LABELS = frozenset({"label", "labels", "diagnosis", "class", "finding", "findings", "target", "truth", "standard"})
_VIEWS = frozenset({"lateral", "frontal", "oblique"})
_POLARITY = frozenset({"assertion", "polarity", "negation", "negated", "presence", "present", "absent", "certainty"})
_POLARITY |= {"uncertainty", "uncertain", "doubtful", "possible", "probable", "suspected", "ruled", "resolved"}
_AFFIRMED = frozenset({"present", "positive", "affirmed", "certain", "definite", "confirmed", "likely", "certainly"})
# With the decimal sign of their language.
_NO_FRACTION = re.compile(r"[.,]0*$")
_DAY = re.compile(
    r"(study|exam|examination|acquisition|image|imaging|scan|series|xray|x_ray|cxr|content)?_?date(_?time)?"
)
_BETWEEN = re.compile(r"[\W_]+")
_SHORT = 4


def boolean(cell: str) -> bool | None:
    """Value of a cell of yes and no; None of any other, and of an empty one."""
    said = plain_value(cell)
    return said in _TRUE if said in _TRUE | _FALSE else LOCALIZED.get(said)


def plain_value(cell: str) -> str:
    """A cell's text in lower case without accents, and without what spreadsheets and data frames add to numbers."""
    return _NO_FRACTION.sub("", spoken.unaccented(cell.strip().casefold()))


def doubt(names: Iterable[tuple[int, str]], cells_of: Callable[[int], list[str]], *, splits: bool, views: bool) -> str:
    """The end of a sentence about the first column in which a row's use may be said; "" where none is.

    Args:
        names: place and name of each column that is not read.
        cells_of: cells of the column at a place, "" for an empty one.
        splits: whether such a column may name the split.
        views: whether it may name the view.
    """
    for index, name in names:
        about = spoken.words(_apart(name)) - _COMPANIONS
        if not about:
            continue
        if about <= _POLARITY and _takes_back(cells_of(index)):
            return (
                f"has a column {name}, which may take back what a row's label says, or leave it open: write what is "
                "meant into the label, and leave that column out"
            )
        if views and about <= _VIEWS and _says_both(cells_of(index)):
            return (
                f"has a column {name} of yes and no: write each image's view (PA, AP, lateral) into a column view, and "
                "leave that one out"
            )
        held_back = splits and about <= _SPLITS | {"hold", "held"}
        if (about <= _SET_ASIDE or held_back) and _says_both(cells_of(index)):
            return (
                f"has a column {name} of yes and no, so images may be held back or not be meant: take out the rows "
                "that are not, write train, val and test into a column split, and leave that column out"
            )
    return ""


def splits_without_train(cells: Iterable[str]) -> bool:
    """Whether each cell names a split, and some may be one or the other: development and holdout, dev and test."""
    named: set[frozenset[str]] = set()
    for cell in filter(None, cells):
        words = spoken.words(cell) - spoken.PLAIN - _COHORT
        if not words or not words <= _SPLITS | _UNCLEAR:
            return False
        named.add(words)
    # Of one alone nothing is held back.
    return len(named) > 1 and any(words & _UNCLEAR for words in named)


def some_set_aside(cells: Iterable[str]) -> bool:
    """Whether each cell says that a row is meant or is not, and some are not: accepted, rejected; or just exclude."""
    found = False
    for cell in filter(None, cells):
        words = spoken.words(cell) - spoken.PLAIN
        if not words or not words <= spoken.SET_ASIDE | _ACCEPTED:
            return False
        found = found or not words <= _ACCEPTED
    return found


def has_days(names: Iterable[str]) -> bool:
    """Whether a column says of which day a row is: `study_date`, `ExamDate`; not of birth, nor of a report."""
    return any(map(_DAY.fullmatch, names))


def of_several_days(days: Iterable[tuple[str, str]], patients: Iterable[str]) -> int:
    """Number of patients with images of several days.

    Args:
        days: patient and day of each image, "" where it names none.
        patients: who count, with or without zeros before a number.
    """
    found: dict[str, set[str]] = {one.lstrip("0"): set() for one in patients}
    for patient, day in days:
        if day:
            found.get(patient.lstrip("0"), set()).add(day)
    return sum(len(one) > 1 for one in found.values())


def of_later_labels(name: str) -> bool:
    """Whether a column is called after labels that replace others: `final_label`, `consensus diagnosis`."""
    words = spoken.words(_apart(name))
    return bool(words & _LATER) and bool(words & _LABELS)


def numbers_of_classes(cells: Iterable[str]) -> bool:
    """Whether labels are numbers of more classes than two: 0, 1, 2 may stand for classes in any order."""
    found = {_NO_FRACTION.sub("", cell) for cell in cells}
    return bool(found & {"0", "1"}) and any(one.isdecimal() and int(one) > 1 for one in found)


def _apart(name: str) -> str:
    """A column's name with `is` apart from what is behind it: names come in lower case."""
    words = filter(None, _BETWEEN.split(name))
    return " ".join(word[2:] if word.startswith("is") and len(word) > _SHORT else word for word in words)


def _says_both(cells: Sequence[str]) -> bool:
    said = {boolean(cell) for cell in cells if cell}
    return None not in said and True in said and (False in said or "" in cells)


def _takes_back(cells: Sequence[str]) -> bool:
    said = {cell for cell in cells if cell}
    if _says_both(cells):
        return True
    words = [spoken.words(cell) for cell in said]
    return len(said) > 1 and all(one and one <= _AFFIRMED | spoken.DOUBTS | {"out"} for one in words)
