"""A display shutter covers what lies outside of it, which sets no range either (PS3.3, C.7.6.11).

Rows and columns are counted from 1, of several shapes the least of the image is visible, and what covers the rest is a
P-Value, black where none is stated. Each picture is compared with the formula's inside, written out here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_code.dicom.grey import needs_every_pixel
from model_code.dicom.header import read
from tests.model_code.support.dicom_files import BIG, IMPLICIT, J2K_LOSSLESS, RLE, dicom_file, full_range, phantom
from tests.model_code.support.dicom_tables import rendered, shown, window

# A chest with the white border of a collimator that is brighter than all of it, as detectors leave it.
VALUES = np.where(np.pad(np.ones((60, 70), bool), ((8, 12), (10, 16))), phantom() // 2 + 500, 4095)
ROWS, COLUMNS = np.mgrid[1:81, 1:97]
RECTANGLE = {
    "ShutterShape": "RECTANGULAR",
    "ShutterLeftVerticalEdge": 11,
    "ShutterRightVerticalEdge": 80,
    "ShutterUpperHorizontalEdge": 9,
    "ShutterLowerHorizontalEdge": 68,
}
IN_RECTANGLE = (COLUMNS >= 11) & (COLUMNS <= 80) & (ROWS >= 9) & (ROWS <= 68)
CIRCLE = {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [40, 46], "RadiusOfCircularShutter": 28}
IN_CIRCLE = (ROWS - 40) ** 2 + (COLUMNS - 46) ** 2 <= 28**2
POLYGON = {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [9, 11, 9, 80, 68, 80, 68, 11]}
BOTH = {**RECTANGLE, **CIRCLE, "ShutterShape": ["RECTANGULAR", "CIRCULAR"], "RadiusOfCircularShutter": 33}
IN_BOTH = IN_RECTANGLE & ((ROWS - 40) ** 2 + (COLUMNS - 46) ** 2 <= 33**2)
WINDOW = {"WindowCenter": 1500, "WindowWidth": 2000}


def ranged(inside: NDArray[np.bool_], values: NDArray[Any] = VALUES) -> NDArray[Any]:
    low, high = values[inside].min(), values[inside].max()
    return np.where(inside, np.clip(np.rint(255 * (values - low) / (high - low)), 0, 255), 0)


@pytest.mark.parametrize(
    ("shutter", "inside"),
    [(RECTANGLE, IN_RECTANGLE), (CIRCLE, IN_CIRCLE), (POLYGON, IN_RECTANGLE), (BOTH, IN_BOTH)],
    ids=["rectangle", "circle", "polygon", "both"],
)
def test_what_a_shutter_covers_is_black_and_sets_no_range(shutter: dict[str, Any], inside: NDArray[np.bool_]) -> None:
    assert np.abs(shown(VALUES, **shutter).astype(int) - ranged(inside)).max() <= 1
    by_window = np.where(inside, window(VALUES, 1500, 2000), 0)
    assert np.abs(shown(VALUES, **shutter, **WINDOW).astype(int) - by_window).max() <= 1


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG, RLE, J2K_LOSSLESS])
def test_it_is_read_in_every_encoding(syntax: str) -> None:
    expected = ranged(IN_RECTANGLE, VALUES - 2048)
    levels = shown(VALUES - 2048, signed=True, transfer_syntax=syntax, **RECTANGLE)
    assert np.abs(levels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("stated", "level"),
    [({}, 0), ({"ShutterPresentationValue": 65535}, 255), ({"ShutterPresentationValue": 32896}, 128)],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_covers_is_a_presentation_value_whatever_the_interpretation(
    stated: dict[str, int], level: int, photometric: str
) -> None:
    levels = shown(VALUES, PhotometricInterpretation=photometric, **RECTANGLE, **stated, **WINDOW)
    assert (levels[~IN_RECTANGLE] == level).all()
    inside = window(VALUES, 1500, 2000)[IN_RECTANGLE]
    expected = 255 - inside if photometric == "MONOCHROME1" else inside
    assert np.abs(levels[IN_RECTANGLE].astype(int) - expected).max() <= 1


def test_padding_inside_of_a_shutter_stays_black() -> None:
    values = np.where(COLUMNS == 40, 0, VALUES)
    levels = shown(values, PixelPaddingValue=0, **RECTANGLE, **WINDOW)
    assert (levels[:, 39] == 0).all()
    assert rendered(values, PixelPaddingValue=0, **RECTANGLE, **WINDOW).rendering == "window"


@pytest.mark.parametrize(
    "shutter",
    [
        {"ShutterShape": ""},
        {"ShutterShape": "NONE"},
        {"ShutterShape": "BITMAP"},
        {"ShutterShape": "RECTANGULAR"},
        {name: value for name, value in RECTANGLE.items() if name != "ShutterShape"},
        {**RECTANGLE, "ShutterRightVerticalEdge": ""},
        {**RECTANGLE, "ShutterLeftVerticalEdge": 80, "ShutterRightVerticalEdge": 11},
        dict.fromkeys(RECTANGLE, 0) | {"ShutterShape": "RECTANGULAR"},
        {**RECTANGLE, "ShutterLeftVerticalEdge": 200, "ShutterRightVerticalEdge": 900},  # beside the image
        {**RECTANGLE, "ShutterRightVerticalEdge": 15, "ShutterLowerHorizontalEdge": 12},  # hardly anything is left
        {**CIRCLE, "RadiusOfCircularShutter": 0},
        {**CIRCLE, "RadiusOfCircularShutter": 3},
        {**CIRCLE, "RadiusOfCircularShutter": 2000000000},
        {**CIRCLE, "CenterOfCircularShutter": [40]},
        {**POLYGON, "VerticesOfThePolygonalShutter": [9, 11]},  # nroduit/Weasis#236
        {**POLYGON, "VerticesOfThePolygonalShutter": [9, 11, 9, 80, 68]},
        {**POLYGON, "VerticesOfThePolygonalShutter": [9, 11] * 4},
        {**POLYGON, "VerticesOfThePolygonalShutter": [1, 1, 1, 96, 80, 96, 80, 1] * 500},
        {**POLYGON, "VerticesOfThePolygonalShutter": [-(10**9), 1, 1, 10**9, 68, 80]},
        *(  # all of it, as devices write it, counted from 0, and of the image before a workstation turned it
            dict(zip(RECTANGLE, ["RECTANGULAR", *edges], strict=True))
            for edges in (
                (1, 96, 1, 80),
                (0, 96, 0, 80),
                (0, 97, 0, 81),
                (0, 95, 0, 79),
                (1, 96, 0, 79),
                (1, 80, 1, 96),
            )
        ),
        *({**POLYGON, "VerticesOfThePolygonalShutter": [0, 0, 0, 95, 79, 95, 79, 0][::step]} for step in (1, -1)),
        *(
            {**CIRCLE, "CenterOfCircularShutter": centre, "RadiusOfCircularShutter": 90}
            for centre in ([0, 0], [-9, 40])
        ),
        {**CIRCLE, "CenterOfCircularShutter": [90, 40], "RadiusOfCircularShutter": 70},
    ],
)
def test_a_shutter_that_makes_no_sense_covers_nothing(shutter: dict[str, Any]) -> None:
    assert np.array_equal(shown(VALUES, **shutter), full_range(VALUES))


@pytest.mark.parametrize(
    ("edges", "inside"),
    [
        ((0, 79, 0, 67), (COLUMNS <= 80) & (ROWS <= 68)),  # counted from 0
        ((1, 80, 1, 68), (COLUMNS <= 80) & (ROWS <= 68)),
        ((-20, 80, -9, 200), COLUMNS <= 80),  # blades beside the detector
        ((11, 120, 9, 68), (COLUMNS >= 11) & (ROWS >= 9) & (ROWS <= 68)),
    ],
)
def test_edges_beside_the_image_leave_the_others_as_they_are(edges: tuple[int, ...], inside: NDArray[np.bool_]) -> None:
    levels = shown(VALUES, **dict(zip(RECTANGLE, ["RECTANGULAR", *edges], strict=True)))
    assert np.abs(levels.astype(int) - ranged(inside)).max() <= 1


@pytest.mark.parametrize(
    ("shutter", "every"),
    [
        ({}, False),
        ({"ShutterShape": "NONE"}, False),
        (dict(zip(RECTANGLE, ("RECTANGULAR", 1, 96, 1, 80), strict=True)), False),
        (RECTANGLE, True),
        (CIRCLE, True),
    ],
)
def test_only_a_shutter_that_covers_something_asks_for_every_pixel(shutter: dict[str, Any], every: bool) -> None:
    """Most devices write one of the whole image, whose files of JPEG 2000 need no decoding in full."""
    assert needs_every_pixel(read(dicom_file(VALUES, **shutter, **WINDOW))) == every


@pytest.mark.parametrize("padding", [{}, {"PixelPaddingValue": 700}])
@pytest.mark.parametrize("shutter", [RECTANGLE, POLYGON])
def test_a_shutter_that_leaves_no_picture_covers_nothing(shutter: dict[str, Any], padding: dict[str, int]) -> None:
    """One of another image: the picture would be black altogether, or refused as nothing but padding."""
    values = np.where(IN_RECTANGLE, 700, phantom())
    assert np.array_equal(shown(values, **shutter, **padding, **WINDOW), shown(values, **padding, **WINDOW))


def test_of_two_shapes_the_one_that_is_described_counts() -> None:
    shutter = {**RECTANGLE, "ShutterShape": ["RECTANGULAR", "POLYGONAL"]}
    assert np.abs(shown(VALUES, **shutter).astype(int) - ranged(IN_RECTANGLE)).max() <= 1
