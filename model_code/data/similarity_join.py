"""A similarity join: every pair of fingerprints that are alike, without comparing every pair in full.

Alike are two whose hashes differ in few bits and whose thumbnails correlate by much. A hash is a poor index here, since
all radiographs have nearly the same; a thumbnail is a good one. As directions (`perceptual_hash.directions`) two
thumbnails of correlation r lie sqrt(2 - 2 r) apart, and no projection onto orthonormal axes brings them further apart
(the filter step of Agrawal, Faloutsos and Swami 1993). Of the 13.7 million pairs of the 5,237 radiographs of Kermany
et al. 2018, 24,513 have hashes within 32 bits, and 286 lie that close on sixteen axes.

The axes are principal components, of 8 x 8 means to be quick about it; other axes would find the same pairs. Images are
sorted by the first two, so that whole blocks lie too far apart to be compared; blocks that do not are compared on all
axes in one matrix product. Where nearly everything is close to everything (noise, one picture many times), the hashes
are compared in another matrix product. Either way a pair of blocks takes no more than some megabytes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from model_code.imaging import perceptual_hash
from model_code.imaging.perceptual_hash import HASH_BITS, THUMBNAIL, Fingerprints

Indices = npt.NDArray[np.intp]
Points = npt.NDArray[np.float32]

_MEANS = 8
_AXES = 16
# Products of float32 are off by less than 1e-5; a margin costs a few more pairs to look at.
_ROUNDING = 5e-4
# So many images, neighbours on two axes, are compared with so many others at a time.
_ROWS, _COLUMNS = 128, 8192
# A pair that is looked at by itself costs as much as about sixteen in a matrix product of their hashes.
_CROWDED = 1 / 16


@dataclasses.dataclass(frozen=True)
class Alike:
    """Pairs of images that are alike.

    Attributes:
        first: (n,) numbers of images.
        second: (n,) likewise.
        correlation: (n,) of their thumbnails.
    """

    first: Indices
    second: Indices
    correlation: npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class _Sorted:
    """A group's images in blocks of neighbours.

    Attributes:
        numbers: (n,) of the images.
        points: (n, 16) where they lie.
        low: (blocks, 16) where each block begins on each axis.
        high: likewise, where it ends.
    """

    numbers: Indices
    points: Points
    low: Points
    high: Points


def join(
    fingerprints: Fingerprints, groups: Sequence[Indices], *, max_bits: int, min_correlation: float
) -> Iterator[Alike]:
    """Every pair that is alike: within the group where there is one, else of two groups.

    Args:
        fingerprints: of the images.
        groups: numbers of images; no image is in two.
        max_bits: how many bits of two hashes may differ.
        min_correlation: of the thumbnails, above 0.

    Returns:
        The pairs, each once, some at a time, in no order.
    """
    # These products are too small to share: threads that wait for each other cost four times the processor time.
    with threadpool_limits(1, user_api="blas"):
        yield from _join(fingerprints, groups, max_bits, min_correlation)


def _join(
    fingerprints: Fingerprints, groups: Sequence[Indices], max_bits: int, min_correlation: float
) -> Iterator[Alike]:
    distance = 2 - 2 * min_correlation + _ROUNDING
    means = [_means(fingerprints, group) for group in groups]
    centre, axes = _principal_axes([rows for _, rows in means])
    laid = [_sorted(numbers, np.asarray((rows - centre) @ axes, np.float32)) for numbers, rows in means]
    for left, right in [(laid[0], laid[0])] if len(laid) == 1 else itertools.combinations(laid, 2):
        for rows, columns in _neighbours(left, right, distance):
            near = _near(left.points[rows], right.points[columns], distance)
            first, second = _close(fingerprints, left.numbers[rows], right.numbers[columns], near, max_bits)
            if left is right:
                # A block meets itself, and each of its pairs twice.
                once = first != second
                once &= (first < second) | ~np.isin(second, left.numbers[rows])
                first, second = first[once], second[once]
            if len(first):
                yield from _confirmed(fingerprints, first, second, min_correlation)


def _means(fingerprints: Fingerprints, group: Indices) -> tuple[Indices, Points]:
    """Numbers of the group's images, and 8 x 8 sums of cells of their directions over 4: a projection onto 64 axes.

    Images without any contrast correlate with nothing and are left out.
    """
    numbers, rows = [np.empty(0, np.intp)], [np.empty((0, _MEANS**2), np.float32)]
    cell = THUMBNAIL // _MEANS
    for begin in range(0, len(group), _COLUMNS):
        some = group[begin : begin + _COLUMNS]
        thumbnails = fingerprints.thumbnails[some]
        drawn = thumbnails.max(axis=1) > thumbnails.min(axis=1)
        cells = perceptual_hash.directions(thumbnails[drawn]).reshape(-1, _MEANS, cell, _MEANS, cell)
        numbers.append(some[drawn])
        rows.append(cells.sum(axis=(2, 4)).reshape(-1, _MEANS**2) / np.float32(cell))
    return np.concatenate(numbers), np.concatenate(rows)


def _principal_axes(groups: Sequence[Points]) -> tuple[Points, Points]:
    """The centre of all images, (64,), and orthonormal columns, (64, 16): where they differ most comes first."""
    count = max(1, sum(len(rows) for rows in groups))
    centre = sum((rows.sum(axis=0) for rows in groups), np.zeros(_MEANS**2)) / count
    scatter = sum((rows.T @ rows for rows in groups), np.zeros((_MEANS**2, _MEANS**2))) - count * np.outer(
        centre, centre
    )
    axes = np.linalg.eigh(scatter).eigenvectors[:, ::-1][:, :_AXES]
    return centre.astype(np.float32), axes.astype(np.float32)


def _sorted(numbers: Indices, points: Points) -> _Sorted:
    """Strips along the first axis, each sorted along the second, so that blocks are about as long as they are wide."""
    strips = max(1, round(np.sqrt(len(numbers) / _ROWS)))
    rank = np.empty(len(numbers), np.intp)
    rank[np.argsort(points[:, 0])] = np.arange(len(numbers))
    order = np.lexsort((points[:, 1], rank * strips // max(1, len(numbers))))
    points, begins = points[order], np.arange(0, len(numbers), _ROWS)
    # Of no blocks there are no edges, which `reduceat` refuses.
    low, high = (edge.reduceat(points, begins) if len(begins) else points for edge in (np.minimum, np.maximum))
    return _Sorted(numbers[order], points, low, high)


def _neighbours(first: _Sorted, other: _Sorted, distance: float) -> Iterator[tuple[slice, Indices]]:
    """Places of a block's images and of those that may be as close, by squared distance."""
    for block in range(len(first.low)):
        begin = block if first is other else 0
        gap = np.maximum(other.low[begin:] - first.high[block], first.low[block] - other.high[begin:])
        blocks = begin + np.flatnonzero((np.maximum(gap, 0) ** 2).sum(axis=1) <= distance)
        columns = (blocks[:, np.newaxis] * _ROWS + np.arange(_ROWS)).ravel()
        columns = columns[columns < len(other.numbers)]
        for begin in range(0, len(columns), _COLUMNS):
            yield slice(block * _ROWS, (block + 1) * _ROWS), columns[begin : begin + _COLUMNS]


