"""The PNG is upright, has square pixels, always fits, and each of its pixels is the mean of what it covers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model_code.dicom.header import read
from model_code.dicom.picture import MAX_EDGE, draw, encode
from tests.model_code.support.dicom_files import dicom_file, phantom

# 2 x 3: every turn of it is another image.
LEVELS = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)


def png(levels: NDArray[np.uint8], **attributes: Any) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(encode(draw(levels, read(dicom_file(levels.astype(int), bits=8, **attributes))))))
    assert (image.format, image.mode) == ("PNG", "L")
    return np.asarray(image)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (None, LEVELS),
        (["L", "F"], LEVELS),
        (["R", "F"], LEVELS[:, ::-1]),
        (["L", "H"], LEVELS[::-1]),
        (["R", "H"], LEVELS[::-1, ::-1]),
        (["F", "L"], LEVELS.T),
        (["H", "R"], LEVELS.T[::-1, ::-1]),
        (["F", "R"], LEVELS.T[:, ::-1]),
        (["LF", "FR"], LEVELS),  # a few degrees off
        (["L", "R"], LEVELS),  # impossible
        ("L", LEVELS),
    ],
)
def test_the_head_is_up_and_the_patient_s_left_is_on_the_right(orientation: Any, expected: NDArray[np.uint8]) -> None:
    attributes = {} if orientation is None else {"PatientOrientation": orientation}
    assert (png(LEVELS, **attributes) == expected).all()


@pytest.mark.parametrize(("height", "width"), [(4300, 3500), (1025, 100), (100, 3000), (MAX_EDGE, MAX_EDGE)])
def test_the_longer_edge_is_at_most_1024_pixels_and_the_shape_is_kept(height: int, width: int) -> None:
    found = png(np.zeros((height, width), np.uint8)).shape
    assert max(found) == min(MAX_EDGE, max(height, width))
    assert found[0] / found[1] == pytest.approx(height / width, rel=0.02)


def test_a_smaller_image_is_not_enlarged() -> None:
    levels = phantom(bits=8).astype(np.uint8)
    assert (png(levels) == levels).all()


def test_a_pixel_is_the_mean_of_the_area_it_covers() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2 * MAX_EDGE, 2 * MAX_EDGE), np.uint8)
    means = levels.reshape(MAX_EDGE, 2, MAX_EDGE, 2).mean((1, 3))
    assert np.abs(png(levels) - means).max() <= 1


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (80, 48)),  # twice as high as wide
        ({"PixelSpacing": [0.1, 0.2]}, (40, 96)),
        ({"PixelAspectRatio": [2, 1]}, (80, 48)),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.2, 0.1]}, (80, 96)),
        ({"PixelSpacing": [0, 0.1]}, (80, 96)),  # says nothing, as all that follows
        ({"PixelSpacing": [0, 0.1], "ImagerPixelSpacing": [0.2, 0.1]}, (80, 48)),
        ({"PixelSpacing": [100, 0.1]}, (80, 96)),
        ({"PixelSpacing": [-0.2, 0.1]}, (80, 96)),
        ({"PixelSpacing": None}, (80, 96)),
        ({"PixelSpacing": [0.2, 0.1, 0.1]}, (80, 96)),
        ({"PixelAspectRatio": [0, 0]}, (80, 96)),
        # Of film that was scanned (PS3.3, C.7.6.3.1.7): the two of them say the same of other images.
        ({"NominalScannedPixelSpacing": [0.2, 0.1]}, (80, 48)),
        ({"ImagerPixelSpacing": [0.1, 0.1], "NominalScannedPixelSpacing": [0.2, 0.1]}, (80, 96)),
        ({"NominalScannedPixelSpacing": [0.1, 0.1], "PixelAspectRatio": [2, 1]}, (80, 96)),
    ],
)
def test_pixels_become_square(attributes: dict[str, Any], expected: tuple[int, int]) -> None:
    assert png(np.zeros((80, 96), np.uint8), **attributes).shape == expected


def test_the_worst_image_fits_into_a_lambda_answer() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (MAX_EDGE, MAX_EDGE), np.uint8)
    assert len(encode(draw(noise, read(dicom_file(noise.astype(int), bits=8))))) * 4 / 3 < 6 * 1024 * 1024 / 4
