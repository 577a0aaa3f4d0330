"""Header check of images: what a file is, and how many pixels a JPEG or PNG would unpack to before it is decoded."""

from __future__ import annotations

import re
import struct

JPEG, PNG = "image/jpeg", "image/png"
# First bytes: ITU-T T.81 B.1.1.3 (SOI, then a marker) and the PNG specification, 5.2.
SIGNATURES = {JPEG: b"\xff\xd8\xff", PNG: b"\x89PNG\r\n\x1a\n"}
# What the same two are called besides: by older browsers, and by mistake so often that it has to be taken.
ALIASES = {"image/jpg": JPEG, "image/pjpeg": JPEG, "image/x-png": PNG}
# Of what people send and store under those names, by its first bytes; of ISO's base media file format, by the brand
# behind `ftyp` (ISO/IEC 14496-12, 4.3; 23008-12, B.4; AVIF 1.1, 9).
_POINTER = "a pointer of Git LFS"
_OTHERS = (
    ("a TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("a GIF", re.compile(rb"GIF8")),
    ("a BMP", re.compile(rb"BM.{4}\0{4}", re.DOTALL)),
    ("a WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("an AVIF", re.compile(rb".{4}ftyp(avi[fs]|m[is]f1.{4}(.{4}){0,8}?avi[fs])", re.DOTALL)),
    ("a HEIC", re.compile(rb".{4}ftyp(he[a-z]{2}|mif1|msf1)", re.DOTALL)),
    ("a JPEG 2000", re.compile(rb"\0{3}\x0cjP  |\xff\x4f\xff\x51")),
    ("a JPEG XL", re.compile(rb"\0{3}\x0cJXL |\xff\x0a")),
    ("a PDF document", re.compile(rb"%PDF-")),
    ("an archive", re.compile(rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|\xfd7zXZ\0|BZh[1-9]|\x28\xb5\x2f\xfd")),
    ("a Netpbm picture", re.compile(rb"P[1-6]\s")),
    # What a download may leave in place of the file: an error's or a warning's page, and Git's note about it.
    ("a web page", re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)),
    (_POINTER, re.compile(rb"version https://git-lfs\.github\.com/spec/")),
)
_INSTEAD = dict.fromkeys(("a PDF document", "an archive", "a web page"), "send the radiograph's own file")
_INSTEAD[_POINTER] = "fetch the file itself (`git lfs pull`)"
# First bytes of a DICOM file: 128 that may be anything, then these (PS3.10, 7.1).
_DICOM_PREFIX, _DICOM_PREFIX_AT = b"DICM", 128
DICOM_START_BYTES = _DICOM_PREFIX_AT + len(_DICOM_PREFIX)
"""Number of a file's first bytes that say whether it is DICOM."""
# Of a first element: groups that files begin with, and the representations of what stands first in them (PS3.6).
_DICOM_GROUPS = frozenset({b"\x02\x00", b"\x08\x00", b"\x00\x08"})
_DICOM_FIRST_KINDS = frozenset({b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"LO", b"SH"})
_DICOM_LONGEST_FIRST = 128
# A whole chest radiograph has at most about 4,300 x 3,500 pixels (15 million). What is accepted beyond that is bounded
# by what decoding costs (`benchmarks/serving/request_cost.py`): a small file may unpack to very much. libjpeg decodes
# large JPEGs to a part of their size, but not those of ink; PNGs are unpacked whole, and colours of sixteen bits, which
# no radiograph has, take ten times as long as grey levels.
MAX_PIXELS = {"JPEG": 60_000_000, "JPEG of CMYK": 16_000_000, "PNG": 24_000_000, "PNG of 16-bit colours": 8_000_000}
# A decoder works row by row: a picture one pixel wide costs six times as much as a square one. No JPEG can be larger.
MAX_EDGE = 65_535
# A progressive JPEG goes through its pixels again with every scan, up to the end of the picture: behind it cameras put
# other pictures and films. Encoders write 6 for grey, 10 for colour and 18 for ink (libjpeg's
# jpeg_simple_progression); the standard has no limit. Both limits hold: a radiograph of 15 million pixels may have all
# the scans.
MAX_SCANS = 24
MAX_SCANNED_PIXELS = 600_000_000
# Markers of a JPEG up to its first scan, and twice as many up to its end. Pillow and this module step through them in
# Python. Each of 5,237 radiographs (Kermany) has 5 to 9 up to the first; a colour profile is at most 255 more (ICC.1,
# B.4).
MAX_MARKERS = 1_000
# Chunks of a PNG, for the same reason. libpng writes one for 8 kB, 2,560 for the largest body.
MAX_CHUNKS = 10_000
# Its chunks that are compressed themselves: the graph's libpng unpacks each to up to 8 MB, in 4 ms for each of these,
# and keeps it. Programs write a profile and a few texts.
MAX_PACKED_CHUNKS = 16
# Body of a request. InvokeEndpoint takes 6,291,456 bytes (`BodyBlob` in botocore 1.43's service model, read 2026-11), a
# batch what `cxr batch` asks for, which is this, and an asynchronous endpoint 1 GB ("Inference options", read 2026-11).
# Grey levels of the largest radiograph take 15 MB without any compression; the largest of the 5,237 has 1.2 MB.
MAX_REQUEST_BYTES = 20 * 2**20

# Markers that begin a frame and hold its size (ITU-T T.81, table B.1); C4, C8 and CC are not frames.
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive: what browsers show, and what both engines' decoders make the same picture of.
_DECODED_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_PROCESSES = {0xC3: "lossless", 0xC9: "arithmetically coded", 0xCA: "arithmetically coded", 0xCB: "lossless"}
_PROCESSES |= {0xF7: "JPEG-LS"}  # ITU-T T.87, C.1.1
_JPEG_BITS = 8
# EXIF data are looked for in so many segments, since programs write profiles and other data before them, and in so many
# bytes: the directory begins a few bytes into them.
MAX_EXIF_SEGMENTS, MAX_EXIF_BYTES = 64, 4096
MAX_CHUNKS_BEFORE_PIXELS = 64
"""Where a PNG's sBIT and eXIf are looked for: what comes later, or behind the pixels, is not read, as in browsers."""
_EXIF_ORIENTATION = [0x0112, 3, 1]  # its tag, a number of two bytes, one of them
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""Name of the way by which Pillow turns a picture of an orientation upright (Exif 2.32, 4.6.4 A)."""
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
# Inside a scan 0xFF is followed by 0x00 or a restart marker (T.81, F.1.2.3).
_JPEG_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_JPEG_LONGEST_HEADER = 10
# Colour types with red, green and blue in the samples (PNG specification, 11.2.1), and the compressed chunks (11.3).
_PNG_COLOURS = frozenset({b"\x02", b"\x06"})
_PNG_PACKED = frozenset({b"iCCP", b"zTXt"})
# An international text may be compressed: a flag says so behind its keyword (11.3.3.4).
_PNG_TEXT = b"iTXt"


def media_type(encoded: bytes) -> str | None:
    """`image/jpeg` or `image/png` by a file's first bytes; None where it is neither."""
    return next((kind for kind, start in SIGNATURES.items() if encoded.startswith(start)), None)


def other_format(beginning: bytes) -> str:
    """Name of a kind of file that is not taken, such as `a WebP`, by its first bytes; "" where they say none."""
    return next((name for name, start in _OTHERS if start.match(beginning)), "")


def instead(other: str) -> str:
    """Advice about a file of that name, of `other_format`: the end of a sentence about it."""
    return _INSTEAD.get(other, "save it as PNG")


def is_dicom(beginning: bytes) -> bool:
    """Whether a file begins as DICOM files do, or with a dataset alone.

    Args:
        beginning: at least the first DICOM_START_BYTES.
    """
    return dicom_starts_at(beginning) is not None


def dicom_starts_at(beginning: bytes) -> int | None:
    """Byte of the first element of a DICOM file; None of others.

    Modalities and archives of before PS3.10 wrote datasets without what goes before them, programs leave out the 128
    bytes alone; DCMTK reads the former too, dicom-rs the latter
    (https://docs.rs/dicom-object/latest/dicom_object/file/enum.ReadPreamble.html).

    Args:
        beginning: of the file, at least DICOM_START_BYTES, and two more to tell which of two places it is.
    """
    if beginning.startswith(_DICOM_PREFIX, _DICOM_PREFIX_AT):
        # A dataset alone may hold these letters there (https://github.com/dcm4che/dcm4che/issues/981).
        by_chance = beginning[DICOM_START_BYTES : DICOM_START_BYTES + 2] not in _DICOM_GROUPS and _is_dataset(beginning)
        return 0 if by_chance else DICOM_START_BYTES
    if beginning.startswith(_DICOM_PREFIX + b"\x02\x00"):
        return len(_DICOM_PREFIX)
    return 0 if _is_dataset(beginning) else None


def _is_dataset(beginning: bytes) -> bool:
    if beginning[:2] not in _DICOM_GROUPS:
        return False
    if beginning[4:6] in _DICOM_FIRST_KINDS:
        return True
    # Without representations: a tag, a length of four bytes and a value, then a tag of the same group (PS3.5, 7.1.3).
    length = int.from_bytes(beginning[4:8], "little")
    return length <= _DICOM_LONGEST_FIRST - 10 and beginning[8 + length : 10 + length] == beginning[:2] == b"\x08\x00"


def orientation(encoded: bytes) -> int:
    """EXIF orientation by which a JPEG or PNG is turned, from 1 (upright) to 8.

    It is that of the first EXIF segment before the scan, among the first MAX_EXIF_SEGMENTS, or of the first block
    before a PNG's pixels, among the first MAX_CHUNKS_BEFORE_PIXELS.
    """
    if encoded.startswith(SIGNATURES[JPEG]):
        return _orientation_of_jpeg(encoded)
    at = len(SIGNATURES[PNG])
    for _ in range(MAX_CHUNKS_BEFORE_PIXELS):
        kind = encoded[at + 4 : at + 8]
        length = int.from_bytes(encoded[at : at + 4], "big")
        if len(kind) < 4 or kind == b"IDAT":
            break
        if kind == b"eXIf":
            return _orientation_of_exif(encoded[at + 8 : at + 8 + length])
        at += 12 + length
    return 1


def _orientation_of_jpeg(encoded: bytes) -> int:
    at = 2
    for _ in range(MAX_EXIF_SEGMENTS):
        head = encoded[at : at + 10]
        if len(head) < 10 or head[0] != 0xFF or head[1] == _JPEG_SCAN:
            break
        # The byte behind the letters pads them (Exif 2.32, 4.7.2.1), and is not looked at by browsers.
        if head[1] == 0xE1 and head[4:9] == b"Exif\0":
            return _orientation_of_exif(encoded[at + 10 : at + 10 + MAX_EXIF_BYTES])
        at += 1 if head[1] == 0xFF else 2 + int.from_bytes(head[2:4], "big")
    return 1


def _orientation_of_exif(block: bytes) -> int:
    """Orientation that a block of EXIF data says, from 1 to 8; 1 where it says none.

    As browsers read it, which show it beside the answer: the first that is one number of two bytes (Exif 2.32, 4.6.4 A)
    and one of the eight. What some telephones write with four (https://github.com/nomacs/nomacs/issues/1646) turns
    nothing in Chromium.
    """
    tiff = block[:MAX_EXIF_BYTES] + bytes(2 * MAX_EXIF_BYTES)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    start = struct.unpack_from(f"{order}I", tiff, 4)[0] if order else MAX_EXIF_BYTES + 1
    if start > MAX_EXIF_BYTES:
        return 1
    count = struct.unpack_from(f"{order}H", tiff, start)[0]
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 12), 12):
        *stated, value = struct.unpack_from(f"{order}HHIH", tiff, at)
        if stated == _EXIF_ORIENTATION and 1 <= value <= 8:
            return int(value)
    return 1


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
        ValueError: when it is no JPEG or PNG, or too much to unpack; the reason, as the end of a sentence about it.
    """
    if not encoded:
        raise ValueError("it is empty")
    kind, width, height = _header(encoded)
    most = MAX_PIXELS[kind]
    if width < 1 or height < 1 or width * height > most:
        raise ValueError(f"it has {width} x {height} pixels, where 1 to {most:,} in all are accepted of a {kind}")
    if max(width, height) > MAX_EDGE:
        raise ValueError(f"it has {width} x {height} pixels, where an edge may have {MAX_EDGE:,}: cut it to the chest")
    if kind.startswith("PNG"):
        _check_chunks(encoded)
        return width * height / most
    scans = _jpeg_scans(encoded)
    if scans > MAX_SCANS:
        raise ValueError(
            f"it is a progressive JPEG of {scans:,} scans, where {MAX_SCANS} are accepted: save it as one that is not "
            "progressive"
        )
    scanned = width * height * scans
    if scanned > MAX_SCANNED_PIXELS:
        raise ValueError(
            f"it is a progressive JPEG of {width} x {height} pixels in {scans} scans, which takes too long to decode: "
            "save it as one that is not progressive"
        )
    return max(width * height / most, scanned / MAX_SCANNED_PIXELS)


def check_image(encoded: bytes) -> None:
    """Refuse what is no JPEG or PNG, or is too much to unpack.

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
        coloured = encoded[24:25] == b"\x10" and encoded[25:26] in _PNG_COLOURS
        return "PNG of 16-bit colours" if coloured else "PNG", int(width), int(height)
    if media_type(encoded) == JPEG:
        return _jpeg_header(encoded)
    if other := other_format(encoded):
        raise ValueError(f"it is {other} and neither a JPEG nor a PNG: {instead(other)}")
    raise ValueError("it is neither a JPEG nor a PNG")


def _jpeg_header(encoded: bytes) -> tuple[str, int, int]:
    """Read on to the first scan, where the stepping of decoders ends; a file that ends before is theirs to refuse."""
    position, found = 2, None
    for _ in range(MAX_MARKERS):
        if position + _JPEG_LONGEST_HEADER > len(encoded) or encoded[position] != 0xFF:
            break
        marker = encoded[position + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
            continue
        if marker in _JPEG_WITHOUT_LENGTH:
            position += 2
            continue
        if marker == _JPEG_SCAN:
            break
        if marker in _JPEG_FRAMES:
            if found is not None:
                raise ValueError("it is a JPEG with two frame headers")
            found = _jpeg_frame(marker, encoded[position + 4 : position + 10])
        position += 2 + int(struct.unpack_from(">H", encoded, position + 2)[0])
    else:
        raise ValueError(f"it is a JPEG with {MAX_MARKERS:,} markers before its picture: save it without metadata")
    if found is None:
        raise ValueError("it is a JPEG without a frame header")
    return found


def _jpeg_frame(marker: int, header: bytes) -> tuple[str, int, int]:
    bits, height, width, components = struct.unpack(">BHHB", header)
    if marker not in _DECODED_FRAMES or bits != _JPEG_BITS:
        process = _PROCESSES.get(marker, "hierarchical" if marker not in _DECODED_FRAMES else f"{bits}-bit")
        raise ValueError(f"it is a JPEG of an unusual kind, {process}: save it as an ordinary JPEG or as PNG")
    return "JPEG of CMYK" if components == 4 else "JPEG", int(width), int(height)


def _jpeg_scans(encoded: bytes) -> int:
    """Scans up to the end of the picture; segments are stepped over, because metadata may hold whole JPEGs."""
    position, scans = 2, 0
    for _ in range(2 * MAX_MARKERS):
        found = _JPEG_NEXT_MARKER.search(encoded, position)
        if found is None or found.end() + 2 > len(encoded):
            return scans
        marker, position = encoded[found.end() - 1], found.end()
        if marker == _JPEG_END:
            return scans
        if marker == 0xFF:  # a fill byte
            position -= 1
            continue
        scans += marker == _JPEG_SCAN
        if marker not in _JPEG_WITHOUT_LENGTH:
            # A length counts its own two bytes.
            position += max(2, int(struct.unpack_from(">H", encoded, position)[0]))
    raise ValueError(f"it is a JPEG with {2 * MAX_MARKERS:,} markers: save it without metadata")


def _is_packed_text(encoded: bytes, position: int, length: int) -> bool:
    # Of whatever length the keyword is: Pillow takes a longer one than the format has.
    end = encoded.find(b"\0", position, position + length)
    return end >= 0 and encoded[end + 1 : end + 2] != b"\0"


def _check_chunks(encoded: bytes) -> None:
    """Refuse a PNG of too many chunks; one that ends early is the decoders' to refuse."""
    position, packed = len(SIGNATURES[PNG]), 0
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(encoded):
            break
        length, kind = struct.unpack_from(">I4s", encoded, position)
        if kind == b"IEND":
            break
        packed += kind in _PNG_PACKED or (kind == _PNG_TEXT and _is_packed_text(encoded, position + 8, length))
        position += 12 + length
    else:
        raise ValueError(f"it is a PNG of more than {MAX_CHUNKS:,} chunks: save it again, in larger ones")
    if packed > MAX_PACKED_CHUNKS:
        raise ValueError(
            f"it is a PNG with {packed:,} compressed texts and profiles, where {MAX_PACKED_CHUNKS} are accepted: save "
            "it without metadata"
        )
