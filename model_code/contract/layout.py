"""Layout of an archive: which entry is a radiograph of which split and class, from the folders above it or a table.

`[any folders/]{train,val,test}/{NORMAL,PNEUMONIA}/[any folders/]<image>`, or the same without a split. The nearest
folder that names a class or a split counts, in any case and in the words that people use (`training`, `Test set`,
`normals`, `Viral Pneumonia`, `1_PNEUMONIA`, `train_normal`). Separators are `/` or, as old Windows tools write them,
backslashes. Segmentation masks and what operating systems leave behind are never radiographs. What can be read in two
ways is refused with a sentence, and so is an archive without both classes to train on.

A table of labels at the top (`TABLES`, `contract.label_table`) takes the folders' place. What it says is not known from
names, so here an archive with a table and any image passes.

DICOM files have any name. Where it says nothing about the format, only the content tells: who can read it says so to
`Layout.add`, who cannot counts such a file as one that may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from model_code.contract import layout_words as spoken
from model_code.contract.labels import LABELS, NORMAL, PNEUMONIA, SPLITS

IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})
RSNA_TABLE = "stage_2_train_labels.csv"
"""Of RSNA's pneumonia challenge (2018), whose archive is taken as it is."""
RSNA_IMAGES = "stage_2_train_images"
"""The folder beside it that its rows are about."""
TABLES = ("labels.csv", RSNA_TABLE)
"""Names, in any case, of a table of labels; the first that an archive has counts."""
EXPECTED = "{train,val,test}/{NORMAL,PNEUMONIA}/<images>, or {NORMAL,PNEUMONIA}/<images>, at any depth"
ADVICE = (
    f"Arrange the images as {EXPECTED}, as .jpeg, .jpg, .png or DICOM files, or put a table {TABLES[0]} beside them, "
    "and make the archive again."
)
# The index of a medium (PS3.10, 8.6): DICOM, and no image.
_DICOM_INDEX = "dicomdir"
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2")
_NAMED_FOLDERS = 3
# Exports name folders after patients, so where DICOM files lie is not repeated.
_FOLDERS_OF_DICOM = "folders of DICOM files"


class Kind(StrEnum):
    """What an entry of an archive is."""

    FOLDER = "folder"
    RADIOGRAPH = "radiograph"
    PERHAPS_DICOM = "perhaps_dicom"
    TABLE = "table"
    LITTER = "litter"
    MASK = "mask"
    UNLABELLED = "unlabelled"
    NOT_AN_IMAGE = "not_an_image"


@dataclass(frozen=True)
class Entry:
    """One entry: what it is and, of a radiograph, what its folders say.

    Attributes:
        kind: radiograph, mask, ...
        file: its name without folders.
        label: NORMAL or PNEUMONIA of what is or may be a radiograph, else "".
        split: train, validation or test where a folder says so, else None.
        subtype: bacteria or virus where a folder says so, else "".
        depth: number of folders above it.
    """

    kind: Kind
    file: str
    label: str
    split: str | None
    subtype: str
    depth: int


@dataclass(frozen=True)
class Problem:
    """Why nothing can be trained on an archive.

    Attributes:
        reason: `no_layout`, `ambiguous_layout`, `split_missing` or `class_missing`.
        detail: one sentence for the person who made the archive.
        advice: what to do, one sentence.
        entry: the entry or folder at fault, where there is one.
    """

    reason: str
    detail: str
    advice: str = ADVICE
    entry: str | None = None


@dataclass(frozen=True)
class _Folders:
    """What the folders above an entry say.

    Attributes:
        labels: path and class of each folder that names one, the nearest first; none where the nearest is unclear.
        half_labels: paths of folders with a class's name among words that may change its meaning.
        half_split: path of the nearest folder that may name a split, where none does.
        shown: name of the nearest folder that says something, for messages.
    """

    depth: int
    litter: bool = False
    mask: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    half_labels: tuple[str, ...] = ()
    subtype: str = ""
    split: str | None = None
    half_split: str | None = None
    shown: str = ""


