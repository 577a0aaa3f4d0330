"""Values of DICOM attributes as files really have them: empty, several for one, misspelt, or of another representation.

pydicom converts an element when it is asked for and raises for what breaks the rules. Nothing here raises: a value that
cannot be read is NaN or no value, and who needs it decides what that means. Elements are read from their bytes, so that
no message of a library can quote them.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from model_code.dicom.words.letters import decoded, folded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

_TEXT = frozenset({"DS", "IS"})
# As programs write where the language has a decimal comma; with three digits behind it, it may be one of thousands,
# unless nothing, or more than thousands, stands before it.
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+,(\d{1,2}|\d{4,})|(0|\d{4,}),\d{3})")
# Two-byte numbers may be packed in words; what stands for "one of several" is read as its unsigned one.
_FORMATS = {"SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
# Of a description: LO has 64 characters (PS3.5, 6.2), and nothing keeps a file from having millions.
_LONGEST = 1024


def numbers(dataset: Dataset, name: str) -> list[float]:
    """The values of a numeric attribute: empty when it is absent or has none, NaN where one is no number."""
    element = _element(dataset, name)
    if element is None:
        return []
    if isinstance(element, RawDataElement):
        data, kind = bytes(element.value or b""), str(element.VR or "UN")
        # A wrong representation says nothing about how the number is written; the attribute's own does.
        known = _TEXT | set(_FORMATS) | {"US", "OW"}
        kind = kind if kind in known else dictionary_VR(element.tag)
        if kind in _TEXT:
            return [_number(part) for part in _parts(data)]
        return _unpacked(data, _FORMATS.get(kind, "H"), little=element.is_little_endian)
    if isinstance(element.value, bytes):
        return _unpacked(element.value, "H", little=True)
    return [_number(value) for value in _values(element.value)]


def finite(dataset: Dataset, name: str) -> float | None:
    """The first value of a numeric attribute; None where it has none that is a number."""
    return next((value for value in numbers(dataset, name)[:1] if math.isfinite(value)), None)


def texts(dataset: Dataset, name: str) -> list[str]:
    """The values of a text attribute, without what pads them, in capitals; empty when it is absent or empty."""
    element = _element(dataset, name)
    if element is None:
        return []
    raw = isinstance(element, RawDataElement)
    parts = _parts(bytes(element.value or b"")) if raw else [str(value) for value in _values(element.value)]
    stated = (part.strip(" \0\t\r\n").upper() for part in parts)
    return [part for part in stated if part]


def text(dataset: Dataset, name: str) -> str:
    """The first value of a text attribute in capitals; empty when there is none."""
    return next(iter(texts(dataset, name)), "")


def phrases(dataset: Dataset, name: str) -> list[str]:
    """The values of a text attribute in capitals and without accents; empty when it is absent or empty.

    In the letters of the file's character set, or of another one where its own make no word of it (`letters`).
    """
    element = _element(dataset, name)
    if element is None:
        return []
    if isinstance(element, RawDataElement):
        said = decoded(bytes(element.value or b"")[:_LONGEST], texts(dataset, "SpecificCharacterSet"))
    else:
        said = "\\".join(str(value) for value in _values(element.value))
    return [part for part in (one.strip(" \0\t\r\n") for one in folded(said).split("\\")) if part]


def items(dataset: Dataset, name: str) -> list[Dataset]:
    """The items of a sequence; empty when it is absent or none."""
    tag = Tag(name)
    if tag not in dataset:
        return []
    value = dataset[tag].value
    return list(value) if isinstance(value, Sequence) else []


def _element(dataset: Dataset, name: str) -> RawDataElement | DataElement | None:
    tag = Tag(name)
    return dataset.get_item(tag) if tag in dataset else None


def _values(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, (list, tuple, MultiValue)) else [value]


def _parts(data: bytes) -> list[str]:
    stated = data.decode("latin-1").strip(" \0")
    return stated.split("\\") if stated else []


def _number(value: Any) -> float:
    if isinstance(value, str):
        value = value.strip(" \0")
        value = value.replace(",", ".") if _DECIMAL_COMMA.fullmatch(value) else value
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _unpacked(data: bytes, kind: str, *, little: bool) -> list[float]:
    size = struct.calcsize(kind)
    count = len(data) // size
    return [float(value) for value in struct.unpack(f"{'<' if little else '>'}{count}{kind}", data[: count * size])]
