"""Decoding for the LiteRT engine: the pixels of `imaging.decoding.pixels_from_bytes`, by Pillow and numpy.

The graph is the definition, and tests hold this to it file by file. What makes the two agree: libjpeg's own scaled
decoding by the same rule, its conversion to grey, and Pillow's triangle filter in floating point, which is the formula
of TensorFlow's antialiased resize. Over real radiographs of both sizes the pixels are the same but for one in
thousands, which is one grey level off (`benchmarks/serving/engine.py`).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from model_code.contract import images
from model_code.serving import png

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Grey = np.ndarray[Any, np.dtype[np.uint8]] | np.ndarray[Any, np.dtype[np.float32]]

_RATIOS = (8, 4, 2)
_SCALE_MARGIN = 2
_CMYK_PIXELS = 16_384
# What Pillow raises for bytes that are not a whole image, by its plugins for these two formats.
_DAMAGED = (
    *(
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        MemoryError,
        struct.error,
        zlib.error,
    ),
    Image.DecompressionBombError,
)
# Red, green and blue in luma (ITU-R BT.601).
_LUMA = np.asarray([0.299, 0.587, 0.114], dtype=np.float32)
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_BLOCK_ROWS = 256


class ImageError(ValueError):
    """Bytes that are not a whole JPEG or PNG; the text goes on after "The image"."""


def pixels_from_bytes(encoded: bytes, size: int) -> Pixels:
    """Decode one JPEG or PNG to grey, resize it, round it and turn it upright, as the graph does.

    Args:
        encoded: the file's content. Its header was looked at: `contract.images.check_image` bounds what is decoded.
        size: edge of the square result in pixels.

    Returns:
        uint8 (size, size, 1).

    Raises:
        ImageError: when the bytes are not a whole JPEG or PNG.
    """
    try:
        with warnings.catch_warnings():
            # Of damaged EXIF data, which are read by `images` alone.
            warnings.simplefilter("ignore")
            if encoded.startswith(b"\xff\xd8"):
                grey: Grey = _of_jpeg(encoded, size)
            else:
                grey = _of_png(png.read(encoded))
            held = images.orientation(encoded)
    except _DAMAGED as error:
        raise ImageError("begins as a JPEG or PNG but cannot be decoded to its end") from error
    resized = Image.fromarray(grey).convert("F").resize((size, size), Image.Resampling.BILINEAR)
    if turn := images.TURNS.get(held):
        resized = resized.transpose(Image.Transpose[turn])
    rounded: Pixels = np.clip(np.rint(np.asarray(resized)), 0, 255).astype(np.uint8)
    return rounded[..., np.newaxis]


def _of_jpeg(encoded: bytes, size: int) -> Pixels:
    images.image_dimensions(encoded)  # which refuses lossless ones, that Pillow's libjpeg decodes and the graph's not
    if encoded.find(_END_OF_IMAGE, encoded.find(_START_OF_SCAN)) < 0:
        raise ValueError("cut short")
    # By its own class: for what telephones write, `Image.open` gives one of several pictures, which cannot be drafted.
    with JpegImagePlugin.JpegImageFile(io.BytesIO(encoded)) as image:
        if image.mode == "CMYK":
            # Pillow turns ink into light, which Adobe's files hold already; those without its marker hold ink.
            adobe = "adobe_transform" in image.info
            return _of_cmyk(np.asarray(image), inverted=adobe)
        ratio = next((candidate for candidate in _RATIOS if min(image.size) >= _SCALE_MARGIN * candidate * size), 1)
        # Takes the greatest scale at which neither edge falls below what is asked for.
        image.draft("L", (image.width // ratio, image.height // ratio))
        return np.asarray(image.convert("L"))


def _of_cmyk(ink: Pixels, *, inverted: bool) -> Pixels:
    """CMYK to RGB by the integer arithmetic of TensorFlow's kernel, and then to its luma, rounded."""
    weights = np.asarray([0.2989, 0.587, 0.114], dtype=np.float32)
    grey = np.empty(ink.shape[:2], dtype=np.uint8)
    # By rows that fit the processor's cache, which takes a fifth of the time of the whole at once.
    height = max(1, _CMYK_PIXELS // ink.shape[1])
    for top in range(0, len(ink), height):
        rows = slice(top, top + height)
        light = (255 - ink[rows] if inverted else ink[rows]).astype(np.uint16)
        colour = (light[..., :3] * light[..., 3:] // 255).astype(np.float32)
        np.rint(colour @ weights, out=grey[rows], casting="unsafe")
    return grey


def _of_png(chunks: png.Png) -> Grey:
    """Grey levels, unrounded where colours or sixteen bits make them."""
    deep, raw = chunks.depth == 16, {2: "RGB;16", 6: "RGBA;16"}.get(chunks.colour)
    if not deep:
        image = _opened(chunks.plain)
        coloured = chunks.colour in {2, 3, 6}
        return _luma(np.asarray(image.convert("RGB"))) if coloured else np.asarray(image.convert("L"))
    if raw is not None:
        # Pillow keeps one byte of each sample: the first, or the second where it takes the file for little endian.
        high, low = (np.asarray(_opened(chunks.plain, raw + order).convert("RGB")) for order in "BL")
        largest = int(np.max(high * np.uint16(256) + low))
        grey = 256 * _luma(high) + _luma(low)
    else:
        samples = _grey_and_alpha(chunks.plain) if chunks.colour == 4 else np.asarray(_opened(chunks.plain))
        grey, largest = samples.astype(np.float32), int(samples.max())
    return grey * np.float32(255 / _white(largest, chunks.significant_bits))


def _opened(encoded: bytes, raw: str = "") -> Any:
    """A PNG, decoded; `raw` names how Pillow is to take the bytes of a pixel."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(encoded))
    if raw:
        image.tile = [tile._replace(args=raw) for tile in image.tile]
    image.load()
    return image


def _grey_and_alpha(plain: bytes) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Samples of sixteen bits: with as many bytes a pixel, the file is opened as RGB with alpha of eight bits."""
    header = plain[12:24] + b"\x08\x06" + plain[26:29]
    as_bytes = np.asarray(_opened(plain[:12] + header + struct.pack(">I", zlib.crc32(header)) + plain[33:]))
    return np.asarray(as_bytes[..., 0].astype(np.uint16) * np.uint16(256) + as_bytes[..., 1], dtype=np.uint16)


def _luma(colours: Pixels) -> Grey:
    grey = np.empty(colours.shape[:2], dtype=np.float32)
    for top in range(0, len(grey), _BLOCK_ROWS):
        grey[top : top + _BLOCK_ROWS] = colours[top : top + _BLOCK_ROWS] @ _LUMA
    return grey


def _white(largest: int, significant_bits: int) -> int:
    """The sample of sixteen bits that is white, by the rule of `imaging/decoding.py`."""
    if 1 <= significant_bits < 16:
        bits = 16 if largest >= 1 << significant_bits else significant_bits
    else:
        bits = max(largest.bit_length(), 8)
    return int((1 << bits) - 1)
