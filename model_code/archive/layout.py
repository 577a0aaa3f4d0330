"""Layout of an archive: which entry is a radiograph of which split and class, from the folders above it or a table.

`[any folders/]{train,val,test}/{NORMAL,PNEUMONIA}/[any folders/]<image>`, or the same without a split. The nearest
folder that names a class or a split counts, in any case and in the words that people use (`training`, `Test set`,
`normals`, `Viral Pneumonia`, `1_PNEUMONIA`, `train_normal`). Separators are `/` or, as old Windows tools write them,
backslashes. Segmentation masks, laterals by name, and what operating systems leave are never radiographs. What can be
read in two ways is refused with a sentence, and so is an archive without both classes to train on.

A table of labels at the top (`TABLES`, `label_table`) takes the folders' place: any image beside it passes here.

DICOM files have any name. Where it says nothing about the format, only the content tells: who can read it says so to
`Layout.add`, who cannot counts such a file as one that may be.

What exports DICOM names folders and files after patients, also of what lies beside it. So nothing in an archive that
holds DICOM, or a file that may be, or whose table names patients, is called by its name: each entry is `entry-N`, the
Nth of the archive's directory. `Layout.called` decides that for all who read archives.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from model_code.archive.entries import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    PICTURE_SUFFIXES,
    TABLES,
    Entry,
    Folders,
    Kind,
    by_number,
    is_table,
    look_closely,
    may_be_dicom,
    parts,
    shown,
    suffix,
)
from model_code.archive.left_out import LeftOut, not_the_table
from model_code.archive.problem import Problem
from model_code.archive.split_folders import SplitFolders
from model_code.contract.labels import LABELS, NORMAL, PNEUMONIA, SPLITS

PURPOSES = ("train", "evaluate")
"""What an archive is for: to train on, or to evaluate a model on, which needs both classes and no split."""
WHAT_IT_IS_CALLED = "`cxr entries ARCHIVE.zip {}` says what it is called in the archive."
"""Of an entry that is called by its number."""


class _Named(NamedTuple):
    """An entry: its name and its number in the archive's directory, from 1."""

    name: str
    number: int