def _near(first: Points, other: Points, distance: float) -> npt.NDArray[np.bool_]:
    """Pairs of points within a squared distance of each other, (ones, others)."""
    # |x - y|^2 <= d is x.y - |x|^2 / 2 - |y|^2 / 2 >= -d / 2, which one product computes.
    halves = [(points**2).sum(axis=1, keepdims=True) / 2 for points in (first, other)]
    left = np.hstack([first, -halves[0], np.ones_like(halves[0])])
    right = np.hstack([other, np.ones_like(halves[1]), -halves[1]])
    return np.asarray(left @ right.T >= -distance / 2)


def _close(
    fingerprints: Fingerprints, ones: Indices, others: Indices, near: npt.NDArray[np.bool_], max_bits: int
) -> tuple[Indices, Indices]:
    """Numbers of the near pairs whose hashes differ in at most `max_bits` bits."""
    hashes = [fingerprints.hashes[numbers] for numbers in (ones, others)]
    found = np.flatnonzero(near)
    if len(found) > _CROWDED * near.size:
        product = perceptual_hash.bits(hashes[0]) @ perceptual_hash.bits(hashes[1]).T
        found = np.flatnonzero(near & (product >= HASH_BITS - 2 * max_bits))
        first, second = np.divmod(found, len(others))
    else:
        first, second = np.divmod(found, len(others))
        differing = np.bitwise_count(hashes[0][first] ^ hashes[1][second]).sum(axis=1, dtype=np.int64)
        first, second = first[differing <= max_bits], second[differing <= max_bits]
    return ones[first], others[second]


def _confirmed(fingerprints: Fingerprints, first: Indices, second: Indices, min_correlation: float) -> Iterator[Alike]:
    """Pairs whose thumbnails correlate by at least `min_correlation`."""
    for begin in range(0, len(first), _COLUMNS):
        pair = np.stack([first[begin : begin + _COLUMNS], second[begin : begin + _COLUMNS]])
        # One picture many times over is in many pairs: its direction is computed once.
        images, places = np.unique(pair, return_inverse=True)
        left, right = perceptual_hash.directions(fingerprints.thumbnails[images])[places.reshape(pair.shape)]
        correlation = np.einsum("ij,ij->i", left, right)
        found = correlation >= min_correlation
        yield Alike(pair[0][found], pair[1][found], correlation[found])
