"""Grey levels by the standard's formulas, and look-up tables in every form that files have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from model_code.dicom.grey import Grey, grey_levels
from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from tests.model_code.support.dicom_files import dicom_file


def shown(values: NDArray[Any], **options: Any) -> NDArray[np.uint8]:
    return rendered(values, **options).levels


def rendered(values: NDArray[Any], **options: Any) -> Grey:
    header = read(dicom_file(values, **options))
    return grey_levels(stored_values(header), header)


def window(values: NDArray[Any], centre: float, width: float, function: str = "LINEAR") -> NDArray[np.uint8]:
    """Literally PS3.3, C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID) and C.11.2.1.3.2 (LINEAR_EXACT), for 0 to 255."""
    x = values.astype(np.float64)
    if function == "LINEAR":
        share = (x - (centre - 0.5)) / (width - 1) + 0.5
        share = np.where(x <= centre - 0.5 - (width - 1) / 2, 0, np.where(x > centre - 0.5 + (width - 1) / 2, 1, share))
    elif function == "LINEAR_EXACT":
        share = np.clip((x - centre) / width + 0.5, 0, 1)
    else:
        share = 1 / (1 + np.exp(-4 * (x - centre) / width))
    return np.rint(255 * share).astype(np.uint8)


def table(entries: NDArray[Any], first: int, bits: int, *, words: str = "") -> Dataset:
    """A look-up table; with `words`, a byte order, its entries are OW, which has room for 65,536."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries) % 2**16, first, bits])
    if words:
        item.add_new("LUTData", "OW", entries.astype(f"{words}u2").tobytes())
    else:
        item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return item


def curve(entries: int, bits: int) -> NDArray[np.int64]:
    return np.rint(np.linspace(0, 1, entries) ** 0.6 * (2**bits - 1)).astype(np.int64)


def packed(entries: NDArray[Any], first: int, bits: int, *, big: bool = False, representation: str = "OW") -> Dataset:
    """A table with entries of one byte, of which two lie in a word."""
    data = entries.astype(np.uint8).tobytes()
    data += b"\0" * (len(data) % 2)
    if big and representation == "OW":
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new("LUTData", representation, data)
    return item
