"""From stored values to the grey levels a reader sees: modality LUT, VOI LUT or window, photometric interpretation.

Each of these maps a stored value without regard to its place (PS3.3, C.11.1 and C.11.2). So they are applied to the at
most 65,536 values that occur, not to millions of pixels, which then look theirs up: the same grey levels for a fraction
of the memory.

What an optional attribute says in a way that makes no sense is taken as not said, and the next one is asked, as viewers
do: a window of no width, a slope that is no number, a table without entries, and whatever would show the whole image as
one grey, or nearly so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_code.dicom.attributes import finite, numbers, text
from model_code.dicom.header import Header
from model_code.dicom.lut import Floats, tables
from model_code.dicom.pixels import Values
from model_code.dicom.refusal import Refusal, damaged
from model_code.dicom.syntaxes import EXPLICIT_BIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from model_code.dicom.shutter import Opening

Rendering = Literal["voi_lut", "window", "full_range"]
"""How the grey came about: by a VOI LUT or a window of the file, or by its own lowest and highest value, which is a
guess: nobody said what is to be seen."""

_CUT_TABLE = "a look-up table in it is shorter than it says, and cannot be applied."
# Of white: an image of 12 bits in a window of 16 has 0.0625, one of 8 in a window of 12 too.
_LEAST_CONTRAST = 0.065
# Of an image of so many values, fewer grey levels, or a smaller part of the pixels (but for those of the lowest and of
# the highest value) between black and white, are no picture: of drawn chests of 12 bits 0.03 are in a window of 8, and
# of one that leaves an eighth of the range 0.07.
_MANY_VALUES, _FEWEST_LEVELS, _LEAST_BETWEEN = 64, 6, 0.05
# So many pixels at once, since looking up makes indices of eight bytes each.
_BLOCK_PIXELS = 1_000_000


class Grey(NamedTuple):
    """Displayed grey levels, 0 black to 255 white, shape [rows, columns], and the rule that made them."""

    levels: NDArray[np.uint8]
    rendering: Rendering


class _Modality(NamedTuple):
    """Values after the modality LUT or the rescale slope, and the range that the file's bits could reach."""

    values: Floats
    lowest: float
    highest: float


def grey_levels(values: Values, header: Header) -> Grey:
    """Map stored values to grey levels.

    Args:
        values: stored values, shape [rows, columns].
        header: of the same file.

    Raises:
        Refusal: undecodable_image, when the file's tables cannot be applied.
    """
    header = header.of_sign(signed=values.dtype.kind == "i")
    try:
        opening = header.opening
        if opening is not None and _shows_any(seen := _seen(opening, values), header):
            return _through(opening, seen, values.shape, header)
        table, lowest, rendering = _table(values, header)
    except Refusal:
        raise
    except Exception as error:  # messages of numpy and pydicom can quote the file
        raise damaged("its look-up tables or its window cannot be applied.") from error
    return Grey(_looked_up(values, table, lowest), rendering)


def _seen(opening: Opening, values: Values) -> Values:
    """The rectangle around what a shutter leaves, in which what it covers has a value that is there anyway."""
    around = values[opening.rows, opening.columns]
    if opening.visible is None:
        return around
    return np.where(opening.visible, around, around.min(where=opening.visible, initial=int(around.max())))


def _shows_any(seen: Values, header: Header) -> bool:
    """Whether there is a picture in what a shutter leaves: one of another image may leave a border, or padding."""
    image = seen[~padded(seen, header)]
    return bool(image.size) and bool(image.min() < image.max())


def _through(opening: Opening, seen: Values, shape: tuple[int, ...], header: Header) -> Grey:
    """Grey levels of what a shutter leaves; what it covers is no part of the image, and sets no range."""
    table, lowest, rendering = _table(seen, header)
    levels = np.full(shape, opening.level, np.uint8)
    part = levels[opening.rows, opening.columns]
    np.copyto(part, _looked_up(seen, table, lowest), where=True if opening.visible is None else opening.visible)
    return Grey(levels, rendering)


def _looked_up(values: Values, table: NDArray[np.uint8], lowest: int) -> NDArray[np.uint8]:
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, _BLOCK_PIXELS // values.shape[1])
    for top in range(0, len(values), rows):
        block = values[top : top + rows].astype(np.intp)
        levels[top : top + rows] = table[block - lowest]
    return levels


def needs_every_pixel(header: Header) -> bool:
    """Whether the levels depend on single pixels, so that averages of several will not do.

    They do where the lowest and highest value set the range, where a value stands for padding, where a table may map
    neighbouring values to anything, and where a shutter covers some.
    """
    dataset = header.dataset
    by_value = ("VOILUTSequence", "ModalityLUTSequence", "PixelPaddingValue")
    if any(name in dataset for name in by_value) or next(iter(_windows(dataset)), None) is None:
        return True
    return header.opening is not None


def _table(values: Values, header: Header) -> tuple[NDArray[np.uint8], int, Rendering]:
    """The grey level of each value from the lowest in the image on, that lowest value, and the rule."""
    lowest, highest = int(values.min()), int(values.max())
    stored = np.arange(lowest, highest + 1, dtype=np.int32)
    padding = padded(stored, header)
    modality = _modality(stored, header)
    occurring = _occurring(values, padding, lowest)
    counts = np.where(padding, 0, _counts(values, lowest, highest))
    shares, rendering = _displayed(modality, header, occurring, counts)
    if header.photometric_interpretation == "MONOCHROME1":
        shares = 1 - shares
    # Padding is shown black whatever the interpretation: it stands for no X-rays seen, and is no part of the image.
    return np.where(padding, 0, np.rint(255 * shares)).astype(np.uint8), lowest, rendering