@dataclass
class Layout:
    """An archive's entries, counted one at a time.

    Attributes:
        images: number of radiographs by (split or None, label).
        perhaps: likewise, of files that are radiographs if they are DICOM.
        metadata_files: number of files that operating systems left.
        left: what is not used.
        local: whether nothing that is said of it leaves the machine with the files, which then have their names.
        holds_dicom: whether an entry is DICOM, or may be by its name.
        names_patients: whether its table does, as far as somebody has read it.
    """

    images: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    perhaps: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    metadata_files: int = 0
    left: LeftOut = field(default_factory=LeftOut)
    local: bool = False
    holds_dicom: bool = False
    names_patients: bool = False
    _entries: int = 0
    # First entry that is neither a radiograph nor a metadata file, nor DICOM.
    _stray: _Named | None = None
    _inner: _Named | None = None  # the first archive inside
    _first: dict[str, _Named] = field(default_factory=dict)  # first entry in each folder that a refusal may be about
    # By path of a folder: the class of the radiographs right below, and of those below another such folder in it.
    _own: dict[str, str] = field(default_factory=dict)
    _inside: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _half_labels: dict[str, None] = field(default_factory=dict)
    _wrappers: set[str] = field(default_factory=set)
    _splits: SplitFolders = field(default_factory=SplitFolders)
    # Folders that all entries share, from the top; None before there is any. And the tables, wherever they are.
    _shared: tuple[str, ...] | None = None
    _tables: list[_Named] = field(default_factory=list)
    _pictures: int = 0  # images and what may be one, in folders of a class or not
    _unnamed: int = 0  # files outside folders of a class whose names say nothing
    # A table under another name, and the folder of another modality around an image that would be used.
    _other_table: _Named | None = None
    _other_modality: str = ""
    _set_aside: str = ""  # the first folder whose images may not be of the class around or below it

    @classmethod
    def of(cls, names: Iterable[str]) -> Layout:
        """The layout of these entries, which are all of an archive in the order of its directory."""
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
        top = [one.name for one in self._tables if parts(one.name)[:-1] == self._shared]
        return min(top, key=lambda name: (TABLES.index(parts(name)[-1].lower()), name), default=None)

    @property
    def table_called(self) -> str:
        """Name of the table in messages: without its folders where they are not to be named."""
        if self.table is None:
            return ""
        return parts(self.table)[-1] if self.withheld else self.table

    @property
    def withheld(self) -> bool:
        """Whether entries are called by their numbers, since their names may say of whom they are."""
        return (self.holds_dicom or self.names_patients) and not self.local

    def called(self, name: str, number: int) -> str:
        """Name of an entry in everything that is said of this archive; asked when all are added.

        Args:
            name: of the entry.
            number: of it in the archive's directory, from 1.
        """
        return by_number(name, number) if self.withheld else name

    @property
    def pictures(self) -> int:
        """Number of files that are images or may be, whatever folder they are in."""
        return self._pictures

    def add(self, name: str, *, dicom: bool | None = None) -> Entry:
        """Count the next entry, and say what it is.

        Args:
            name: ends with a separator where it is a folder.
            dicom: whether its content is DICOM; None where only its name is known.
        """
        self._entries += 1
        here = _Named(name, self._entries)
        entry, folders = look_closely(name, dicom=dicom)
        if entry.kind not in {Kind.METADATA, Kind.FOLDER}:
            self._add_place(parts(name)[:-1])
            # By the name alone too, whatever the content: who knows names only would else decide otherwise.
            self.holds_dicom = self.holds_dicom or bool(dicom) or may_be_dicom(name)
        picture = entry.kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM, Kind.UNLABELLED, Kind.OTHER_VIEW}
        self._pictures += picture
        if picture and folders.set_aside:
            self._set_aside = self._set_aside or folders.set_aside
            self._note_first((folders.set_aside,), here)
        if entry.kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM} and entry.label:
            self._add_radiograph(entry, folders, here)
        elif entry.kind is Kind.TABLE:
            self._tables.append(here)
            self._stray = self._stray or here
        elif entry.kind is Kind.METADATA:
            self.metadata_files += 1
        elif entry.kind in {Kind.PERHAPS_DICOM, Kind.NOT_AN_IMAGE} and may_be_dicom(name):
            # Whoever has seen that it is none says of it what those say who have not.
            self._unnamed += 1
        elif entry.kind is not Kind.FOLDER:
            self._stray = self._stray or (None if dicom or suffix(name) in DICOM_SUFFIXES else here)
            self.left.masks += entry.kind is Kind.MASK
            self.left.other_views += entry.kind is Kind.OTHER_VIEW
            self.left.pictures.update({suffix(name)} & PICTURE_SUFFIXES)
            self._inner = self._inner or here if self.left.add_archive(name) else self._inner
            self._other_table = self._other_table or (here if is_table(name) else None)
            if entry.kind is Kind.UNLABELLED:
                self.left.unlabelled[folders.shown] += 1
                self._half_labels |= dict.fromkeys(folders.half_labels[:1])
                self._note_first(folders.half_labels[:1], here)
        return entry

    def _add_place(self, folders: tuple[str, ...]) -> None:
        if self._shared is None:
            self._shared = folders
        elif folders[: len(self._shared)] != self._shared:
            same = [one == other for one, other in zip(self._shared, folders, strict=False)]
            self._shared = self._shared[: same.index(False) if False in same else len(same)]

    def _add_radiograph(self, entry: Entry, folders: Folders, here: _Named) -> None:
        counted = self.images if entry.kind is Kind.RADIOGRAPH else self.perhaps
        counted[(entry.split, entry.label)] += 1
        (path, label), *outer = folders.labels
        self._own[path] = label
        for above in outer:
            self._inside.setdefault(above, set()).add(label)
        self._wrappers.update(folders.half_labels)
        self._splits.add(entry.label, folders.split, folders.perhaps_splits)
        self._note_first((*(path for path, _ in folders.labels), *(one.path for one in folders.perhaps_splits)), here)
        if folders.other_modality and suffix(here.name) in IMAGE_SUFFIXES:  # a DICOM file says itself what it is
            self._other_modality = self._other_modality or folders.other_modality
            self._note_first((folders.other_modality,), here)

    def _note_first(self, folders: Iterable[str], here: _Named) -> None:
        for path in folders:
            self._first.setdefault(path, here)

    def problem(self, purpose: str = "train") -> Problem | None:
        """Problem of what was added with the purpose, one of `PURPOSES`; None where it serves it."""
        if self.table is not None:
            return self._nothing_beside_the_table()
        return (
            self._table_elsewhere()
            or self._half_label()
            or self._taken_back()
            or self._nothing()
            or self._class_in_class()
            or self._other_images()
            or (self._half_split() or self._without_train() if purpose == "train" else None)
            or self._without_a_class(purpose)
        )

    def _nothing_beside_the_table(self) -> Problem | None:
        if self._pictures:
            return None
        detail = f"There is the table {shown(self.table_called)} and no image beside it"
        if self._inner:
            there, advice = self.left.inside(shown(self.called(*self._inner)), beside_a_table=True)
            return Problem("no_layout", f"{detail}; {there}.", advice, entry=self.table_called)
        only = f", only {apart}" if (apart := self.left.apart()) else ""
        return Problem("no_layout", f"{detail}{only}.", entry=self.table_called)

    def _table_elsewhere(self) -> Problem | None:
        """Problem of a table below the top: its splits and patients would be ignored without a word."""
        if not self._tables:
            return None
        table = self.called(*self._tables[0])
        return self._about(
            Problem(
                "ambiguous_layout",
                f"The table {shown(table)} is not at the archive's top, where it would be read: other files lie above "
                "it.",
                "Move the table into the folder that holds everything else, or leave it out, and make the archive "
                "again.",
                entry=table,
            )
        )

    def _about(self, problem: Problem) -> Problem:
        """The problem, with how to find what it is about where that is called by its number."""
        if not self.withheld or problem.entry is None:
            return problem
        advice = f"{problem.advice} {WHAT_IT_IS_CALLED.format(problem.entry)}"
        return dataclasses.replace(problem, advice=advice)

    def _about_folder(self, path: str, what: str, advice: str) -> Problem:
        """A refusal for what a folder is called; `what` goes on after "The folder x"."""
        if not self.withheld:
            return Problem("ambiguous_layout", f"The folder {shown(path)} {what}", advice, entry=path)
        inside = self.called(*self._first[path])
        return self._about(Problem("ambiguous_layout", f"A folder around {inside} {what}", advice, entry=inside))

    def unused(self) -> str:
        """A sentence about what is left out besides metadata files; empty where that is nothing."""
        return self.left.sentence(withheld=self.withheld)

    def _elsewhere(self) -> str:
        images = f"; there are images in {self.left.elsewhere(withheld=self.withheld)}" if self.left.unlabelled else ""
        return images + (not_the_table(self.called(*self._other_table)) if self._other_table else "")

    def _other_images(self) -> Problem | None:
        """Images in `OCT` or `CT` beside the radiographs, as data sets of several modalities have them."""
        if not self._other_modality:
            return None
        return self._about_folder(
            self._other_modality,
            "is called after another kind of image than a radiograph, so whether its images are some is not certain.",
            "Leave it out, or rename it where they are radiographs, and make the archive again.",
        )

    def _half_label(self) -> Problem | None:
        """Images in `covid pneumonia`: of a folder like `chest-xray-pneumonia` around everything no word is lost."""
        path = next((path for path in self._half_labels if path not in self._wrappers), None)
        if path is None:
            return None
        return self._about_folder(
            path,
            "has a class's name among other words or signs, so what its images show is not certain.",
            "Rename it to NORMAL or PNEUMONIA if they show that, else leave it out, and make the archive again.",
        )

    def _taken_back(self) -> Problem | None:
        """Images in `PNEUMONIA/ruled out`, or in `excluded/NORMAL`."""
        if not self._set_aside:
            return None
        return self._about_folder(
            self._set_aside,
            "says that its images are set aside, or may not be of the class around it.",
            "Leave it out, or move its images to where they belong, and make the archive again.",
        )

    def _nothing(self) -> Problem | None:
        if self.labelled:
            return None
        nothing = "No JPEG, PNG or DICOM image was found in a folder NORMAL or PNEUMONIA"
        stray = self.called(*self._stray) if self._stray else None
        if self.left.unlabelled:
            detail = f"{nothing}{self._elsewhere()}."
            stray = self.called(*self._other_table) if self._other_table else stray
        elif apart := self.left.apart():
            detail = f"{nothing}, only {apart}."
        elif self.left.pictures:
            detail = f"{nothing}; there are {self.left.unread()}, which have to be saved as PNG."
        elif self._inner:
            there, advice = self.left.inside(shown(inner := self.called(*self._inner)))
            return self._about(Problem("no_layout", f"{nothing}; {there}.", advice, entry=inner))
        elif stray is None:
            unnamed = "nothing but files whose names do not say what they are"
            detail = f"{nothing}; there is {unnamed if self._unnamed else 'no file at all'}."
        else:
            detail = f"{nothing}; there are other files, for example {shown(stray)}."
        return self._about(Problem("no_layout", detail, entry=stray))

    def _class_in_class(self) -> Problem | None:
        """A class's folder in the other's, unless the outer one is around everything and has no images of its own."""
        for (path, label), inside in self._inside.items():
            other = NORMAL if label == PNEUMONIA else PNEUMONIA
            if other in inside and (path in self._own or label not in inside):
                return self._about_folder(
                    path,
                    f"of the class {label} holds a folder of the class {other}, so which of them its images are of is "
                    "not certain.",
                    "Put NORMAL and PNEUMONIA side by side, neither in the other, and make the archive again.",
                )
        return None

    def _half_split(self) -> Problem | None:
        """Images in `hospital_test`; see `split_folders`."""
        path = self._splits.doubt()
        if path is None:
            return None
        return self._about_folder(
            path,
            "may be meant as a split, so what its images are for is not certain.",
            "Rename it to train, val or test, or move it into one of them, or away from them and without these words.",
        )

    def doubt_beside_the_table(self, images: Iterable[tuple[str, int]]) -> Problem | None:
        """A folder that may be meant as a split, of images that the table gives none: the same doubt as without one.

        Args:
            images: name and number of each.
        """
        splits = SplitFolders()
        for name, number in images:
            entry, folders = look_closely(name)
            splits.add(entry.label, folders.split, folders.perhaps_splits)
            self._note_first((one.path for one in folders.perhaps_splits), _Named(name, number))
        path = splits.doubt()
        if path is None:
            return None
        return self._about_folder(
            path,
            "may be meant as a split, and the table gives its images none, so what they are for is not certain.",
            "Give the table a column split, or rename the folder to train, val or test, or move it into one of them, "
            "or away from them and without these words.",
        )

    def _without_train(self) -> Problem | None:
        found = {split for split, _ in self.labelled}
        if "train" in found or None in found:
            return None
        present = " and ".join(f"{split}/" for split in SPLITS if split in found)
        return Problem("split_missing", f"There are images in {present} and none in train/.")

    def _without_a_class(self, purpose: str) -> Problem | None:
        """No image of a class to train or evaluate on, or none in the archive's own test split."""
        found = self.labelled
        needed = {purpose: (*(SPLITS if purpose == "evaluate" else ("train",)), None)}
        if purpose == "train" and any(split == "test" for split, _ in found):
            needed["test"] = ("test",)
        for use, splits in needed.items():
            for label in LABELS:
                if not any(found[(split, label)] for split in splits):
                    place = f"{use}/{label}/" if use != "evaluate" and any(split for split, _ in found) else label
                    detail = f"No {label} image to {use} on was found{self._elsewhere()}."
                    return Problem("class_missing", detail, entry=place)
        return None
