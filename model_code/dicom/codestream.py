"""Size of a compressed image by its own headers, read without decoding it.

A codec allocates what the codestream asks for, whatever Rows and Columns say: 65,535 x 65,535 pixels fit in a hundred
bytes. So this is compared first.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.encaps import generate_fragments

from model_code.dicom.syntaxes import ENCAPSULATED, EXPLICIT_BIG, EXPLICIT_LITTLE, JPEG, JPEG_2000, JPEG_LS, NATIVE

_JPEG_LS_FRAME = 0xF7  # ITU-T T.87, C.1.1
# ITU-T T.81, table B.1: C4, C8 and CC are no frames. Progressive ones (C2) take time for each of any number of scans.
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, _JPEG_LS_FRAME}
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # ITU-T T.800, I.5.1
_ITEM = b"\xfe\xff\x00\xe0"  # PS3.5, 7.5
# How frames begin: JPEG and JPEG-LS, JPEG 2000 and its file, JPEG XL's two (ISO/IEC 18181-2), and run lengths of up to
# 15 segments, the first behind the 64 bytes of their header (PS3.5, G.5).
_FRAME = re.compile(rb"\xff\xd8\xff|\xff\x4f\xff\x51|\0{3}\x0cjP  |\xff\x0a|\0{3}\x0cJXL |[\x01-\x0f]\0{3}\x40\0{3}")
_CODING_STYLE, _START_OF_TILE = 0xFF52, 0xFF90  # ITU-T T.800, table A.2
# JPEG XL: ISO/IEC 18181-1, D.2 and D.3; boxes: 18181-2.
_JXL_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_JXL_START = b"\xff\x0a"
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))  # bits and what is added (D.2.2, U32)
_BITS = ((0, 8), (0, 10), (0, 12), (6, 1))
_CHANNELS = ((0, 0), (0, 1), (4, 2), (12, 1))
# Widths by heights that need no field (D.2.2).
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_JXL_HEAD_BYTES = 64


@dataclass(frozen=True)
class Codestream:
    """Size of one compressed image.

    Attributes:
        rows: of pixels.
        columns: of pixels.
        components: of a pixel.
        precision: bits of a component.
        process: JPEG's start of frame marker, None for JPEG 2000 and JPEG XL.
        halvings: how many times JPEG 2000 can be decoded at half the size; 0 for others.
        signed: whether components are, of JPEG 2000.
    """

    rows: int
    columns: int
    components: int
    precision: int
    process: int | None
    halvings: int = 0
    signed: bool = False


def read_jpeg(data: bytes) -> Codestream | None:
    """The frame header of a JPEG or JPEG-LS codestream, None where there is none."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            if at + 10 > len(data):
                return None
            precision, rows, columns, components = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return Codestream(rows, columns, components, precision, marker)
        else:
            at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    return None


def lies_in_items(element: Any) -> bool:
    """Whether pixel data consists of items (PS3.5, A.4), of which some programs state the length."""
    return element.is_undefined_length or bytes(element.value[: len(_ITEM)]) == _ITEM


def fragments(element: Any) -> Iterator[bytes] | None:
    """The fragments of the one frame: all behind the table of offsets, which some files have wrong (PS3.5, A.4).

    Files of some programs lack that table: then the first item is a fragment, which begins as no table does, since the
    first offset is 0.

    Returns:
        The fragments, each copied when it is asked for; None where pixel data does not consist of items.
    """
    if not lies_in_items(element):
        return None
    found: Iterator[bytes] = generate_fragments(element.value)
    first = next(found, b"")
    return itertools.chain([first], found) if _FRAME.match(first) else found


def syntax_of_pixels(element: Any, named: str, native_bytes: int) -> str:
    """The transfer syntax that pixel data is in, where it is not what the file names: programs that compress or
    decompress leave the old name behind.

    Args:
        element: Pixel Data.
        named: transfer syntax that the file names.
        native_bytes: so many bytes are the pixels without compression.
    """
    bare = not element.is_undefined_length and 0 <= len(element.value) - native_bytes <= native_bytes % 2
    if bare or (named in NATIVE and not lies_in_items(element)):
        return EXPLICIT_LITTLE if named not in NATIVE else named
    if named not in NATIVE | JPEG | JPEG_LS | JPEG_2000:
        return named
    found = fragments(element) or iter(())
    if named in NATIVE - {EXPLICIT_BIG}:
        parts = list(found)
        if 0 <= sum(map(len, parts)) - native_bytes <= len(parts):
            return ENCAPSULATED
        found = iter(parts)
    frame = next(found, b"")
    if read_jpeg_2000(jpeg_2000_codestream(frame)):
        return named if named in JPEG_2000 else "1.2.840.10008.1.2.4.90"
    jpeg = read_jpeg(frame)
    family = JPEG_LS if jpeg and jpeg.process == _JPEG_LS_FRAME else JPEG
    if jpeg is None or named in family:
        return named
    return "1.2.840.10008.1.2.4.80" if family is JPEG_LS else "1.2.840.10008.1.2.4.70"


