"""EXIF orientation of a JPEG or PNG, read and applied inside the TensorFlow graph.

Layout: the APP1 segment and the TIFF header of Exif 2.32 (CIPA DC-008, 4.5 and 4.7.2), tag 0x0112 of the first image
file directory.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from model_code.contract import images

_HEAD_BYTES, _MAX_SEGMENTS = images.MAX_EXIF_BYTES, images.MAX_EXIF_SEGMENTS
_SCAN = 0xDA
# Marker, length (any), identifier, and a byte that pads it.
_SEGMENT = (0xFF, 0xE1, None, None, *b"Exif\0", None)
_ENTRY_BYTES = 12
_ORIENTATION, _TWO_BYTES = 0x0112, 3
_TRANSPOSED, _LAST, _BEYOND = 5, 8, 2**16


def orientation(encoded: Any) -> Any:
    """The EXIF orientation of a JPEG.

    Args:
        encoded: scalar string tensor, the file's content.

    Returns:
        int32 scalar from 1 (upright) to 8; 1 also where the file says nothing, or nothing that can be read.
    """
    length = tf.strings.length(encoded)

    def goes_on(at: Any, number: Any, exif: Any) -> Any:
        return (exif == 0) & (at > 0) & (at + len(_SEGMENT) <= length) & (number < _MAX_SEGMENTS)

    def step(at: Any, number: Any, _exif: Any) -> Any:
        head = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, at, len(_SEGMENT)), tf.uint8), tf.int32)
        found = tf.reduce_all([head[place] == byte for place, byte in enumerate(_SEGMENT) if byte is not None])
        beyond = at + 2 + 256 * head[2] + head[3]
        # A scan ends the segments; fill bytes may stand before a marker (ITU-T T.81, B.1.1.2).
        over = (head[0] != 0xFF) | (head[1] == _SCAN)
        following = tf.where(over, -1, tf.where(head[1] == 0xFF, at + 1, beyond))
        return following, number + 1, tf.where(found, at + len(_SEGMENT), 0)

    _, _, exif = tf.while_loop(goes_on, step, (2, 0, 0))
    return orientation_of_block(encoded, exif)


def orientation_of_block(encoded: Any, at: Any) -> Any:
    """The orientation that the EXIF data from one byte of a file on says, as of `orientation`; 1 where `at` is 0."""
    return tf.where(at > 0, _of_tiff(_head(encoded, at), 0), 1)


def _head(encoded: Any, at: Any) -> Any:
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, at, _HEAD_BYTES), tf.uint8), tf.int32)
    # Zeros behind the end: what points there finds no entry.
    return tf.pad(head, [[0, 2 * _HEAD_BYTES]])


def _of_tiff(head: Any, start: Any) -> Any:
    """The first orientation that is one number of two bytes and one of the eight (`images.orientation`)."""
    little, big = (tf.reduce_all(head[start : start + 4] == list(order)) for order in (b"II*\0", b"MM\0*"))

    def number(at: Any) -> Any:
        """Two bytes as one number, in the file's byte order."""
        first, second = tf.gather(head, at), tf.gather(head, at + 1)
        return tf.where(little, first + 256 * second, 256 * first + second)

    def long(at: Any) -> Any:
        """Four bytes as one number; what is beyond two of them is as good as any other."""
        high, low = number(at + tf.where(little, 2, 0)), number(at + tf.where(little, 0, 2))
        return tf.where(high > 0, _BEYOND, low)

    # The offset has four bytes; a directory beyond 65,535 is beyond what is read.
    directory = start + tf.minimum(number(tf.where(little, start + 4, start + 6)), _HEAD_BYTES - 2)
    entries = directory + 2 + _ENTRY_BYTES * tf.range(_HEAD_BYTES // _ENTRY_BYTES)
    entries = tf.minimum(entries[: number(directory)], 3 * _HEAD_BYTES - _ENTRY_BYTES)
    values = number(entries + 8)
    stated = (number(entries) == _ORIENTATION) & (number(entries + 2) == _TWO_BYTES) & (long(entries + 4) == 1)
    found = tf.boolean_mask(values, stated & (values >= 1) & (values <= _LAST))
    return tf.where(little | big, tf.concat([found, [1]], axis=0)[0], 1)


def upright(pixels: Any, held: Any) -> Any:
    """Turn and mirror a square image as its EXIF orientation asks.

    Args:
        pixels: tensor of shape (size, size, c).
        held: EXIF orientation, as of `orientation`.
    """
    pixels = tf.where(held >= _TRANSPOSED, tf.transpose(pixels, (1, 0, 2)), pixels)
    for axis, mirrored in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        pixels = tf.where(tf.reduce_any(held == mirrored), tf.reverse(pixels, [axis]), pixels)
    return pixels
