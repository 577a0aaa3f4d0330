"""The PNG: upright, with square pixels, and small enough to travel."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_code.dicom.attributes import numbers
from model_code.dicom.header import Header
from model_code.dicom.view import orientation

MAX_EDGE = 1024
"""Lambda answers with at most 6 MB. A grey PNG of 1,024 x 1,024 pixels has 1 MB even where nothing compresses, 1.4 MB
in base64: it always fits. No model looks at more than 1,024 pixels (`pipeline.image_size`)."""
# Film and detectors have square pixels, or nearly: what is further off is a mistake.
_MAX_RATIO = 5.0


def draw(levels: NDArray[np.uint8], header: Header) -> NDArray[np.uint8]:
    """Turn and scale grey levels of a radiograph's shape [rows, columns], or of that halved as `halvings` allows.

    Every pixel of the result is the mean of the area it covers, so nothing is sharper or noisier than the radiograph.
    """
    size = _size(header.columns, header.rows, _pixel_ratio(header))
    halved = 0 if levels.shape[0] == header.rows else round(math.log2(header.rows / levels.shape[0]))
    image = Image.fromarray(levels)
    if halved:
        image = _from_halved(levels, header, halved, size)
    elif size != image.size:
        image = image.resize(size, Image.Resampling.BOX)
    return np.ascontiguousarray(_upright(np.asarray(image), header))


def _from_halved(levels: NDArray[np.uint8], header: Header, halved: int, size: tuple[int, int]) -> Image.Image:
    """The picture of what JPEG 2000 keeps at half the size, or of a half of that.

    A wavelet's averages lie where every second pixel of the full size does, not between two (ITU-T T.800, F.3): without
    the shift, edges move. They are sharper than a mean, so a triangle takes what a box would leave jagged.
    """
    part = 2**halved
    shift = 0.5 - 0.5 / part
    image = Image.fromarray(np.pad(levels, ((0, 1), (0, 1)), mode="edge"))
    area = (shift, shift, header.columns / part + shift, header.rows / part + shift)
    return image.resize(size, Image.Resampling.BILINEAR, box=area)


def encode(levels: NDArray[np.uint8]) -> bytes:
    """The PNG of grey levels."""
    buffer = io.BytesIO()
    # Of noise as radiographs have it, the level that Pillow takes by itself leaves a sixth less and costs five times as
    # much: 0.17 s of 0.45 s that a file of JPEG 2000 took (benchmarks/dicom/archive.py).
    Image.fromarray(levels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def halvings(header: Header) -> int:
    """Number of times a radiograph may be decoded at half the size before the picture would be smaller for it."""
    longest, times = max(_square(header.columns, header.rows, _pixel_ratio(header))), 0
    while longest >= 2 * MAX_EDGE:
        longest, times = longest / 2, times + 1
    return times


def _size(width: int, height: int, ratio: float) -> tuple[int, int]:
    """Width and height with square pixels, none of them larger than before and at most MAX_EDGE.

    `ratio` is a pixel's height by its width: the sharper direction is reduced, because the other has no more to show.
    """
    square = _square(width, height, ratio)
    scale = min(1.0, MAX_EDGE / max(square))
    return max(1, round(square[0] * scale)), max(1, round(square[1] * scale))


def _square(width: int, height: int, ratio: float) -> tuple[float, float]:
    return (width / ratio, float(height)) if ratio > 1 else (float(width), height * ratio)


def _pixel_ratio(header: Header) -> float:
    """Height of a pixel by its width; each attribute states the vertical distance first (PS3.3, 10.7.1 and C.7.6.3).

    What is no shape of a detector's pixel says nothing: the next attribute is asked, and then pixels are square.
    """
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        stated = numbers(header.dataset, name)
        if len(stated) == 2 and all(0 < number < math.inf for number in stated):
            ratio = stated[0] / stated[1]
            if 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
                return ratio
    return 1.0


def _upright(levels: NDArray[np.uint8], header: Header) -> NDArray[np.uint8]:
    """Head up and the patient's left to the right of the image, where Patient Orientation says how it lies."""
    towards = [value[0].upper() for value in orientation(header.dataset)]
    if len(towards) != 2:
        return levels
    along_rows, along_columns = towards
    if along_rows in "FH" and along_columns in "LR":
        levels, along_rows, along_columns = levels.T, along_columns, along_rows
    if along_rows not in "LR" or along_columns not in "FH":
        return levels
    return levels[:: -1 if along_columns == "H" else 1, :: -1 if along_rows == "R" else 1]
