"""Chunks of a PNG (PNG specification, third edition, 5 and 11), for the LiteRT engine.

The graph's libpng takes whole files alone and heeds no colour chunk here; Pillow takes files that end early. So what
Pillow gets is checked before, and holds the chunks alone without which there is no picture.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# First row and column, and the steps, of the passes of an interlaced picture (8.2).
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_BLOCK_BYTES = 1 << 20
MAX_CHUNKS_BEFORE_PIXELS = 64
"""Where sBIT and eXIf are looked for, here and in the graph: what comes later, or behind the pixels, is not read, as in
browsers."""


@dataclass(frozen=True)
class Png:
    """A whole PNG.

    Attributes:
        plain: the file without ancillary chunks.
        depth: bits of a sample.
        colour: colour type, of 11.2.1.
        significant_bits: bits of a sample as sBIT says, of the first channel; 0 where it does not.
        exif: the content of eXIf, empty where there is none.
    """

    plain: bytes
    depth: int
    colour: int
    significant_bits: int
    exif: bytes


def read(encoded: bytes) -> Png:
    """Read the chunks of a PNG, and check that the file is whole.

    Raises:
        ValueError: it ends early, is damaged, or has a critical chunk that nobody knows.
    """
    at, number, before_pixels = len(SIGNATURE), 0, True
    kept, compressed, found = [SIGNATURE], [], {b"sBIT": b"", b"eXIf": b""}
    while True:
        length, kind = struct.unpack_from(">I4s", encoded, at)
        data = encoded[at + 8 : at + 8 + length]
        end = at + 12 + length
        if kind[0] & 0x20:  # ancillary
            if before_pixels and number < MAX_CHUNKS_BEFORE_PIXELS and not found.get(kind, b" "):
                found[kind] = data
        else:
            if kind not in _CRITICAL or encoded[end - 4 : end] != struct.pack(">I", zlib.crc32(kind + data)):
                raise ValueError("damaged")
            kept.append(encoded[at:end])
            if kind == b"IDAT":
                before_pixels = False
                compressed.append(data)
        at, number = end, number + 1
        if kind == b"IEND":
            break
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", kept[1], 8)
    _check_length(compressed, _bytes(width, height, depth * _CHANNELS[colour], interlaced=bool(interlaced)))
    return Png(b"".join(kept), depth, colour, next(iter(found[b"sBIT"]), 0), found[b"eXIf"])


def _bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Length of the filtered rows, uncompressed: a byte before each (7.2)."""
    total = 0
    for top, left, down, across in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _check_length(compressed: list[bytes], expected: int) -> None:
    """Refuse pixels that end early or whose checksum is wrong: Pillow would leave what is missing black."""
    inflater, length = zlib.decompressobj(), 0
    for part in compressed:
        while part and length <= expected:
            length += len(inflater.decompress(part, _BLOCK_BYTES))
            part = inflater.unconsumed_tail  # noqa: PLW2901
    if length < expected or (length == expected and not inflater.eof):
        raise ValueError("damaged")