@dataclass
class Layout:
    """An archive's entries, counted one at a time.

    Attributes:
        images: number of radiographs by (split or None, label).
        perhaps: likewise, of files that are radiographs if they are DICOM.
        litter: number of files that operating systems left.
        masks: number of segmentation masks.
        unlabelled: number of images in no folder that names a class, by that folder.
        stray: first entry that is neither a radiograph nor litter, nor DICOM.
    """

    images: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    perhaps: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    litter: int = 0
    masks: int = 0
    unlabelled: Counter[str] = field(default_factory=Counter)
    stray: str | None = None
    # By path of a folder: the class of the radiographs right below, and of those below another such folder in it.
    _own: dict[str, str] = field(default_factory=dict)
    _inside: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _half_labels: dict[str, None] = field(default_factory=dict)
    _wrappers: set[str] = field(default_factory=set)
    _half_splits: Counter[str] = field(default_factory=Counter)
    # Folders that all entries share, from the top; None before there is any. And the tables, wherever they are.
    _shared: tuple[str, ...] | None = None
    _tables: list[str] = field(default_factory=list)
    # Images and what may be one, in folders of a class or not.
    _pictures: int = 0
    # Files outside folders of a class whose names say nothing.
    _unnamed: int = 0

    @classmethod
    def of(cls, names: Iterable[str]) -> Layout:
        """The layout of these entries."""
        layout = cls()
        for name in names:
            layout.add(name)
        return layout

    @property
    def total(self) -> int:
        """Number of radiographs in folders of a class."""
        return self.images.total()

    @property
    def labelled(self) -> Counter[tuple[str | None, str]]:
        """Number of files that are or may be radiographs by (split or None, label)."""
        return self.images + self.perhaps

    @property
    def table(self) -> str | None:
        """The table of labels: in the folder that all entries share, so at the top; None without one."""
        top = [name for name in self._tables if _parts(name)[:-1] == self._shared]
        return min(top, key=lambda name: (TABLES.index(_parts(name)[-1].lower()), name), default=None)

    @property
    def pictures(self) -> int:
        """Number of files that are images or may be, whatever folder they are in."""
        return self._pictures

    def add(self, name: str, *, dicom: bool | None = None) -> Entry:
        """Count an entry, and say what it is.

        Args:
            name: ends with a separator where it is a folder.
            dicom: whether its content is DICOM; None where only its name is known.
        """
        entry, folders = _look(name, dicom=dicom)
        if entry.kind not in {Kind.LITTER, Kind.FOLDER}:
            self._add_place(_parts(name)[:-1])
        self._pictures += entry.kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM, Kind.UNLABELLED}
        if entry.kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM} and entry.label:
            self._add_radiograph(entry, folders)
        elif entry.kind is Kind.TABLE:
            self._tables.append(name)
            self.stray = self.stray or name
        elif entry.kind is Kind.LITTER:
            self.litter += 1
        elif entry.kind is Kind.PERHAPS_DICOM:
            self._unnamed += 1
        elif entry.kind is not Kind.FOLDER:
            is_dicom = dicom or name.lower().endswith(tuple(DICOM_SUFFIXES))
            self.stray = self.stray or (None if is_dicom else name)
            self.masks += entry.kind is Kind.MASK
            if entry.kind is Kind.UNLABELLED:
                self.unlabelled[_FOLDERS_OF_DICOM if is_dicom else folders.shown] += 1
                self._half_labels |= dict.fromkeys(folders.half_labels[:1])
        return entry

    def _add_place(self, folders: tuple[str, ...]) -> None:
        if self._shared is None:
            self._shared = folders
        elif folders[: len(self._shared)] != self._shared:
            same = [one == other for one, other in zip(self._shared, folders, strict=False)]
            self._shared = self._shared[: same.index(False) if False in same else len(same)]

    def _add_radiograph(self, entry: Entry, folders: _Folders) -> None:
        counted = self.images if entry.kind is Kind.RADIOGRAPH else self.perhaps
        counted[(entry.split, entry.label)] += 1
        (path, label), *outer = folders.labels
        self._own[path] = label
        for above in outer:
            self._inside.setdefault(above, set()).add(label)
        self._wrappers.update(folders.half_labels)
        if folders.half_split is not None:
            self._half_splits[folders.half_split] += 1

    def problem(self) -> Problem | None:
        """Why nothing can be trained on what was added; None when something can."""
        if self.table is not None:
            return self._nothing_beside_the_table(self.table)
        return (
            self._half_label()
            or self._nothing()
            or self._class_in_class()
            or self._half_split()
            or self._without_train()
            or self._without_a_class()
        )

    def _nothing_beside_the_table(self, table: str) -> Problem | None:
        if self._pictures:
            return None
        return Problem("no_layout", f"There is the table {shown(table)} and no image beside it.", entry=table)

    def unused(self) -> str:
        """A sentence about what is left out besides litter; empty where that is nothing."""
        left = []
        if count := self.unlabelled.total():
            left.append(f"{_several(count, 'image')} in other folders ({self._elsewhere()})")
        if self.masks:
            left.append(_several(self.masks, "segmentation mask"))
        return f"Not used: {' and '.join(left)}." if left else ""

    def _elsewhere(self) -> str:
        names = [shown(folder, 60) or "no folder" for folder, _ in self.unlabelled.most_common(_NAMED_FOLDERS)]
        return ", ".join(names) + (" and others" if len(self.unlabelled) > _NAMED_FOLDERS else "")

    def _half_label(self) -> Problem | None:
        """Images in `covid pneumonia`: of a folder like `chest-xray-pneumonia` around everything no word is lost."""
        path = next((path for path in self._half_labels if path not in self._wrappers), None)
        if path is None:
            return None
        return Problem(
            "ambiguous_layout",
            f"The folder {shown(path)} has a class's name among other words, so what its images show is not certain.",
            "Rename it to NORMAL or PNEUMONIA if they show that, else leave it out, and make the archive again.",
            entry=path,
        )

    def _nothing(self) -> Problem | None:
        if self.labelled:
            return None
        nothing = "No JPEG, PNG or DICOM image was found in a folder NORMAL or PNEUMONIA"
        if self.unlabelled:
            return Problem("no_layout", f"{nothing}; there are images in {self._elsewhere()}.", entry=self.stray)
        if self.masks:
            return Problem(
                "no_layout", f"{nothing}, only {_several(self.masks, 'segmentation mask')}.", entry=self.stray
            )
        if self.stray is None:
            others = "nothing but files without a suffix" if self._unnamed else "no file at all"
            return Problem("no_layout", f"{nothing}; there is {others}.")
        if self.stray.lower().endswith(_ARCHIVE_SUFFIXES):
            return Problem(
                "no_layout",
                f"{nothing}; there is another archive inside, {shown(self.stray)}.",
                "Unpack the inner archive and use that: as it is where it is a .zip file, else zipped again.",
                entry=self.stray,
            )
        return Problem(
            "no_layout", f"{nothing}; there are other files, for example {shown(self.stray)}.", entry=self.stray
        )

    def _class_in_class(self) -> Problem | None:
        """A class's folder in the other's, unless the outer one is around everything and has no images of its own."""
        for (path, label), inside in self._inside.items():
            other = NORMAL if label == PNEUMONIA else PNEUMONIA
            if other in inside and (path in self._own or label not in inside):
                return Problem(
                    "ambiguous_layout",
                    f"The folder {shown(path)} of the class {label} holds a folder of the class {other}, so which of "
                    "them its images are of is not certain.",
                    "Put NORMAL and PNEUMONIA side by side, neither in the other, and make the archive again.",
                    entry=path,
                )
        return None

    def _half_split(self) -> Problem | None:
        """Images in `hospital_test`: a folder like `my_test_upload` around everything is no split."""
        if not self._half_splits or self._half_splits.most_common(1)[0][1] == self.labelled.total():
            return None
        path = next(iter(self._half_splits))
        return Problem(
            "ambiguous_layout",
            f"The folder {shown(path)} may be meant as a split, so what its images are for is not certain.",
            "Rename it to train, val or test, or to something without these words, and make the archive again.",
            entry=path,
        )

    def _without_train(self) -> Problem | None:
        found = {split for split, _ in self.labelled}
        if "train" in found or None in found:
            return None
        present = " and ".join(f"{split}/" for split in SPLITS if split in found)
        return Problem("split_missing", f"There are images in {present} and none in train/.")

    def _without_a_class(self) -> Problem | None:
        for label in LABELS:
            if self.labelled[("train", label)] or self.labelled[(None, label)]:
                continue
            place = f"train/{label}/" if any(split for split, _ in self.labelled) else label
            elsewhere = f"; there are images in {self._elsewhere()}" if self.unlabelled else ""
            return Problem("class_missing", f"No {label} image to train on was found{elsewhere}.", entry=place)
        return None


