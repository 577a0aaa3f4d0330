"""Display shutter of a radiograph: the part of the image that its file asks viewers to show (PS3.3, C.7.6.11).

Systems blank so what lies outside of the collimator's blades, which would else be the brightest part of a picture. Of
several shapes the least of the image is visible. Rows and columns are counted from 1; a program that has a 0 among them
counts from there.

A shape that is not described, one that is of another image or of this one before it was turned, and shapes that leave
hardly anything, say nothing: programs write them for none, or leave them behind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model_code.dicom.attributes import finite, numbers, texts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ATTRIBUTES = (
    *("ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge"),
    *("ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter"),
    *("VerticesOfThePolygonalShutter", "ShutterPresentationValue"),
)
# Of the image's pixels: what leaves less is a mistake, such as coordinates of another matrix.
_LEAST_VISIBLE = 0.1
_EDGES = ATTRIBUTES[1:5]
# A polygon has as many as there are blades, or a few more; each of very many would take time for every row.
_LEAST_VERTICES, _MOST_VERTICES = 3, 500
# Beyond the largest edge of an image: what lies further off is no place in one.
_FARTHEST = 2**17
_WHITE = 2**16 - 1  # of P-Values


class Opening(NamedTuple):
    """Visible part of an image.

    Attributes:
        rows: around it.
        columns: around it.
        visible: which pixels of these rows and columns are, None for all.
        level: grey level of the rest, 0 black to 255 white, whatever the photometric interpretation is.
    """

    rows: slice
    columns: slice
    visible: NDArray[np.bool_] | None
    level: int


class _Box(NamedTuple):
    """First and last pixel from 0, of columns and of rows."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape(self) -> tuple[int, int]:
        """Of its pixels, [rows, columns]."""
        return max(0, self.bottom - self.top + 1), max(0, self.right - self.left + 1)

    def within(self, other: _Box) -> _Box:
        """The part that both have."""
        return _Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def is_of_turned(self, image: _Box) -> bool:
        """Whether it leaves an image in one direction, and would not if that were turned by 90 degrees."""
        beyond = self.right > image.right + 1 or self.bottom > image.bottom + 1
        return beyond and self.right <= image.bottom + 1 and self.bottom <= image.right + 1


class _Circle(NamedTuple):
    row: float
    column: float
    radius: float


def opening(dataset: Dataset, rows: int, columns: int) -> Opening | None:
    """The visible part of an image of so many rows and columns; None where that is all of it."""
    shapes = set(texts(dataset, "ShutterShape"))
    image = _Box(0, 0, columns - 1, rows - 1)
    edges = _edges(dataset, image) if "RECTANGULAR" in shapes else None
    circle = _circle(dataset, image) if "CIRCULAR" in shapes else None
    vertices = _vertices(dataset, image) if "POLYGONAL" in shapes else []
    box = image.within(edges or image)
    if 0 in box.shape:
        return None
    # Only what is in the rectangle is drawn: an image has up to 40 million pixels.
    visible = _drawn(box, circle, vertices) if circle or vertices else None
    seen = math.prod(box.shape) if visible is None else int(np.count_nonzero(visible))
    everything = rows * columns
    if seen == everything or seen < _LEAST_VISIBLE * everything:
        return None
    return Opening(slice(box.top, box.bottom + 1), slice(box.left, box.right + 1), visible, _level(dataset))


def _level(dataset: Dataset) -> int:
    """Grey level of the rest: black where that is not stated, and "undefined" by the standard."""
    stated = finite(dataset, "ShutterPresentationValue") or 0.0
    return round(255 * min(max(stated, 0.0), _WHITE) / _WHITE)


def _edges(dataset: Dataset, image: _Box) -> _Box | None:
    left, right, upper, lower = (finite(dataset, name) for name in _EDGES)
    if left is None or right is None or upper is None or lower is None or left >= right or upper >= lower:
        return None
    across, down = _first([left]), _first([upper])
    box = _Box(int(left) - across, int(upper) - down, int(right) - across, int(lower) - down)
    return None if box.is_of_turned(image) else box


def _circle(dataset: Dataset, image: _Box) -> _Circle | None:
    centre = numbers(dataset, "CenterOfCircularShutter")
    radius = finite(dataset, "RadiusOfCircularShutter")
    if len(centre) != 2 or not _are_places(centre) or radius is None or radius <= 0:
        return None
    row, column = centre[0] - 1, centre[1] - 1
    # Two zeros stand for no centre, and no lens is beside its image.
    if not (0 <= row <= image.bottom and 0 <= column <= image.right):
        return None
    return _Circle(row, column, min(radius, _FARTHEST))


def _vertices(dataset: Dataset, image: _Box) -> list[tuple[float, float]]:
    """Column and row of each vertex, from 0; none where they are no polygon."""
    stated = numbers(dataset, "VerticesOfThePolygonalShutter")
    if len(stated) % 2 or len(stated) > 2 * _MOST_VERTICES or not _are_places(stated):
        return []
    rows, columns = stated[::2], stated[1::2]
    points = [(x - _first(columns), y - _first(rows)) for x, y in zip(columns, rows, strict=True)]
    if len(set(points)) < _LEAST_VERTICES:
        return []
    around = _Box(0, 0, *(int(max(ends)) for ends in zip(*points, strict=True)))
    return [] if around.is_of_turned(image) else points


def _first(stated: list[float]) -> int:
    """Number of the first row or column, by places among them."""
    return 0 if 0 in stated else 1


def _are_places(stated: list[float]) -> bool:
    return all(abs(one) <= _FARTHEST for one in stated)  # which no NaN is


def _drawn(box: _Box, circle: _Circle | None, vertices: list[tuple[float, float]]) -> NDArray[np.bool_]:
    rows, columns = box.shape
    if vertices:
        drawn = Image.new("1", (columns, rows))
        ImageDraw.Draw(drawn).polygon([(x - box.left, y - box.top) for x, y in vertices], fill=1)
        visible = np.array(drawn)
    else:
        visible = np.ones((rows, columns), np.bool_)
    if circle:
        down = np.arange(box.top, box.bottom + 1) - circle.row
        across = np.arange(box.left, box.right + 1) - circle.column
        # Half of what each row has of the circle; of others it is below 0.
        half = np.sqrt(np.maximum(circle.radius**2 - down**2, 0)) - (np.abs(down) > circle.radius)
        visible &= np.abs(across) <= half[:, np.newaxis]
    return visible
