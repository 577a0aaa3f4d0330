"""Look-up tables as files really have them (PS3.3, C.11.1.1 and C.11.2.1.1), where pydicom 3.0 goes by the letter
(findings/pydicom_voi_lut_sign.sh).

The descriptor names the number of entries, the value that the first entry stands for, and the bits of an entry. What
is wrong in it, in files of known makers, is the last: 16 for tables of 12 and 14 bits, 8 for tables of 12. And the
second, whose sign many write by another representation than the standard says, and which cannot be told at all in
Implicit VR.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from model_code.dicom.attributes import items, numbers

Floats = NDArray[np.float64]

_WORD = 2**16


@dataclass(frozen=True)
class Table:
    """One look-up table.

    Attributes:
        entries: what values are mapped to, at least one.
        first: the value that is mapped to the first entry, as two bytes without a sign.
        bits: of an entry, as the descriptor says.
        whole: whether there are as many entries as the descriptor says.
    """

    entries: NDArray[np.uint16]
    first: int
    bits: int
    whole: bool

    @property
    def white(self) -> int:
        """The entry that is shown white.

        It is the greatest number of the bits that the descriptor names (PS3.3, C.11.2.1.1). Where the greatest entry
        needs more bits, or fewer, the descriptor is wrong, and that entry is white, as Horos and Cornerstone take it.
        """
        greatest = int(self.entries.max())
        return 2**self.bits - 1 if greatest.bit_length() == self.bits else greatest

    def look_up(self, values: Floats, lowest: float, highest: float) -> Floats:
        """The entries for values, which may be anywhere between `lowest` and `highest`.

        Below the first value stands the first entry, above the last the last.
        """
        places = np.clip(np.rint(values) - self._first(lowest, highest), 0, len(self.entries) - 1)
        return np.asarray(self.entries[places.astype(np.intp)], np.float64)

    def _first(self, lowest: float, highest: float) -> int:
        """The first value with its sign: negative where what is mapped can be (C.11.1.1, C.11.2.1.1).

        That is not what the element's own representation says, which is ambiguous in the standard and often wrong. A
        table that would lie beside all values is read by the other sign.
        """
        signed = self.first - _WORD if self.first >= _WORD // 2 else self.first
        likely, other = (signed, self.first) if lowest < 0 else (self.first, signed)
        return likely if self._meets(likely, lowest, highest) or not self._meets(other, lowest, highest) else other

    def _meets(self, first: int, lowest: float, highest: float) -> bool:
        return first <= highest and first + len(self.entries) - 1 >= lowest


def tables(dataset: Dataset, sequence: str, *, big: bool) -> Iterator[Table]:
    """The tables of a sequence, without those that say nothing: without values or descriptor, or of zeros alone.

    Args:
        dataset: with or without that sequence.
        sequence: keyword, `ModalityLUTSequence` or `VOILUTSequence`.
        big: whether words of the file are big endian.
    """
    for item in items(dataset, sequence):
        descriptor = numbers(item, "LUTDescriptor")[:3]
        if len(descriptor) < 3 or not np.isfinite(descriptor).all():
            continue
        count, first, bits = (int(number) % _WORD for number in descriptor)
        entries = _entries(_words(item, big=big), count or _WORD)
        if entries.any():
            yield Table(entries, first, bits, whole=len(entries) == (count or _WORD))


def _entries(data: bytes, count: int) -> NDArray[np.uint16]:
    """Entries of two bytes, or of one where there are only so many bytes, whatever the descriptor says of bits.

    The standard has one byte for entries of 8 bits (findings/pydicom_eight_bit_lut.sh), many writers have two.
    """
    if count <= len(data) <= count + 1 and len(data) < 2 * count:
        return np.frombuffer(data, np.uint8, count=count).astype(np.uint16)
    return np.frombuffer(data[: len(data) // 2 * 2], "<u2")[:count]


def _words(item: Dataset, *, big: bool) -> bytes:
    """LUT Data in little-endian words. Of two entries in one, the first is in its low byte (PS3.5, 8.1.1)."""
    if "LUTData" not in item:
        return b""
    element: Any = item.get_item("LUTData")
    value, representation = element.value, element.VR
    if isinstance(value, bytes):
        swapped = big and representation != "OB"
        if isinstance(element, RawDataElement):
            swapped = not element.is_little_endian and representation != "OB"
        return _swapped(value) if swapped else value
    stated = np.atleast_1d(np.asarray([] if value is None else value, np.int64))
    return (stated % _WORD).astype("<u2").tobytes()


def _swapped(data: bytes) -> bytes:
    return np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