def look(name: str) -> Entry:
    """What one entry is by its name, which ends with a separator where it is a folder."""
    return _look(name)[0]


def shown(name: str, limit: int = 200) -> str:
    """An entry's name as it may be printed: control characters escaped, at most `limit` characters."""
    printable = repr(name)[1:-1]
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in {"", "."})


def _look(name: str, *, dicom: bool | None = None) -> tuple[Entry, _Folders]:
    parent, _, file = name.replace("\\", "/").rpartition("/")
    folders = _folders(parent)
    kind = _kind(file, folders, dicom=dicom)
    radiograph = kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM}
    label = folders.labels[0][1] if radiograph and folders.labels else ""
    subtype = folders.subtype if label == PNEUMONIA else ""
    return Entry(kind, file, label, folders.split, subtype, folders.depth), folders


def _kind(file: str, folders: _Folders, *, dicom: bool | None) -> Kind:
    lowered = file.lower()
    if not file:
        return Kind.FOLDER
    if folders.litter or lowered.startswith((".", "~$")) or lowered in spoken.LITTER_FILES:
        return Kind.LITTER
    if lowered in TABLES:
        return Kind.TABLE
    picture = _is_picture(lowered, dicom)
    if picture is False:
        return Kind.NOT_AN_IMAGE
    # The words of the name as written: lower case would hide where one begins.
    stem = file.rpartition(".")[0]
    masked = spoken.words(stem) & spoken.MASK_WORDS
    if folders.mask or masked or stem.lower().endswith(spoken.SEGMENTATION_SUFFIXES):
        return Kind.MASK
    named = Kind.RADIOGRAPH if folders.labels else Kind.UNLABELLED
    return named if picture else Kind.PERHAPS_DICOM


