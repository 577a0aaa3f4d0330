"""Stored values: pixels as the file has them, before anything makes grey levels of them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_code.dicom.codestream import (
    Codestream,
    fragments,
    jpeg_2000_codestream,
    lies_in_items,
    read_jpeg,
    read_jpeg_2000,
    read_jpeg_xl,
)
from model_code.dicom.contradictions import goes_on, is_torn, lie_swapped, whole_cells
from model_code.dicom.header import Header, in_colour
from model_code.dicom.refusal import Refusal, damaged
from model_code.dicom.syntaxes import (
    DEFLATED_FRAME,
    ENCAPSULATED,
    EXPLICIT_BIG,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    JPEG_PROCESSES,
    JPEG_XL,
    LOSSY,
    NATIVE,
    RLE,
)

Values = NDArray[np.integer[Any]]

_CUT = "its pixel data ends too early, or is not what its header says."
# The last of a codestream's headers (ITU-T T.81, table B.1, and T.800, table A.2), and its end in both.
_START_OF_SCAN, _START_OF_DATA, _END = b"\xff\xda", b"\xff\x93", b"\xff\xd9"
_PROGRESSIVE = 0xC2  # start of frame (T.81, table B.1)
# What makes a segment of run lengths even, and some encoders compress as if it were a pixel's byte (PS3.5, G.3.1).
_RLE_SPARE_BYTES = 1
_BEYOND = 2
# What a lossy codec, or a way to YCbCr and back, may leave of differences between three samples of one grey.
_COLOURLESS, _NO_CHROMA = 6, 128


def stored_values(header: Header, *, halvings: int = 0) -> Values:
    """Decode the pixels.

    Args:
        header: of the file.
        halvings: how many times half the size is enough, which is faster where the compression keeps such sizes.

    Returns an array of shape [rows, columns], or of these halved as often or less, with 8- or 16-bit numbers, signed
    where the header says so.

    Raises:
        Refusal: undecodable_image.
    """
    try:
        raw = _native(header) if header.transfer_syntax in NATIVE else _encapsulated(header, halvings)
    except Refusal:
        raise
    except Exception as error:  # each codec has exceptions of its own, which can quote the file
        raise damaged(_CUT) from error
    return _interpreted(_grey(raw, header) if header.samples == 3 else raw, header)


def _grey(colours: Values, header: Header) -> Values:
    """The grey levels that were saved as colours: of RGB three alike, else luma without chroma.

    Raises:
        Refusal: not_a_radiograph, where a pixel is in colour.
    """
    first, *others = (colours[..., plane].astype(np.int16) for plane in range(3))
    # Codecs turn what they know to be luma and chroma into RGB. JPEG 2000 knows of its own colour transforms alone: of
    # YBR_FULL that was compressed again it gives luma and chroma.
    compressed = header.transfer_syntax in JPEG | JPEG_2000 | JPEG_XL
    as_rgb = header.photometric_interpretation == "RGB" or compressed
    as_luma = not as_rgb or (header.photometric_interpretation == "YBR_FULL" and header.transfer_syntax in JPEG_2000)
    greys: list[Any] = [*([first] if as_rgb else []), *([_NO_CHROMA] if as_luma else [])]
    if all(any(int(np.abs(one - grey).max()) > _COLOURLESS for one in others) for grey in greys):
        raise in_colour()
    return np.ascontiguousarray(colours[..., 0])


def _native(header: Header) -> Values:
    element = header.dataset["PixelData"]
    data = bytes(element.value)
    if element.is_undefined_length or (lies_in_items(element) and len(data) > header.bytes_of_pixels + 1):
        raise damaged("its pixel data is compressed, or in parts, and its header says that it is not.")
    big = header.transfer_syntax == EXPLICIT_BIG
    if header.bits_allocated == 8 and big and element.VR == "OW":
        # Bytes are packed in words, and these are swapped (PS3.5, 8.1.1).
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    return _plain(data, header, big=big)


def _plain(data: bytes, header: Header, *, big: bool = False) -> Values:
    count = header.rows * header.columns * header.samples
    if len(data) < header.bytes_of_pixels:
        raise damaged(_CUT)
    kind = f"{'>' if big else '<'}u{header.bits_allocated // 8}"
    values: Values = np.frombuffer(data, kind, count=count).astype(f"={kind[1:]}", copy=False)
    if header.planes_apart:
        return values.reshape(3, header.rows, header.columns).transpose(1, 2, 0)
    values = values.reshape(header.shape)
    return _without_spare(values.byteswap() if lie_swapped(values, header) else values, header)


def _without_spare(values: Values, header: Header) -> Values:
    """The stored bits at the lowest places.

    Where nothing lies above as many bits as are stored, and something below the lowest of them, High Bit is wrong; but
    a single bit below may be an overlay.
    """
    spare = header.spare_low_bits
    if not spare:
        return values
    if header.overlaid:
        return values >> spare
    bits = values.view(f"=u{values.dtype.itemsize}") if values.dtype.kind == "i" else values
    below = int(np.bitwise_or.reduce(bits & ((1 << spare) - 1), axis=None))
    low = int(bits.max()) < 1 << header.bits_stored and below.bit_count() > 1
    return values if low else values >> spare


def _encapsulated(header: Header, halvings: int) -> Values:
    found_parts = fragments(header.dataset["PixelData"])
    if found_parts is None:
        raise damaged("its pixel data is not compressed, and its header says that it is.")
    frame = b"".join(found_parts)
    if header.transfer_syntax == ENCAPSULATED:
        return _plain(frame, header)
    if header.transfer_syntax == RLE:
        return _without_spare(_run_lengths(frame, header), header)
    if header.transfer_syntax == DEFLATED_FRAME:
        return _plain(_inflated(frame, header), header)
    if header.transfer_syntax in JPEG_2000:
        frame = jpeg_2000_codestream(frame)
    if header.transfer_syntax not in JPEG_XL and not _ends(frame, header.transfer_syntax):
        raise damaged(_CUT)
    found = _checked_codestream(frame, header)
    # A codestream holds the stored bits alone, or all those up to the high bit, as they lie in native pixels.
    spare = header.spare_low_bits if found.precision >= header.bits_stored + header.spare_low_bits else 0
    if header.transfer_syntax in JPEG_2000:
        values = _jpeg_2000(frame, found, header, 0 if spare or header.samples == 3 else halvings)
    else:
        values = _decoded(frame, header.transfer_syntax).reshape(header.shape)
    return _without_spare(values, header) if spare else values


def _ends(frame: bytes, transfer_syntax: str) -> bool:
    """Whether a codestream has its end, whatever some encoders leave behind it.

    No compressed data of these families looks like the marker (ITU-T T.81, F.1.2.3; T.87, A.1; T.800, B.10.1).
    """
    begin = _START_OF_DATA if transfer_syntax in JPEG_2000 else _START_OF_SCAN
    return frame.find(_END, max(0, frame.rfind(begin))) >= 0


def _decoded(frame: bytes, transfer_syntax: str) -> Values:
    if transfer_syntax in JPEG:
        return np.asarray(imagecodecs.jpeg8_decode(frame))
    if transfer_syntax in JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(frame))
    return np.asarray(imagecodecs.jpegxl_decode(frame, keeporientation=True, numthreads=1))


def _inflated(frame: bytes, header: Header) -> bytes:
    """A deflated frame (PS3.5, 8.2.17), at most as long as the header says."""
    expected = header.bytes_of_pixels
    data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, expected + 2)
    if len(data) > expected + expected % 2:
        raise damaged("its pixel data has another size than its header says.")
    return data


def _jpeg_2000(frame: bytes, found: Codestream, header: Header, halvings: int) -> Values:
    """Decode JPEG 2000 at the wanted part of its size, or the next larger one that works, or in full."""
    lowest, highest = header.possible
    # Numbers whose sign bit the codestream takes for an ordinary one have no averages.
    most = min(halvings, found.halvings) if found.signed == header.signed else 0
    for halved in range(most, 0, -1):
        try:
            values = _halved(frame, found, halved)
        except (OSError, ValueError):
            continue  # of some odd sizes Pillow expects other ones than OpenJPEG makes
        # At an edge a wavelet's average lies a little beyond the values it is of. What is further beyond is no part of
        # them, but an overlay in the bits above.
        beyond = (highest - lowest) // _BEYOND
        if lowest - beyond <= values.min() and values.max() <= highest + beyond:
            return np.clip(values, lowest, highest)
        break
    decoded: Values = np.asarray(imagecodecs.jpeg2k_decode(frame, numthreads=1))
    return decoded.reshape(header.shape)


def _halved(frame: bytes, found: Codestream, halvings: int) -> Values:
    """Each pixel the wavelet's average of its surroundings; by Pillow, since imagecodecs has no word for it."""
    with Image.open(io.BytesIO(frame), formats=["JPEG2000"]) as image:
        image.reduce = halvings  # type: ignore[method-assign,assignment]
        shown = np.asarray(image)
    # Pillow moves the bits to the top of 8 or 16, and begins at 0 for signed ones.
    values = shown >> (8 * shown.dtype.itemsize - found.precision)
    return values.astype(np.int32) - (1 << (found.precision - 1)) if found.signed else values


