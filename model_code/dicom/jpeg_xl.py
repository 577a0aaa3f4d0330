"""Headers of a JPEG XL image, read before it is decoded (ISO/IEC 18181-1, D.2 and D.3; boxes: 18181-2).

Fields are a few bits wide, from the lowest bit of each byte on.
"""

from __future__ import annotations

from model_code.dicom.codestream import Codestream, boxes

_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_START = b"\xff\x0a"
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))  # bits and what is added (D.2.2, U32)
_BITS = ((0, 8), (0, 10), (0, 12), (6, 1))
_CHANNELS = ((0, 0), (0, 1), (4, 2), (12, 1))
# Widths by heights that need no field (D.2.2).
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_HEAD_BYTES = 64


class _Bits:
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
    if bits.take(16) != int.from_bytes(_START, "little"):
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
    if not data.startswith(_CONTAINER):
        return data[:_HEAD_BYTES]
    head = b""
    for kind, content in boxes(data):
        start = {b"jxlc": 0, b"jxlp": 4}.get(kind)  # a part begins with its number
        if start is not None and len(head) < _HEAD_BYTES:
            head += content[start : start + _HEAD_BYTES]
    return head
