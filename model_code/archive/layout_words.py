"""Words in the names of an archive's folders and files, and what each means; see `layout`."""

from __future__ import annotations

import re
from functools import lru_cache

from model_code.contract.labels import NORMAL, PNEUMONIA

LABEL_WORDS = {"normal": NORMAL, "normals": NORMAL, "pneumonia": PNEUMONIA, "pneumonias": PNEUMONIA}
SUBTYPE_WORDS = {"bacteria": "bacteria", "bacterial": "bacteria", "virus": "virus", "viral": "virus"}
SPLIT_WORDS = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
SPLIT_WORDS |= {"validation": "validation", "test": "test", "testing": "test"}
SPLIT_WORDS |= {f"{word}{end}": split for word, split in SPLIT_WORDS.items() for end in ("set", "data")}
# Beside a train folder these are for validation in one data set and for test in another.
UNCLEAR_SPLITS = frozenset({"eval", "evaluation", "dev", "development", "holdout", "heldout", "unseen"})
UNCLEAR_SPLITS |= {f"{word}{end}" for word in UNCLEAR_SPLITS for end in ("set", "data")}
UNCLEAR_IN_TWO = (frozenset({"hold", "out"}), frozenset({"held", "out"}))
# People are called Dev, Val, Valid and Train, and Test those whom nobody has treated.
NAMES_TOO = frozenset({"dev", "val", "valid", "test", "train"})
# With one of them a class's name means something else: `no pneumonia` may be any other disease.
NEGATIONS = frozenset({"no", "non", "not", "without", "negative"})
# What data sets call a radiograph on which nothing was found.
_NO_FINDING = (frozenset({"no", "finding"}), frozenset({"no", "findings"}))

# Words beside a name that leave it what it is.
PLAIN = frozenset({"image", "images", "img", "imgs", "picture", "pictures", "case", "cases", "class", "patient"})
PLAIN |= {"patients", "sample", "samples", "scan", "scans", "lung", "lungs", "jpeg", "jpg", "png", "folder", "copy"}
PLAIN |= {"set"}
# Not `chest`, `xray` or `dataset`: `chest-xray-pneumonia` is what whole data sets are called, and images of other
# diseases lie in it.
LABEL_COMPANIONS = PLAIN | SPLIT_WORDS.keys() | SUBTYPE_WORDS.keys()
SUBTYPE_COMPANIONS = LABEL_COMPANIONS | LABEL_WORDS.keys()
# `Test patient` is what a PACS is tried with.
SPLIT_COMPANIONS = (PLAIN - {"patient", "case"}) | LABEL_WORDS.keys() | SUBTYPE_WORDS.keys()
SPLIT_COMPANIONS |= {"data", "dataset", "split", "chest", "x", "ray", "rays", "xray", "xrays", "cxr"}

# What images are called that are no radiographs, in folders beside theirs: CT of lungs, OCT of retinas.
OTHER_MODALITIES = frozenset({"oct", "ct", "hrct", "mri", "mrt", "ultrasound", "sonography", "fundus", "retina"})
MODALITY_COMPANIONS = PLAIN | {"chest", "data", "dataset"}

MASK_WORDS = frozenset({"mask", "masks", "lungmask", "lungmasks", "segmask", "segmasks"})
SEGMENTATION_WORDS = frozenset({"seg", "segmentation", "segmentations"})
MASK_COMPANIONS = PLAIN | SPLIT_COMPANIONS | SPLIT_WORDS.keys() | SEGMENTATION_WORDS
MASK_COMPANIONS |= {"infection", "heart", "manual", "left", "right", "binary", "predicted"}
SEGMENTATION_SUFFIXES = tuple(f"{mark}{word}" for mark in "_-. " for word in SEGMENTATION_WORDS)

# Written by file managers and storage systems, never by a radiology department. What begins with a dot counts too.
METADATA_FOLDERS = frozenset({"__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found"})
METADATA_FOLDERS |= {"@eadir", "#recycle", "@recycle", "found.000"}
# `Icon` followed by a carriage return is how macOS keeps a folder's picture.
METADATA_FILES = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"})

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=8192)
def words(name: str) -> frozenset[str]:
    """The words of a name in lower case, without numbers: those of `TrainNormal` are those of `train_normal-2`."""
    return frozenset(word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", name)))


def label(found: frozenset[str]) -> str:
    """The class that words name, or an empty text."""
    named = only(found, LABEL_WORDS, LABEL_COMPANIONS)
    return named or (NORMAL if any(one <= found and found - one <= PLAIN for one in _NO_FINDING) else "")


def only(found: frozenset[str], meanings: dict[str, str], companions: frozenset[str]) -> str:
    """The one meaning that words have, where the rest of them says nothing; else an empty text."""
    meant = {meanings[word] for word in found if word in meanings}
    return meant.pop() if len(meant) == 1 and found - meanings.keys() <= companions else ""
