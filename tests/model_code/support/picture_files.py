"""PNG and JPEG files in every form that is tested, written byte by byte where no library writes it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

Samples = np.ndarray[Any, Any]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
# First row and column, and the steps, of Adam7's passes (PNG specification, 8.2).
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """One chunk with its length and CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    samples: Samples,
    depth: int,
    colour: int,
    *,
    interlaced: bool = False,
    before: bytes = b"",
    after: bytes = b"",
    end: bool = True,
    idat: int = 1 << 30,
) -> bytes:
    """A PNG.

    Args:
        samples: (h, w) or (h, w, channels) of `colour`.
        depth: bits of a sample.
        colour: the colour type.
        interlaced: by Adam7.
        before: chunks between IHDR and the pixels.
        after: chunks between the pixels and IEND.
        end: whether there is an IEND.
        idat: bytes of compressed pixels in each chunk.
    """
    height, width = samples.shape[:2]
    pixels = samples.reshape(height, width, CHANNELS[colour])
    parts = _PASSES if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + _packed(row, depth)
        for top, left, down, across in parts
        for row in pixels[top::down, left::across]
        if row.size
    )
    compressed = zlib.compress(rows, 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    data = b"".join(chunk(b"IDAT", compressed[at : at + idat]) for at in range(0, len(compressed), idat))
    return SIGNATURE + chunk(b"IHDR", header) + before + data + after + (chunk(b"IEND") if end else b"")


def _packed(row: Samples, depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    if depth == 8:
        return row.astype("u1").tobytes()
    bits = (row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype("u1").reshape(-1)).tobytes()


def smooth(height: int = 70, width: int = 90) -> Samples:
    """Shares of white from 0 to 1 without sharp edges, and with no two sides alike."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shares = 0.15 + 0.5 * across + 0.25 * down**2 + 0.1 * np.sin(5 * across) * down
    return (shares - shares.min()) / (shares.max() - shares.min())


def quantised(bits: int, height: int = 70, width: int = 90) -> Samples:
    """The same over the whole range of so many bits, int64."""
    return np.rint(smooth(height, width) * (2**bits - 1)).astype(np.int64)


def coloured(values: Samples) -> Samples:
    """Three channels of which no two are alike."""
    return np.stack([values, values[::-1], values[:, ::-1]], axis=-1)


def with_alpha(samples: Samples, alpha: int) -> Samples:
    """A last channel that is half transparent somewhere."""
    channels = samples.reshape(*samples.shape[:2], -1)
    opacity = np.full((*samples.shape[:2], 1), alpha)
    opacity[:10] = 0
    return np.concatenate([channels, opacity], axis=-1)


def exif(held: int, byte_order: str = "<") -> bytes:
    """A TIFF block that says only how the camera was held (Exif 2.32, 4.6.4 A)."""
    order = b"II*\0" if byte_order == "<" else b"MM\0*"
    value = struct.pack(f"{byte_order}HHIHH", 0x0112, 3, 1, held, 0)
    return order + struct.pack(f"{byte_order}IH", 8, 1) + value + bytes(4)


def _directory(*entries: tuple[int, int, int, int], order: str = "<", mark: int = 42) -> bytes:
    """A TIFF block of entries: tag, representation, count, value."""
    made = b"".join(
        struct.pack(f"{order}HHI", *one[:3])
        + struct.pack(f"{order}{'I' if one[1] == 4 else 'HH'}", *one[3:], *[0] * (one[1] != 4))
        for one in entries
    )
    begin = b"II" if order == "<" else b"MM"
    return begin + struct.pack(f"{order}HIH", mark, 8, len(entries)) + made + bytes(4)


EXIF_FORMS = {
    "two bytes": (_directory((0x0112, 3, 1, 6)), 6),
    "two bytes, big endian": (_directory((0x0112, 3, 1, 6), order=">"), 6),
    "four bytes": (_directory((0x0112, 4, 1, 6)), 1),
    "four bytes, big endian": (_directory((0x0112, 4, 1, 6), order=">"), 1),
    "one byte": (_directory((0x0112, 1, 1, 6)), 1),
    "two numbers": (_directory((0x0112, 3, 2, 6)), 1),
    "none": (_directory((0x0112, 3, 0, 6)), 1),
    "upright, then turned": (_directory((0x0112, 3, 1, 1), (0x0112, 3, 1, 6)), 1),
    "turned, then more": (_directory((0x0112, 3, 1, 6), (0x0112, 3, 1, 8)), 6),
    "no such number, then turned": (_directory((0x0112, 3, 1, 9), (0x0112, 3, 1, 6)), 6),
    "four bytes, then two": (_directory((0x0112, 4, 1, 3), (0x0112, 3, 1, 6), order=">"), 6),
    "another mark": (_directory((0x0112, 3, 1, 6), mark=43), 1),
    "no byte order": (b"IM" + _directory((0x0112, 3, 1, 6))[2:], 1),
}
"""TIFF blocks, each with the orientation as Chromium reads it."""
TURNING_XMP = (
    b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/>'
    b"</x:xmpmeta>"
)
"""An orientation where Pillow looks for it too."""


def app1(content: bytes) -> bytes:
    """A JPEG's segment of EXIF data or XMP."""
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content


def jpeg(levels: Samples | Image.Image, **options: Any) -> bytes:
    """A JPEG by Pillow."""
    image = levels if isinstance(levels, Image.Image) else Image.fromarray(levels.astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 92, **options})
    return buffer.getvalue()


def without_segment(encoded: bytes, marker: int) -> bytes:
    """A JPEG without its segments of a marker, such as 0xEE, where Adobe's is."""
    at, kept = 2, encoded[:2]
    while encoded[at + 1] != 0xDA:
        length = 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
        if encoded[at + 1] != marker:
            kept += encoded[at : at + length]
        at += length
    return kept + encoded[at:]


def ycck(ink: Samples) -> bytes:
    """A JPEG of four components whose first three are YCbCr of the inverted ink, as Adobe writes (transform 2)."""
    cmyk = jpeg(Image.merge("CMYK", [Image.fromarray(one) for one in np.moveaxis(ink.astype(np.uint8), -1, 0)]))
    at = cmyk.index(b"\xff\xee")
    # Length, "Adobe", version, two flags, transform.
    return cmyk[: at + 15] + b"\x02" + cmyk[at + 16 :]


def mpo(first: Image.Image, second: Image.Image) -> bytes:
    """Two pictures in one file, as telephones write (CIPA DC-007)."""
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second], quality=92)
    return buffer.getvalue()