def padded(stored: NDArray[Any], header: Header) -> NDArray[np.bool_]:
    """Mask of the values that stand for "no image here"."""
    if header.padding is None:
        return np.zeros(stored.shape, np.bool_)
    first, last = header.padding
    return (stored >= first) & (stored <= last)


def _modality(stored: NDArray[Any], header: Header) -> _Modality:
    big = header.transfer_syntax == EXPLICIT_BIG
    for table in tables(header.dataset, "ModalityLUTSequence", big=big):
        if not table.whole:
            raise damaged(_CUT_TABLE)
        mapped = table.look_up(stored.astype(np.float64), *header.possible)
        if len(mapped) == 1 or np.ptp(mapped) > 0:
            return _Modality(mapped, float(table.entries.min()), float(table.entries.max()))
    slope, intercept = (finite(header.dataset, name) for name in ("RescaleSlope", "RescaleIntercept"))
    # A slope of 0 would leave one value of all.
    slope, intercept = slope or 1.0, intercept or 0.0
    ends = [slope * end + intercept for end in header.possible]
    if not all(map(math.isfinite, ends)) or ends[0] == ends[1]:
        return _Modality(stored.astype(np.float64), *map(float, header.possible))
    return _Modality(stored * slope + intercept, min(ends), max(ends))


def _counts(values: Values, lowest: int, highest: int) -> NDArray[np.intp]:
    """Pixels of each value from the lowest to the highest, in some of the rows."""
    some = values[:: max(1, values.size // _BLOCK_PIXELS)].astype(np.intp)
    return np.bincount(some.ravel() - lowest, minlength=highest - lowest + 1)


def _displayed(
    modality: _Modality, header: Header, occurring: tuple[int, int], counts: NDArray[np.intp]
) -> tuple[Floats, Rendering]:
    """Shares of white, 0 to 1: by the first VOI LUT or else window that shows anything, else by the full range.

    One that lies beside all values of the image would make it black or white altogether, and one that is made for
    others nearly so.
    """
    first, last = occurring
    within = slice(first, last + 1)
    for shares, rendering in _stated(modality, header):
        if first == last or _shows(shares[within], counts[within], rendering):
            return shares, rendering
    return _full_range(modality.values, occurring), "full_range"


def _shows(shares: Floats, counts: NDArray[np.intp], rendering: Rendering) -> bool:
    """Whether a picture can be seen in the shares of white that an image's values get.

    Windows and tables of 16 bits above values of 12 show them nearly black, a window of 8 bits nearly white, and one of
    the width 1 that programs write for none makes black and white of them.

    Args:
        shares: of each value that occurs.
        counts: of its pixels.
        rendering: rule that gives them; a table may leave most values at its ends, since somebody made it for them.
    """
    if np.ptp(shares) < _LEAST_CONTRAST:
        return False
    if len(shares) < _MANY_VALUES or rendering == "voi_lut":
        return True
    levels = np.rint(255 * shares)
    # What a collimator covers, or a marker, may be most of the image, and of one value.
    counts = counts.copy()
    counts[[0, -1]] = 0
    between = counts[(levels > 0) & (levels < 255)].sum()
    return len(np.unique(levels)) >= _FEWEST_LEVELS and between >= _LEAST_BETWEEN * counts.sum()


def _stated(modality: _Modality, header: Header) -> Iterator[tuple[Floats, Rendering]]:
    """Shares of white by each VOI LUT and by each window of the file (of both the reader chooses, C.11.2.1).

    Raises:
        Refusal: when all that is left would be a guess, and a table was there that ends before its last entry.
    """
    cut = False
    for table in tables(header.dataset, "VOILUTSequence", big=header.transfer_syntax == EXPLICIT_BIG):
        if table.whole:
            yield np.minimum(table.look_up(*modality) / table.white, 1.0), "voi_lut"
        cut = cut or not table.whole
    for centre, width, function in _windows(header.dataset):
        yield _windowed(modality.values, centre, width, function), "window"
    if cut:
        raise damaged(_CUT_TABLE)


def _windows(dataset: Dataset) -> list[tuple[float, float, str]]:
    """Centre, width and function of each window that is one (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    function = text(dataset, "VOILUTFunction")
    function = function if function in {"LINEAR_EXACT", "SIGMOID"} else "LINEAR"
    stated = zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False)
    return [
        (centre, width, function)
        for centre, width in stated
        if math.isfinite(centre) and math.isfinite(width) and width > 0
    ]


def _windowed(values: Floats, centre: float, width: float, function: str) -> Floats:
    """Shares of white (PS3.3, C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2)."""
    if function == "SIGMOID":
        # Flat to the precision of a double far before the exponent's limit.
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    # Below 1, LINEAR has no formula: it is meant for whole numbers. Values that a small slope has made fractions have
    # windows as narrow, which viewers apply exactly (fo-dicom/fo-dicom#1999).
    if function == "LINEAR_EXACT" or width < 1 or (width == 1 and bool(np.any(values % 1))):
        return np.clip((values - centre) / width + 0.5, 0, 1)
    middle, span = centre - 0.5, width - 1
    if span == 0:
        return np.where(values > middle, 1.0, 0.0)
    return np.clip((values - middle) / span + 0.5, 0, 1)


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


def _full_range(modality: Floats, occurring: tuple[int, int]) -> Floats:
    within = modality[occurring[0] : occurring[1] + 1]
    low, high = within.min(), within.max()
    if high == low:
        return np.zeros(modality.shape)
    return np.asarray(np.clip((modality - low) / (high - low), 0, 1))
