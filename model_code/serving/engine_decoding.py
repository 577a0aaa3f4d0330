"""`image.pixels_from_bytes` without TensorFlow, for the second engine: the same pixels, by Pillow and numpy.

The graph is the definition, and tests hold this to it file by file. What makes the two agree: libjpeg's own scaled
decoding by the same rule, its conversion to grey, and Pillow's triangle filter in floating point, which is the formula
of TensorFlow's antialiased resize. Over real radiographs of both sizes the pixels are the same but for one in
thousands, which is one grey level off (`benchmarks/engine.py`).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_RATIOS = (8, 4, 2)
_SCALE_MARGIN = 2
_HEAD_BYTES = 4096
_CMYK_PIXELS = 16_384
_ORIENTATION = 0x0112
# How `Image.transpose` turns a picture upright, by the EXIF orientation (Exif 2.32, 4.6.4 A).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises for bytes that are not a whole image, by its plugins for these two formats.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, MemoryError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
# libpng's weights of red, green and blue in fractions of 32,768, which float32 holds exactly; it cuts what is left.
_PNG_LUMA = (9798 / 32768, 19235 / 32768, 3735 / 32768, -0.5)


class ImageError(ValueError):
    """Bytes that are not a whole JPEG or PNG; the text goes on after "The image"."""


def pixels_from_bytes(encoded: bytes, size: int) -> Pixels:
    """Decode one JPEG or PNG to grey, resize it, round it and turn it upright, as the graph does.

    Args:
        encoded: the file's content. Its header was looked at: `inference.check_image` bounds what is decoded.
        size: edge of the square result in pixels.

    Returns:
        uint8 (size, size, 1).

    Raises:
        ImageError: when the bytes are not a whole JPEG or PNG.
    """
    try:
        with warnings.catch_warnings():
            # Of damaged EXIF data, which `_orientation` reads itself.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded), formats=["JPEG", "PNG"]) as image:
                grey = _of_jpeg(image, size) if image.format == "JPEG" else _of_png(image)
    except _DAMAGED as error:
        raise ImageError("begins as a JPEG or PNG but cannot be decoded to its end") from error
    resized = Image.fromarray(grey).convert("F").resize((size, size), Image.Resampling.BILINEAR)
    if (turn := _TURNS.get(_orientation(encoded))) is not None:
        resized = resized.transpose(turn)
    rounded: Pixels = np.clip(np.rint(np.asarray(resized)), 0, 255).astype(np.uint8)
    return rounded[..., np.newaxis]


def _of_jpeg(image: Any, size: int) -> Pixels:
    if image.mode == "CMYK":
        return _of_cmyk(np.asarray(image))
    ratio = next((one for one in _RATIOS if min(image.size) >= _SCALE_MARGIN * one * size), 1)
    # Takes the greatest scale at which neither edge falls below what is asked for.
    image.draft("L", (image.width // ratio, image.height // ratio))
    return np.asarray(image.convert("L"))


def _of_cmyk(ink: Pixels) -> Pixels:
    """By the integer arithmetic of TensorFlow's kernel to RGB, and then its luma, rounded."""
    weights = np.asarray([0.2989, 0.587, 0.114], dtype=np.float32)
    grey = np.empty(ink.shape[:2], dtype=np.uint8)
    # By rows that fit the processor's cache, which takes a fifth of the time of the whole at once.
    height = max(1, _CMYK_PIXELS // ink.shape[1])
    for top in range(0, len(ink), height):
        rows = slice(top, top + height)
        light = (255 - ink[rows]).astype(np.uint16)
        colour = (light[..., :3] * light[..., 3:] // 255).astype(np.float32)
        np.rint(colour @ weights, out=grey[rows], casting="unsafe")
    return grey


def _of_png(image: Any) -> Pixels:
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.int32) >> 8).astype(np.uint8)
    if image.mode in {"1", "L", "LA"}:
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB").convert("L", matrix=_PNG_LUMA))


def _orientation(encoded: bytes) -> int:
    """The EXIF orientation of a JPEG, read as `orientation.orientation` reads it; 1 where there is none."""
    head = encoded[:_HEAD_BYTES]
    place = head.find(b"Exif\0\0")
    while place >= 4 and head[place - 4 : place - 2] != b"\xff\xe1":
        place = head.find(b"Exif\0\0", place + 1)
    if not encoded.startswith(b"\xff\xd8") or place < 4:
        return 1
    tiff = head[place + 6 :] + bytes(2 * _HEAD_BYTES)
    order = "<" if tiff[:1] == b"I" else ">"
    start = struct.unpack_from(f"{order}I", tiff, 4)[0]
    if start > _HEAD_BYTES:
        return 1
    count = struct.unpack_from(f"{order}H", tiff, start)[0]
    found = [1]
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 12), 12):
        if struct.unpack_from(f"{order}H", tiff, at)[0] == _ORIENTATION:
            found.append(struct.unpack_from(f"{order}H", tiff, at + 8)[0])
    return max(found) if max(found) <= 8 else 1
