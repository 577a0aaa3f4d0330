"""Neighbouring pixels that speak against the header: the order of bytes, the sign, the stored bits (ADR 69 and 72)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_code.dicom.header import Header
from model_code.dicom.syntaxes import LOSSY

Values = NDArray[np.integer[Any]]

_LOOKED_AT, _ENOUGH = 1_000_000, 2**17  # pixels, by whole rows
_OVERSHOT = 1.25
_FAR_NEARER, _FAR_APART, _LOWER_BYTES, _CARRIED = 4, 2**11, 128, 128
# Of pairs of neighbours on either side of the sign bit: such a part has to be nearer by the other sign than by the
# stated one, of so many in a row (a border has one or two), with a difference of at most this part of what 98 % of the
# pixels cover. On each side lie this part of the pixels, and so many values, of which the first has no more than so
# many times the pixels of those beside it.
_NEARER, _FEWEST_PAIRS, _SMOOTH, _LEAST_SHARE, _FEWEST_VALUES = 0.9, 2.5, 1 / 8, 1 / 16, 24
_BESIDE, _FAR_MORE = 8, 4


def _some(values: Values, pixels: int = _LOOKED_AT) -> Values:
    """Rows at even distances with at least so many pixels, or all."""
    return values[:: max(1, values.size // pixels)]


def whole_cells(raw: Values, header: Header) -> Values:
    """All bits of each pixel, with its sign."""
    return raw.view(f"={'i' if header.signed else 'u'}{raw.dtype.itemsize}")


def lie_swapped(words: Values, header: Header) -> bool:
    """Whether the bytes of words lie in the other order than the file's, as in archives for which dcm4che has a tool
    (`swappxdata`, https://github.com/dcm4che/dcm4che/issues/919): neighbours are far nearer then.

    So are noisy images of 8 bits at the top of 16, and those of few values. But the lower byte of a word has many, and
    goes round where the upper one changes by one; if it is not words of fewer bits that these have no room for.
    """
    if words.itemsize == 1 or header.overlaid:
        return False
    some = whole_cells(_some(words, _ENOUGH), header)
    swapped = some.byteswap()
    steps, other = (np.abs(np.diff(one.astype(np.int32), axis=1)) for one in (some, swapped))
    apart = np.median(steps)
    if apart <= _FAR_NEARER * np.median(other) or len(np.unique(swapped & 0xFF)) < _LOWER_BYTES:
        return False
    beyond, within = (int(one.view("=u2").max()) >> header.bits_stored for one in (some, swapped))
    if beyond and not within and not header.spare_low_bits:
        return True
    carried = other[np.abs(np.diff(swapped.astype(np.int32) >> 8, axis=1)) == 1]
    return bool(apart > _FAR_APART and len(carried) >= len(some) and np.median(carried) < _CARRIED)


def is_torn(values: Values, header: Header) -> bool:
    """Whether neighbours lie at either end of the range, and by the other sign beside each other, in an image that goes
    on there as it does elsewhere.

    Black beside white does not: text, line pairs and halftones are rough by the other sign or have few values, and what
    is saturated or enhanced has more pixels at the ends than beside them.
    """
    half = 1 << (header.bits_stored - 1)
    some = _some(values).astype(np.int32)
    # From 0 by the other sign, which tears nothing between half - 1 and half.
    other = (some + (0 if header.signed else half)) & (2 * half - 1)
    above, steps = other >= half, np.abs(np.diff(other, axis=1))
    crossing = above[:, 1:] != above[:, :-1]
    if np.count_nonzero(steps[crossing] < half) < _FEWEST_PAIRS * len(other):
        return False
    counts = np.bincount(other.ravel(), minlength=2 * half)
    levels = np.flatnonzero(counts)
    low, high = np.split(levels, [np.searchsorted(levels, half)])
    if min(len(low), len(high)) < _FEWEST_VALUES or _stands_out(counts[low[::-1]]) or _stands_out(counts[high]):
        return False
    # What a collimator or padding covers, or a marker, has the lowest or the highest value.
    image = np.ones(other.shape, np.bool_)
    for end in (low, high[::-1]):
        if _stands_out(counts[end]):
            image &= other != end[0]
            counts[end[0]] = 0
    steps = steps[crossing & image[:, 1:] & image[:, :-1]]
    if len(steps) < _FEWEST_PAIRS * len(other) or np.mean(steps < half) < _NEARER:
        return False
    sums = np.cumsum(counts)
    first, last = np.searchsorted(sums, np.array([0.01, 0.99]) * sums[-1])
    share = counts[:half].sum() / sums[-1]
    return bool(np.median(steps) <= _SMOOTH * (last - first) and _LEAST_SHARE <= share <= 1 - _LEAST_SHARE)


def _stands_out(counts: NDArray[np.intp]) -> bool:
    """Whether the first of some values that occur has far more pixels than those beside it."""
    return bool(counts[0] > _FAR_MORE * np.median(counts[1 : _BESIDE + 1]))


def goes_on(whole: Values, header: Header) -> bool:
    """Whether values beyond the stored bits are of the image: without what lies above, neighbours would be far apart.

    An overlay is the other way round: with it neighbours are far apart, and without it they are as in any image, or
    have one value, where somebody put black below it.
    """
    lowest = header.possible[0]
    highest = 1 << header.bits_stored
    # Without anything above them negative numbers are no more than that; with their sign above, all have it there.
    end = header.possible[1] + 1 if whole.min() < 0 else highest
    beyond = end + (_OVERSHOT - 1) * highest if header.transfer_syntax in LOSSY else end
    if lowest <= whole.min() and whole.max() < beyond:
        return False
    some = _some(whole).astype(np.int32)
    cut = (some - lowest) % highest + lowest
    above = some - cut
    apart = above[:, 1:] != above[:, :-1]
    if not apart.any() or np.ptp(cut[above != 0]) == 0:
        return False
    with_it, without = (np.median(np.abs(np.diff(one, axis=1))[apart]) for one in (some, cut))
    return bool(with_it < without)
