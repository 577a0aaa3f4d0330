"""Problem of an archive: the reason why nothing can be trained on it, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from model_code.archive.entries import TABLES

EXPECTED = "{train,val,test}/{NORMAL,PNEUMONIA}/<images>, or {NORMAL,PNEUMONIA}/<images>, at any depth"
ADVICE = (
    f"Arrange the images as {EXPECTED}, as .jpeg, .jpg, .png or DICOM files, or put a table {TABLES[0]} with the "
    "columns file and label beside them, and make the archive again."
)


@dataclass(frozen=True)
class Problem:
    """Reason why nothing can be trained on an archive.

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