def _checked_codestream(frame: bytes, header: Header) -> Codestream:
    if header.transfer_syntax in JPEG_2000:
        found = read_jpeg_2000(frame)
    else:
        found = read_jpeg_xl(frame) if header.transfer_syntax in JPEG_XL else read_jpeg(frame)
    expected: frozenset[int | None] = frozenset({0xF7} if header.transfer_syntax in JPEG_LS else {None})
    expected = JPEG_PROCESSES if header.transfer_syntax in JPEG else expected
    if found is not None and header.transfer_syntax in JPEG and found.process not in expected:
        kind = "progressive" if found.process == _PROGRESSIVE else "hierarchical or arithmetically coded"
        raise Refusal(
            "unsupported_media_type",
            f"The pixels of the DICOM file are a {kind} JPEG. Send it uncompressed, or as JPEG baseline, extended or "
            "lossless, JPEG-LS or JPEG 2000.",
        )
    if found is None or found.process not in expected or found.precision > header.bits_allocated:
        raise damaged("its pixel data is not compressed in the way that its header names.")
    if (found.rows, found.columns, found.components) != (header.rows, header.columns, header.samples):
        raise damaged("its pixel data has another size than its header says.")
    return found


def _run_lengths(frame: bytes, header: Header) -> Values:
    """DICOM's run lengths (PS3.5, annex G): one segment for each byte of a pixel, the most significant first.

    Written here, because a wrong offset makes the decoder of imagecodecs read outside its memory.
    """
    width, count = header.bits_allocated // 8 * header.samples, header.rows * header.columns
    segments, *offsets = struct.unpack("<16I", frame[:64])
    if segments != width:
        raise damaged(_CUT)
    planes = np.empty((width, count), np.uint8)
    ends = [*offsets[1:width], len(frame)]
    for plane, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        planes[width - 1 - plane] = np.frombuffer(_unpacked(frame[start:end], count), np.uint8)
    if header.samples == 3:
        return planes[::-1].T.reshape(header.shape)
    return planes.T.copy().view(f"<u{width}").reshape(header.rows, header.columns)


