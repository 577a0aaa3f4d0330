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

from model_code.contract.entries import DICOM_SUFFIXES, TABLES, Entry, Folders, Kind, look_closely, parts, shown
from model_code.contract.labels import LABELS, NORMAL, PNEUMONIA, SPLITS

EXPECTED = "{train,val,test}/{NORMAL,PNEUMONIA}/<images>, or {NORMAL,PNEUMONIA}/<images>, at any depth"
ADVICE = (
    f"Arrange the images as {EXPECTED}, as .jpeg, .jpg, .png or DICOM files, or put a table {TABLES[0]} beside them, "
    "and make the archive again."
)
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2")
_NAMED_FOLDERS = 3
# Exports name folders after patients, so where DICOM files lie is not repeated.
_FOLDERS_OF_DICOM = "folders of DICOM files"


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
        top = [name for name in self._tables if parts(name)[:-1] == self._shared]
        return min(top, key=lambda name: (TABLES.index(parts(name)[-1].lower()), name), default=None)

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
        entry, folders = look_closely(name, dicom=dicom)
        if entry.kind not in {Kind.LITTER, Kind.FOLDER}:
            self._add_place(parts(name)[:-1])
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

    def _add_radiograph(self, entry: Entry, folders: Folders) -> None:
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
            self._table_elsewhere()
            or self._half_label()
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

    def _table_elsewhere(self) -> Problem | None:
        """What a table below says of splits and patients would be ignored without a word."""
        if not self._tables:
            return None
        table = self._tables[0]
        return Problem(
            "ambiguous_layout",
            f"The table {shown(table)} is not at the archive's top, where it would be read: other files lie above it.",
            "Move the table into the folder that holds everything else, or leave it out, and make the archive again.",
            entry=table,
        )

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


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