def _is_picture(lowered: str, dicom: bool | None) -> bool | None:
    """Whether a file is an image, by its name in lower case and its content; None where neither says."""
    _, dot, suffix = lowered.rpartition(".")
    if lowered == _DICOM_INDEX:
        return False
    if dicom or dot + suffix in IMAGE_SUFFIXES | DICOM_SUFFIXES:
        return True
    # Names of instances end in a number of their UID, or have no dot at all.
    return None if dicom is None and (not dot or suffix.isdecimal()) else False


@lru_cache(maxsize=8192)
def _folders(parent: str) -> _Folders:
    """What the folders of a path say."""
    parts = [part for part in parent.split("/") if part not in {"", "."}]
    if any(part.lower() in spoken.LITTER_FOLDERS or (part.startswith(".") and part != "..") for part in parts):
        return _Folders(len(parts), litter=True)
    paths = {"/".join(parts[:depth]): spoken.words(parts[depth - 1]) for depth in range(len(parts), 0, -1)}
    labels, half_labels = _labels(paths)
    below = [found for path, found in paths.items() if labels and path.startswith(labels[0][0])]
    subtypes = [spoken.only(found, spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS) for found in below]
    split, half_split = _split(paths)
    return _Folders(
        depth=len(parts),
        mask=_mask(list(paths.values())),
        labels=labels,
        half_labels=half_labels,
        subtype=next(filter(None, subtypes), ""),
        split=split,
        half_split=half_split,
        shown=next((part for part in reversed(parts) if spoken.words(part) - spoken.PLAIN), parent),
    )


def _labels(paths: dict[str, frozenset[str]]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Folders that name a class, and those that name one among other words; the nearest first."""
    labels: list[tuple[str, str]] = []
    half: list[str] = []
    for path, found in paths.items():
        if label := spoken.only(found, spoken.LABEL_WORDS, spoken.LABEL_COMPANIONS):
            labels.append((path, label))
        elif spoken.only(found, spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS):
            # `BACTERIA` and `VIRUS` beside `NORMAL`: what they cause is what these radiographs show.
            labels.append((path, PNEUMONIA))
        elif len({spoken.LABEL_WORDS[word] for word in found & spoken.LABEL_WORDS.keys()}) == 1:
            half.append(path)
            if not labels and found & spoken.NEGATIONS:
                # `no_pneumonia` in `PNEUMONIA`: the nearest one counts, and it names no class.
                return (), (path,)
    return tuple(labels), tuple(half)


def _split(paths: dict[str, frozenset[str]]) -> tuple[str | None, str | None]:
    """The split that the nearest folder names, or the path of the nearest that may."""
    half: str | None = None
    for path, found in paths.items():
        if split := spoken.only(found, spoken.SPLIT_WORDS, spoken.SPLIT_COMPANIONS):
            return split, None
        meant = {spoken.SPLIT_WORDS[word] for word in found & spoken.SPLIT_WORDS.keys()}
        if half is None and (len(meant) == 1 or found & spoken.UNCLEAR_SPLITS):
            half = path
    return None, half


def _mask(folders: list[frozenset[str]]) -> bool:
    """Whether a folder is one of masks: `masks`, `lung masks`, `ManualMask`; `segmentation` unless `images` is below.

    Args:
        folders: words of each, the nearest first.
    """
    images = False
    for found in folders:
        rest = found - spoken.MASK_WORDS - spoken.MASK_COMPANIONS
        if not rest and (found & spoken.MASK_WORDS or (found & spoken.SEGMENTATION_WORDS and not images)):
            return True
        images |= bool(found & {"image", "images"})
    return False
