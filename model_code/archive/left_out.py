"""Files of an archive that are not used, counted and said in a sentence: nothing is left out without a word."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from model_code.archive.entries import TABLES, is_table, shown, suffix

_NAMED_FOLDERS = 3
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2")
# Programs that compress one file, which keeps its name before theirs.
_OF_ONE_FILE = (".gz", ".xz", ".bz2")


@dataclass
class LeftOut:
    """Counts of unused files, those that operating systems left not among them.

    Attributes:
        masks: number of segmentation masks, of what is drawn over radiographs or made of them (thumbnails, augmented
            ones), and of pictures of a CD's viewer.
        other_views: number of pictures that are lateral or oblique views by their names.
        unlabelled: number of images in no folder that names a class, by that folder.
        pictures: number of pictures in formats that are not read, by their suffix.
        archives: number of archives inside.
        packed: number of them that are one compressed file each.
        volumes: number of these that are NIfTI by their names.
    """

    masks: int = 0
    other_views: int = 0
    unlabelled: Counter[str] = field(default_factory=Counter)
    pictures: Counter[str] = field(default_factory=Counter)
    archives: int = 0
    packed: int = 0
    volumes: int = 0

    def add_archive(self, name: str) -> bool:
        """Count a file where it is an archive by its name, and say whether it is."""
        lowered = name.lower().rstrip()
        found = lowered.endswith(_ARCHIVES) and not is_table(name)
        stem = lowered.rpartition(".")[0]
        self.archives += found
        self.packed += found and lowered.endswith(_OF_ONE_FILE) and not stem.endswith(".tar")
        self.volumes += found and stem.endswith(".nii")
        return found

    def sentence(self, *, withheld: bool) -> str:
        """A sentence about all of it; empty where that is nothing.

        Args:
            withheld: whether folders are not to be named.
        """
        left = []
        if count := self.unlabelled.total():
            named = "" if withheld else f" ({self.elsewhere(withheld=withheld)})"
            left.append(f"{several(count, 'image')} in other folders{named}")
        if apart := self.apart():
            left.append(apart)
        if self.pictures:
            left.append(self.unread())
        if self.archives:
            left.append(f"{several(self.archives, 'archive')} inside, of which nothing is unpacked")
        return f"Not used: {' and '.join(left)}." if left else ""

    def apart(self) -> str:
        """Counts of pictures that are no frontal radiographs by their names; empty where there is none."""
        kinds = "mask, overlay or copy" if self.masks == 1 else "masks, overlays or copies"
        masks = f"{self.masks:,} {kinds} of another picture" if self.masks else ""
        views = f"{several(self.other_views, 'picture')} named as a lateral or oblique view" if self.other_views else ""
        return " and ".join(filter(None, (masks, views)))

    def elsewhere(self, *, withheld: bool) -> str:
        """The folders of images in none that names a class."""
        if withheld:
            return "other folders"
        names = [shown(folder, 60) or "no folder" for folder, _ in self.unlabelled.most_common(_NAMED_FOLDERS)]
        return ", ".join(names) + (" and others" if len(self.unlabelled) > _NAMED_FOLDERS else "")

    def inside(self, example: str, *, beside_a_table: bool = False) -> tuple[str, str]:
        """Archives where images should be, as the end of a sentence, and what to do about them.

        Args:
            example: what one of them is called.
            beside_a_table: whether a table of labels lies outside of them, which has to stay with the images.
        """
        if self.archives == self.volumes:
            return (
                f"there are NIfTI files ({self.volumes:,}, for example {example}), as CT and MRI are kept in, and no "
                "radiographs",
                "Unpacked, they are refused too: export the radiographs as DICOM, JPEG or PNG from where they were "
                "taken, and make the archive again.",
            )
        if self.archives == self.packed > 1:
            return (
                f"there are {self.packed:,} files inside that are compressed one by one, for example {example}",
                "Unpack each where it lies (`gunzip -r FOLDER` does so with `.gz`), and make the archive again.",
            )
        if self.archives > 1:
            return (
                f"there are {self.archives:,} other archives inside, for example {example}",
                "Unpack each into a folder where it lies, so that the folders around it still say what its images are, "
                "and make the archive again.",
            )
        if beside_a_table:
            return (
                f"there is another archive inside, {example}",
                "Unpack the inner archive beside the table, and make the archive again.",
            )
        return (
            f"there is another archive inside, {example}",
            "Unpack the inner archive and use that: as it is where it is a .zip file, else zipped again.",
        )

    def unread(self) -> str:
        """The pictures that are not read, with their suffixes."""
        return f"{several(self.pictures.total(), 'picture')} in other formats ({', '.join(sorted(self.pictures))})"


def not_the_table(called: str) -> str:
    """The end of a sentence about an archive without its labels, about a table that it holds under another name."""
    workbook = ", and is a workbook: save it as “CSV UTF-8”" * (suffix(called) in {".xls", ".xlsx", ".ods"})
    return f"; the table {shown(called)} is not read, since it is not called {TABLES[0]}{workbook}"


def several(count: int, noun: str) -> str:
    """A count and what it is of."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
