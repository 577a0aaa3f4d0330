"""Which entries of an archive are radiographs of which split and class.

Recognised: `[any folders/]{train,val,test}/{NORMAL,PNEUMONIA}/<image>` (Kaggle's chest_xray, doubled tree included)
and `[any folders/]{NORMAL,PNEUMONIA}/<image>`; names in any case, images as .jpeg, .jpg or .png.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lambdas.trigger.rejection import Reason, Rejection, shown

LABELS = ("NORMAL", "PNEUMONIA")
SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
_LITTER_FILES = frozenset({"thumbs.db", "desktop.ini"})


def is_litter(name: str) -> bool:
    """What operating systems leave in archives: `__MACOSX/`, `.DS_Store`, `._*`, `Thumbs.db`."""
    parts = name.split("/")
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts) or parts[-1].lower() in _LITTER_FILES


@dataclass
class Layout:
    """Counts of images by (split or None, label), filled one entry at a time."""

    images: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    stray: str | None = None
    """First file that is neither litter nor an image in a recognised folder: an example for the message."""

    def add(self, name: str) -> None:
        """Count one entry (a path with `/`; a trailing one marks a folder)."""
        if name.endswith("/") or is_litter(name):
            return
        *folders, file = name.split("/")
        label = folders[-1].upper() if folders else ""
        if label not in LABELS or not file.lower().endswith(IMAGE_SUFFIXES):
            self.stray = self.stray or name
            return
        split = folders[-2].lower() if len(folders) > 1 else None
        self.images[(split if split in SPLITS else None, label)] += 1

    def check(self) -> None:
        """Raise Rejection unless there is something of both classes to train on."""
        if not self.images:
            example = f", for example {shown(self.stray)}" if self.stray else ""
            raise Rejection(
                Reason.NO_LAYOUT,
                f"No image was found in a folder named NORMAL or PNEUMONIA; the archive holds other files{example}."
                if self.stray
                else "No image was found in a folder named NORMAL or PNEUMONIA; the archive holds no files at all.",
                entry=self.stray,
            )
        splits = {split for split, _ in self.images if split}
        if splits and "train" not in splits and not any(split is None for split, _ in self.images):
            present = " and ".join(f"{split}/" for split in SPLITS if split in splits)
            raise Rejection(Reason.SPLIT_MISSING, f"The archive has {present} but no train/ folder.")
        for label in LABELS:
            if not any(found == label for _, found in self.images):
                raise Rejection(Reason.CLASS_MISSING, f"No image was found in any folder named {label}.", entry=label)
            if "train" in splits and not self.images[("train", label)]:
                raise Rejection(
                    Reason.CLASS_MISSING, f"No image was found under train/{label}/.", entry=f"train/{label}/"
                )
