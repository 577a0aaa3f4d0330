"""Header check of JPEG and PNG: what a file is and how many pixels it would unpack to, before anything is decoded."""

from __future__ import annotations

import struct

JPEG, PNG = "image/jpeg", "image/png"
# First bytes: ITU-T T.81 B.1.1.3 (SOI, then a marker) and the PNG specification, 5.2.
SIGNATURES = {JPEG: b"\xff\xd8\xff", PNG: b"\x89PNG\r\n\x1a\n"}
# A whole chest radiograph has at most about 4,300 x 3,500 pixels (15 million). What is accepted beyond that is bounded
# by what decoding costs, up to half a second of a processor (`benchmarks/serving/request_cost.py`): a small file may
# unpack to very much. libjpeg decodes large JPEGs to a part of their size, but not those of ink; PNGs are unpacked
# whole.
MAX_PIXELS = {"JPEG": 60_000_000, "JPEG of CMYK": 16_000_000, "PNG": 24_000_000}
# A progressive JPEG goes through all its pixels again with every scan. Encoders write ten (libjpeg's
# jpeg_simple_progression); the standard has no limit.
MAX_SCANS = 24

# Markers that begin a frame and hold its size (ITU-T T.81, table B.1); C4, C8 and CC are not frames.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive: what browsers show, and what both engines' decoders make the same picture of.
_DECODED_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_PROCESSES = {0xC3: "lossless", 0xC9: "arithmetically coded", 0xCA: "arithmetically coded", 0xCB: "lossless"}
_JPEG_BITS = 8
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN = b"\xff\xda"


def media_type(encoded: bytes) -> str | None:
    """`image/jpeg` or `image/png` by a file's first bytes; None where it is neither."""
    return next((kind for kind, start in SIGNATURES.items() if encoded.startswith(start)), None)


def image_dimensions(encoded: bytes) -> tuple[int, int]:
    """Width and height in pixels that a JPEG or PNG declares in its header; nothing is decoded.

    Raises:
        ValueError: when the bytes do not begin a JPEG or PNG of a kind that is decoded, or hold no size. The text says
            which.
    """
    return _header(encoded)[1:]


def pixel_cost(encoded: bytes) -> float:
    """Cost of decoding a JPEG or PNG, as a share of the most that a request may cost.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: when it is no JPEG or PNG, or too large to unpack; the reason, as the end of a sentence about it.
    """
    if not encoded:
        raise ValueError("it is empty")
    kind, width, height = _header(encoded)
    most = MAX_PIXELS[kind]
    if width < 1 or height < 1 or width * height > most:
        raise ValueError(f"it has {width} x {height} pixels, where 1 to {most:,} in all are accepted of a {kind}")
    # Inside a scan 0xFF is followed by 0x00 or a restart marker (T.81, F.1.2.3): what is counted beyond the scans are
    # those of thumbnails and chance finds in metadata.
    scans = encoded.count(_JPEG_SCAN) if kind.startswith("JPEG") else 1
    if scans > MAX_SCANS:
        raise ValueError(f"it is a progressive JPEG of {scans:,} scans, where {MAX_SCANS} are accepted")
    return width * height / most


def check_image(encoded: bytes) -> None:
    """Refuse what is no JPEG or PNG, or is too large to unpack.

    Raises:
        ValueError: the reason, as the end of a sentence about the image.
    """
    pixel_cost(encoded)


def _header(encoded: bytes) -> tuple[str, int, int]:
    """Kind (of `MAX_PIXELS`), width and height."""
    if media_type(encoded) == PNG:
        if len(encoded) < 24 or encoded[12:16] != b"IHDR":
            raise ValueError("it is a PNG without a header")
        width, height = struct.unpack(">II", encoded[16:24])
        return "PNG", int(width), int(height)
    if media_type(encoded) == JPEG:
        return _jpeg_header(encoded)
    raise ValueError("it is neither a JPEG nor a PNG")


def _jpeg_header(encoded: bytes) -> tuple[str, int, int]:
    position = 2
    while position + 10 <= len(encoded):
        if encoded[position] != 0xFF:
            break
        marker = encoded[position + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker in _JPEG_FRAMES:
            bits, height, width, components = struct.unpack(">BHHB", encoded[position + 4 : position + 10])
            if marker not in _DECODED_FRAMES or bits != _JPEG_BITS:
                process = _PROCESSES.get(marker, "hierarchical" if marker not in _DECODED_FRAMES else f"{bits}-bit")
                raise ValueError(f"it is a JPEG of an unusual kind, {process}: save it as an ordinary JPEG or as PNG")
            return "JPEG of CMYK" if components == 4 else "JPEG", int(width), int(height)
        else:
            position += 2 + int(struct.unpack(">H", encoded[position + 2 : position + 4])[0])
    raise ValueError("it is a JPEG without a frame header")
