"""Folders that may be meant as a split: `dev`, `hospital_test`, `holdout-2021`, and not a patient called Dev or Val.

`entries` reads what is certainly a split. A name that may be one is a doubt, and an archive with one is refused: to
train on what somebody holds back cannot be undone. But exports name folders after patients. So a word that people are
called by (`dev`, `test`, `train`, `val`) among other words is a doubt only where another folder names another split: in
the same other words (`hospital_train`, `hospital_test`), right beside it (`train`, `external_test`), where both are
around the folders of classes, or where it is around those of both: no patient's is.

A folder right beside those of splits that is none of a known word (`train`, `external`) is a doubt too, whatever it is
called: it may be another language's test split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from model_code.archive import layout_words as spoken

_UNCLEAR = "unclear"


@dataclass(frozen=True)
class PerhapsSplit:
    """A folder that may be meant as a split.

    Attributes:
        path: of the folder.
        meant: splits that it may mean, or `unclear`; none where only its place beside others tells.
        others: its words besides those and what leaves a split what it is.
        sure: whether its words are about a split and nothing else, or one is that nobody is called by.
        around: whether it is that of a class, or around one.
    """

    path: str
    meant: frozenset[str]
    others: frozenset[str]
    sure: bool
    around: bool

    @property
    def parent(self) -> str:
        """Path of the folder that it is in."""
        return self.path.rpartition("/")[0]


def certain(found: frozenset[str]) -> str:
    """The split that a folder's words name and nothing else; "" where they name none."""
    return spoken.only(found, spoken.SPLIT_WORDS, spoken.SPLIT_COMPANIONS)


def perhaps(path: str, found: frozenset[str], *, around: bool) -> PerhapsSplit | None:
    """A folder that may be meant as a split, by its words; None where they have none of one.

    `train_val` is both and says nothing: the split is made here.
    """
    for two in spoken.UNCLEAR_IN_TWO:
        if two <= found:
            found = found - two | {"holdout"}
    meant = {spoken.SPLIT_WORDS[word] for word in found & spoken.SPLIT_WORDS.keys()}
    unclear = found & spoken.UNCLEAR_SPLITS
    if not unclear and len(meant) != 1:
        return None
    others = found - spoken.SPLIT_WORDS.keys() - spoken.UNCLEAR_SPLITS - spoken.SPLIT_COMPANIONS
    said = (found & spoken.SPLIT_WORDS.keys()) | unclear
    return PerhapsSplit(
        path=path,
        meant=frozenset(meant | ({_UNCLEAR} if unclear else set())),
        # The letter of `site A` is no word.
        others=frozenset(word for word in others if len(word) > 1),
        sure=not others or bool(said - spoken.NAMES_TOO),
        around=around,
    )


def beside_splits(path: str, found: frozenset[str]) -> PerhapsSplit | None:
    """A folder that may be a split where it lies beside folders that are some; None of one that says what it is.

    A number makes it a patient's, a year's or a part.
    """
    classed = spoken.label(found) or found & (spoken.LABEL_WORDS.keys() | spoken.SUBTYPE_WORDS.keys())
    both = found & (spoken.SPLIT_WORDS.keys() | spoken.BOTH_SPLITS)
    if classed or both or not found or any(map(str.isdigit, path.rpartition("/")[2])):
        return None
    return PerhapsSplit(path, meant=frozenset(), others=frozenset(), sure=False, around=False)


@dataclass
class SplitFolders:
    """Splits by the folders above images, counted one image at a time."""

    _images: int = 0
    _perhaps: Counter[PerhapsSplit] = field(default_factory=Counter)
    _labels: dict[PerhapsSplit, set[str]] = field(default_factory=dict)
    # Splits that are certain, and the folder that theirs is in.
    _certain: set[tuple[str, str]] = field(default_factory=set)

    def add(self, label: str, split: tuple[str, str] | None, perhaps: tuple[PerhapsSplit, ...]) -> None:
        """Count an image.

        Args:
            label: class that a folder names, or "".
            split: that a folder certainly names, and the folder which that one is in.
            perhaps: folders which may be meant as one.
        """
        self._images += 1
        if split is not None:
            self._certain.add(split)
        self._perhaps.update(perhaps)
        for one in perhaps:
            self._labels.setdefault(one, set()).add(label)

    def doubt(self) -> str | None:
        """Path of a folder that may be meant as a split; None where there is none, or it is around everything."""
        # A folder like `my_test_upload` around everything is no split.
        partly = [one for one, images in self._perhaps.items() if one.meant and images < self._images]
        in_words: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
        beside: dict[str, set[frozenset[str]]] = defaultdict(set)
        around = {one.meant for one in partly if one.around}
        for one in partly:
            in_words[one.others].add(one.meant)
        for split, parent in self._certain:
            beside[parent].add(frozenset({split}))
            around.add(frozenset({split}))

        def borne_out(one: PerhapsSplit) -> bool:
            named = in_words[one.others] | beside[one.parent] | (around if one.around else set())
            return (one.around and len(self._labels[one]) > 1) or any(not other & one.meant for other in named)

        if doubt := next((one.path for one in partly if one.sure or borne_out(one)), None):
            return doubt
        of_splits = {parent for _, parent in self._certain}
        return next((one.path for one in self._perhaps if not one.meant and one.parent in of_splits), None)
