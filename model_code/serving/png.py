"""Chunks of a PNG (PNG specification, third edition, 5 and 11), for the LiteRT engine.

The graph's libpng takes whole files alone and heeds no colour chunk here; Pillow takes files that end early. So what
Pillow gets is checked before, and holds the chunks alone without which there is no picture.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from model_code.contract.images import MAX_CHUNKS_BEFORE_PIXELS

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PALETTE, _COLOURED = 3, 2  # a colour type, and the bit of those with colours (11.2.1)
_MAX_PALETTE_BYTES = 3 * 256
# First row and column, and the steps, of the passes of an interlaced picture (8.2).
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_END = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
_INPUT_BYTES = 4096  # libpng's PNG_IDAT_READ_SIZE


@dataclass(frozen=True)
class Png:
    """A whole PNG.

    Attributes:
        plain: the file without ancillary chunks.
        depth: bits of a sample.
        colour: colour type, of 11.2.1.
        significant_bits: bits of a sample as sBIT says, of the first channel; 0 where it does not.
    """

    plain: bytes
    depth: int
    colour: int
    significant_bits: int


def read(encoded: bytes) -> Png:
    """Read the chunks of a PNG, and check that the file is whole.

    Raises:
        ValueError: it ends early, is damaged, or has a critical chunk that nobody knows.
    """
    at, number, previous = len(SIGNATURE), 0, b""
    kept: dict[bytes, list[bytes]] = {kind: [] for kind in _CRITICAL}
    significant = b""
    while previous != b"IEND":
        length, kind = struct.unpack_from(">I4s", encoded, at)
        data = encoded[at + 8 : at + 8 + length]
        end = at + 12 + length
        if not kind.isalpha() or (kind == b"IHDR") != (number == 0):
            raise ValueError("damaged")
        if kind[0] & 0x20:  # ancillary
            if kind == b"sBIT" and not (kept[b"IDAT"] or significant) and number < MAX_CHUNKS_BEFORE_PIXELS:
                significant = data
        elif (
            kind not in _CRITICAL
            or encoded[end - 4 : end] != struct.pack(">I", zlib.crc32(kind + data))
            or (kind == b"PLTE" and kept[kind])
        ):
            raise ValueError("damaged")
        elif not kept[b"IDAT"] or kind == b"IEND" or kind == previous == b"IDAT":
            # A palette behind the pixels is none, and of pixels that another chunk interrupts the first part counts.
            kept[kind].append(encoded[at:end])
        at, number, previous = end, number + 1, kind
    (header,), palettes, pixels = ([_data(chunk) for chunk in kept[kind]] for kind in (b"IHDR", b"PLTE", b"IDAT"))
    width, height, depth, colour, compression, _, interlaced = struct.unpack(">IIBBBBB", header)
    if compression or (colour & _COLOURED and b"" in palettes) or (colour == _PALETTE and not _usable(palettes)):
        raise ValueError("damaged")
    bits = depth * _CHANNELS[colour]
    _check_length(pixels, _bytes(width, height, bits, interlaced=bool(interlaced)), 1 + -(-width * bits // 8))
    palette = kept[b"PLTE"] if colour == _PALETTE else []
    plain = b"".join([SIGNATURE, *kept[b"IHDR"], *palette, *kept[b"IDAT"], _END])
    return Png(plain, depth, colour, next(iter(significant), 0))


def _usable(palettes: list[bytes]) -> bool:
    return bool(palettes) and len(palettes[0]) % 3 == 0 and len(palettes[0]) <= _MAX_PALETTE_BYTES


def _data(chunk: bytes) -> bytes:
    """A chunk without its length, its type and its checksum (5.3)."""
    return chunk[8:-4]


def _bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Length of the filtered rows, uncompressed: a byte before each (7.2)."""
    total = 0
    for top, left, down, across in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _check_length(compressed: list[bytes], expected: int, row: int) -> None:
    """Refuse pixels that end early or whose checksum is wrong: Pillow would leave what is missing black.

    So are those that look back further than the window which their header names, as some optimisers wrote them
    (https://github.com/pnggroup/libpng/blob/libpng16/contrib/tools/pngfix.c, "too_far_back"): the graph's libpng does,
    since it asks for a row at a time and keeps no more than that window.
    """
    inflater, length = zlib.decompressobj(0), 0
    for part in compressed:
        for at in range(0, len(part), _INPUT_BYTES):
            piece = part[at : at + _INPUT_BYTES]
            # What is left behind the end would be handed back for ever.
            while piece and length <= expected and not inflater.eof:
                length += len(inflater.decompress(piece, row))
                piece = inflater.unconsumed_tail
    if length < expected or (length == expected and not inflater.eof):
        raise ValueError("damaged")