def _unpacked(data: bytes, count: int) -> bytearray:
    """The `count` bytes that a segment stands for (PS3.5, G.3.2); IndexError where it ends before."""
    unpacked, at = bytearray(), 0
    # What is left after the last pixel's byte may be no operation, or stand for the byte that makes the segment even.
    while at < len(data) or len(unpacked) < count:
        length = data[at]
        if len(unpacked) >= count and not data[at:].strip(b"\0\x80"):
            break
        if length < 128:
            unpacked += data[at + 1 : at + 2 + length]
            at += 2 + length
        elif length > 128:
            unpacked += data[at + 1 : at + 2] * (257 - length)
            at += 2
        else:
            at += 1
        if len(unpacked) > count + _RLE_SPARE_BYTES:
            raise damaged("its pixel data has another size than its header says.")
    return unpacked[:count]


def _interpreted(raw: Values, header: Header) -> Values:
    """The stored bits alone, as signed or unsigned numbers: what is above them may be an overlay (PS3.5, 8.1.2).

    Where it is none but goes on with the values, Bits Stored is wrong. Where it makes the value that is stated to be
    padding, that is what the pixel holds.
    """
    # A codestream of at most 8 bits is decoded to bytes, even where 16 are allocated.
    if 8 * raw.dtype.itemsize < header.bits_stored:
        return raw.astype(np.int16 if header.signed else np.uint16)
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    padding = _padding_beyond(raw, header)
    if padding is None:
        return _read_bits(raw, header)
    values = _read_bits(np.where(padding, raw[~padding][0], raw), header)
    return np.where(padding, whole_cells(raw, header), values)


def _padding_beyond(raw: Values, header: Header) -> NDArray[np.bool_] | None:
    """Mask of the pixels that hold stated padding that the stored bits have no room for, such as 65,535 beside 12 bits;
    None where none does."""
    if header.padding is None or header.overlaid or header.transfer_syntax in LOSSY:
        return None
    (first, last), (lowest, highest) = header.padding, header.possible
    if lowest <= first and last <= highest:
        return None
    whole = whole_cells(raw, header)
    found = (whole >= first) & (whole <= last) & ((whole < lowest) | (whole > highest))
    return found if found.any() and not found.all() else None


def _read_bits(raw: Values, header: Header) -> Values:
    width = raw.dtype.itemsize
    native = raw.view(f"=u{width}")
    whole = whole_cells(raw, header)
    if not header.overlaid and int(native.max()) >> header.bits_stored and goes_on(whole, header):
        return whole
    if header.transfer_syntax in LOSSY and (raw.dtype.kind == "i") == header.signed:
        # What a lossy codec overshoots by would come out at the other end of the range.
        return _of_other_sign(np.clip(raw, *header.possible), header)
    return _of_other_sign(_stored_bits(native, header, 8 * width - header.bits_stored), header)


def _of_other_sign(values: Values, header: Header) -> Values:
    """The same bits with a sign, or without, where Pixel Representation is wrong."""
    if not is_torn(values, header):
        return values
    half = 1 << (header.bits_stored - 1)
    moved = values.astype(np.int32)
    if header.signed:
        return (moved % (2 * half)).astype(np.uint16)
    return (moved - 2 * half * (moved >= half)).astype(np.int16)


def _stored_bits(native: Values, header: Header, spare: int) -> Values:
    width = native.dtype.itemsize
    if not spare:
        return native.view(f"=i{width}") if header.signed else native
    if header.signed:
        # Moved to the top, the sign bit is the number's own; the way back repeats it.
        return (native << spare).view(f"=i{width}") >> spare
    return native & ((1 << header.bits_stored) - 1)
