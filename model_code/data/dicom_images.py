"""DICOM files of an archive as grey pictures, by the same code as in the API, so that training and serving agree.

What the API hands to the endpoint is the PNG of the reader's picture; the same PNG is decoded here.
"""

from __future__ import annotations

import dataclasses
import warnings

from model_code.archive.table_matches import Identity
from model_code.dicom import header, picture, radiograph, subject
from model_code.dicom.refusal import Refusal
from model_code.dicom.words.anatomy import OTHER

_UNSUITABLE = "not_a_radiograph"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A DICOM file as drawn, or the reason why it is left out.

    Attributes:
        png: of the upright picture; empty where there is none.
        width: of the stored image, in pixels.
        height: likewise.
        mode: photometric interpretation.
        unsuitable: a sentence where the file can be read and is no frontal radiograph of a chest, else "".
    """

    png: bytes = b""
    width: int = 0
    height: int = 0
    mode: str = ""
    unsuitable: str = ""


def draw(data: bytes) -> Drawn:
    """Draw a file as the API does.

    Raises:
        ValueError: with a sentence, where it cannot be read.
    """
    try:
        found = header.read(data)
        if found.body_part == OTHER:
            return Drawn(unsuitable=_another_part(found.other_part))
        levels = radiograph.draw(found).levels
    except Refusal as refusal:
        if refusal.code == _UNSUITABLE:
            return Drawn(unsuitable=refusal.detail)
        raise ValueError(refusal.detail) from None  # the cause's message can quote the file
    return Drawn(picture.encode(levels), found.columns, found.rows, found.photometric_interpretation)


def _another_part(term: str) -> str:
    """Reason to leave out a file that names another part than the chest: a defined term, or none that is known."""
    another = "The DICOM file says that it shows another part of the body than the chest"
    if term:
        return f"{another}: {term}."
    return (
        f"{another}, in words that are not known here: write CHEST into Body Part Examined, or nothing, if it does not."
    )


def identity(beginning: bytes, by: str) -> Identity:
    """Identifiers by which a table of labels may name a file.

    Args:
        beginning: of the file.
        by: the one that the table goes by: what else a file says is not read for nothing.
    """
    if by in {"sop_instance_uid", "patient_id"}:
        found = subject.read(beginning)
        return Identity(found.sop_instance_uid, found.patient_id, study_date=found.study_date)
    return Identity(**subject.order(beginning))


def silence() -> None:
    """Turn warnings off in this process: pydicom's quote what files say.

    The reader does so itself while it reads, but for one thread at a time: `warnings.catch_warnings` of one ends that
    of another (https://docs.python.org/3.12/library/warnings.html#warnings.catch_warnings).
    """
    warnings.simplefilter("ignore")