def read_jpeg_2000(data: bytes) -> Codestream | None:
    """The SIZ segment of a JPEG 2000 codestream (ITU-T T.800, A.5.1), None where there is none."""
    if not data.startswith(b"\xff\x4f\xff\x51") or len(data) < 43:
        return None
    right, bottom, left, top = struct.unpack(">IIII", data[8:24])
    (components,) = struct.unpack(">H", data[40:42])
    return Codestream(
        bottom - top,
        right - left,
        components,
        (data[42] & 0x7F) + 1,
        None,
        halvings=_halvings(data),
        signed=bool(data[42] & 0x80),
    )


def jpeg_2000_codestream(data: bytes) -> bytes:
    """The codestream alone, where a file wraps it in the boxes of JP2, which PS3.5, 8.2.4 leaves out."""
    if not data.startswith(_JP2):
        return data
    return next((bytes(content) for kind, content in boxes(data) if kind == b"jp2c"), data)


def boxes(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each box of a JP2 or JPEG XL file (ITU-T T.800, I.4)."""
    view, at = memoryview(data), 0
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        start = at + 8
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack(">Q", data[at + 8 : at + 16])
            start = at + 16
        end = at + length if length else len(data)
        if end < start:
            return
        yield kind, view[start:end]
        at = end


def _halvings(data: bytes) -> int:
    """Decomposition levels, by the COD segment of the main header (ITU-T T.800, A.6.1); 0 where there is none."""
    at = 2
    while at + 10 <= len(data):
        marker, length = struct.unpack(">HH", data[at : at + 4])
        if marker == _CODING_STYLE:
            return data[at + 9]
        if marker < 0xFF00 or marker == _START_OF_TILE:
            return 0
        at += 2 + length
    return 0


class _Bits:
    """Fields of JPEG XL, a few bits wide, from the lowest bit of each byte on."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self._left & ((1 << count) - 1)
        self._left >>= count
        return taken

    def choose(self, choices: tuple[tuple[int, int], ...]) -> int:
        count, added = choices[self.take(2)]
        return self.take(count) + added


def read_jpeg_xl(data: bytes) -> Codestream | None:
    """The size of a JPEG XL image, None where there is none or it holds more than one plain picture.

    `components` counts channels besides colour, which alone take memory that the size does not tell: 1 is none.
    """
    bits = _Bits(_head(data))
    if bits.take(16) != int.from_bytes(_JXL_START, "little"):
        return None
    rows, columns = _size(bits)
    precision, extra = 8, 0
    if not bits.take(1):  # all_default
        if bits.take(1):  # extra_fields
            bits.take(3)  # orientation
            if bits.take(3):  # an intrinsic size, a preview, an animation
                return None
        if bits.take(1):  # floating point
            return None
        precision = bits.choose(_BITS)
        bits.take(1)  # modular_16bit_buffers
        extra = bits.choose(_CHANNELS)
    return Codestream(rows, columns, 1 + extra, precision, None)


def _size(bits: _Bits) -> tuple[int, int]:
    eighths = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if eighths else bits.choose(_SIZES)
    ratio = bits.take(3)
    if ratio:
        wide, high = _RATIOS[ratio]
        return rows, rows * wide // high
    return rows, 8 * (bits.take(5) + 1) if eighths else bits.choose(_SIZES)


def _head(data: bytes) -> bytes:
    if not data.startswith(_JXL_CONTAINER):
        return data[:_JXL_HEAD_BYTES]
    head = b""
    for kind, content in boxes(data):
        start = {b"jxlc": 0, b"jxlp": 4}.get(kind)  # a part begins with its number
        if start is not None and len(head) < _JXL_HEAD_BYTES:
            head += content[start : start + _JXL_HEAD_BYTES]
    return head
