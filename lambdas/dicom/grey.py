"""From stored values to the grey levels a reader sees: modality LUT, VOI LUT or window, photometric interpretation.

Each of these maps a stored value without regard to its place (PS3.3, C.11.1 and C.11.2). So pydicom applies them to the
at most 65,536 values that occur, not to millions of pixels, which then look theirs up: the same grey levels for a
fraction of the memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from lambdas.dicom.header import Header, numbers
from lambdas.dicom.pixels import Values
from lambdas.dicom.refusal import Refusal, damaged

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Levels = NDArray[Any]

# So many pixels at once, since looking up makes indices of eight bytes each.
_BLOCK_PIXELS = 1_000_000
# Windows are flat this many widths from their centre, a sigmoid's to within the precision of a double.
_FAR = 50.0
_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")


def grey_levels(values: Values, header: Header) -> NDArray[np.uint8]:
    """What is displayed, 0 black to 255 white.

    Args:
        values: stored values, shape [rows, columns].
        header: of the same file.

    Raises:
        Refusal: undecodable_image, when the file's tables cannot be applied.
    """
    try:
        table, lowest = _table(values, header)
    except Refusal:
        raise
    except Exception as error:  # wrong tables end pydicom and numpy in many ways, and messages quote them
        raise damaged("its look-up tables or its window cannot be applied.") from error
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, _BLOCK_PIXELS // values.shape[1])
    for top in range(0, len(values), rows):
        block = values[top : top + rows].astype(np.intp)
        levels[top : top + rows] = table[block - lowest]
    return levels


def _table(values: Values, header: Header) -> tuple[NDArray[np.uint8], int]:
    """The grey level of each value from the lowest in the image on, and that lowest value."""
    dataset, lowest, highest = header.dataset, int(values.min()), int(values.max())
    stored = np.arange(lowest, highest + 1, dtype=np.int32)
    padding = _padding(stored, header)
    modality = _modality(stored, dataset)
    if not np.isfinite(modality).all():
        raise damaged("its rescale slope or intercept is no number.")
    shares = _displayed(modality, dataset)
    if shares is None:
        shares = _full_range(modality, _occurring(values, padding, lowest))
    if header.photometric_interpretation == "MONOCHROME1":
        shares = 1 - shares
    # Padding is shown black whatever the interpretation: it stands for no X-rays seen, and is no part of the image.
    return np.where(padding, 0, np.rint(255 * shares)).astype(np.uint8), lowest


def _padding(stored: Levels, header: Header) -> NDArray[np.bool_]:
    """Which values stand for "no image here" (PS3.3, C.7.5.1.1.2)."""
    limits = [int(number) for name in _PADDING for number in numbers(header.dataset, name)[:1]]
    if "PixelPaddingValue" not in header.dataset or not limits:
        return np.zeros(stored.shape, np.bool_)
    return (stored >= min(limits)) & (stored <= max(limits))


def _modality(stored: Levels, dataset: Dataset) -> Levels:
    for item in list(dataset.get("ModalityLUTSequence") or [])[:1]:
        _widen(item)
    return apply_modality_lut(stored, dataset)


def _displayed(modality: Levels, dataset: Dataset) -> Levels | None:
    """Shares of white, 0 to 1, by the first VOI LUT or else the first window; None where the file has neither."""
    for item in list(dataset.get("VOILUTSequence") or [])[:1]:
        if "LUTDescriptor" in item and "LUTData" in item:
            bits = _widen(item)
            entries, first = int(item.LUTDescriptor[0]) or 2**16, int(item.LUTDescriptor[1])
            within = np.clip(np.rint(modality), first, first + entries - 1).astype(np.int32)
            return np.asarray(np.minimum(apply_voi(within, dataset) / (2**bits - 1), 1.0))
    centre, width = (numbers(dataset, name)[:1] for name in ("WindowCenter", "WindowWidth"))
    linear = str(dataset.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR"
    # A window that is no window says nothing: viewers show the full range then.
    if not (centre and width and math.isfinite(centre[0]) and math.isfinite(width[0])):
        return None
    if width[0] < (1 if linear else 1e-9):
        return None
    # pydicom answers in the units of its input, so what it makes of values far outside says what black and white are.
    ends = np.array([centre[0] - _FAR * width[0], centre[0] + _FAR * width[0]])
    windowed = apply_windowing(np.concatenate([modality.astype(np.float64), ends]), dataset)
    black, white = windowed[-2], windowed[-1]
    return np.asarray((windowed[:-2] - black) / (white - black))


def _widen(item: Dataset) -> int:
    """Let pydicom keep a table's entries in 16 bits; answers how many bits they have.

    It keeps them, and the indices into a VOI LUT, in an integer of just the stated bits: there is none of 12, and in
    one of 8 the index of a table with 4,096 entries overflows.
    """
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    if not 8 <= bits <= 16:
        raise damaged("the entries of a look-up table have an unknown number of bits.")
    item.LUTDescriptor = [entries, first, 16]
    return bits


def _occurring(values: Values, padding: NDArray[np.bool_], lowest: int) -> tuple[int, int]:
    """Indices into the table of the lowest and the highest value that is not padding."""
    if not padding.any():
        return 0, len(padding) - 1
    low, high = (int(index) + lowest for index in np.flatnonzero(padding)[[0, -1]])
    image = (values < low) | (values > high)
    if not image.any():
        raise damaged("its image is all padding.")
    extremes = values.min(where=image, initial=values.max()), values.max(where=image, initial=values.min())
    return int(extremes[0]) - lowest, int(extremes[1]) - lowest


def _full_range(modality: Levels, occurring: tuple[int, int]) -> Levels:
    ends = modality[list(occurring)].astype(np.float64)
    low, high = ends.min(), ends.max()
    if high == low:
        return np.zeros(modality.shape)
    return np.asarray(np.clip((modality - low) / (high - low), 0, 1))
