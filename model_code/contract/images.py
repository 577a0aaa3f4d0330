"""Header check of JPEG and PNG: what a file is and how many pixels it would unpack to, before anything is decoded."""

from __future__ import annotations

import struct

JPEG, PNG = "image/jpeg", "image/png"
# First bytes: ITU-T T.81 B.1.1.3 (SOI, then a marker) and the PNG specification, 5.2.
SIGNATURES = {JPEG: b"\xff\xd8\xff", PNG: b"\x89PNG\r\n\x1a\n"}
# A whole chest radiograph has at most about 4,300 x 3,500 pixels (15 million). Four times that is accepted; a small
# file that would unpack to more is not.
MAX_PIXELS = 60_000_000

# Markers that begin a frame and hold its size (ITU-T T.81, table B.1); C4, C8 and CC are not frames.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def media_type(encoded: bytes) -> str | None:
    """`image/jpeg` or `image/png` by a file's first bytes; None where it is neither."""
    return next((kind for kind, start in SIGNATURES.items() if encoded.startswith(start)), None)


def image_dimensions(encoded: bytes) -> tuple[int, int]:
    """Width and height in pixels that a JPEG or PNG declares in its header; nothing is decoded.

    Raises:
        ValueError: when the bytes do not begin a JPEG or PNG, or hold no size. The text says which.
    """
    kind = media_type(encoded)
    if kind == PNG:
        if len(encoded) < 24 or encoded[12:16] != b"IHDR":
            raise ValueError("it is a PNG without a header")
        width, height = struct.unpack(">II", encoded[16:24])
        return int(width), int(height)
    if kind == JPEG:
        return _jpeg_dimensions(encoded)
    raise ValueError("it is neither a JPEG nor a PNG")


def check_image(encoded: bytes) -> None:
    """Refuse what is no JPEG or PNG, or is too large to unpack.

    Raises:
        ValueError: the reason, as the end of a sentence about the image.
    """
    if not encoded:
        raise ValueError("it is empty")
    width, height = image_dimensions(encoded)
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise ValueError(f"it has {width} x {height} pixels, where 1 to {MAX_PIXELS:,} in all are accepted")


def _jpeg_dimensions(encoded: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(encoded):
        if encoded[position] != 0xFF:
            break
        marker = encoded[position + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", encoded[position + 5 : position + 9])
            return int(width), int(height)
        else:
            position += 2 + int(struct.unpack(">H", encoded[position + 2 : position + 4])[0])
    raise ValueError("it is a JPEG without a frame header")
