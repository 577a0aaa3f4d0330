"""Stored values: pixels as the file has them, before anything makes grey levels of them."""

from __future__ import annotations

import struct
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame

from lambdas.dicom.codestream import read_jpeg, read_jpeg_2000
from lambdas.dicom.header import EXPLICIT_BIG, JPEG, JPEG_2000, JPEG_LS, LOSSY, NATIVE, RLE, Header
from lambdas.dicom.refusal import Refusal, damaged

Values = NDArray[np.integer[Any]]

_CUT = "its pixel data ends too early, or is not what its header says."


def stored_values(header: Header) -> Values:
    """Decode the pixels.

    Returns an array of shape [rows, columns] with 8- or 16-bit numbers, signed where the header says so.

    Raises:
        Refusal: undecodable_image.
    """
    try:
        raw = _native(header) if header.transfer_syntax in NATIVE else _encapsulated(header)
    except Refusal:
        raise
    except Exception as error:  # each codec has exceptions of its own, which can quote the file
        raise damaged(_CUT) from error
    return _interpreted(raw, header)


def _native(header: Header) -> Values:
    element = header.dataset["PixelData"]
    data = bytes(element.value)
    big = header.transfer_syntax == EXPLICIT_BIG
    count = header.rows * header.columns
    if header.bits_allocated == 8 and big and element.VR == "OW":
        # Bytes are packed in words, and these are swapped (PS3.5, 8.1.1).
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    if len(data) < count * header.bits_allocated // 8:
        raise damaged(_CUT)
    kind = f"{'>' if big else '<'}u{header.bits_allocated // 8}"
    return np.frombuffer(data, kind, count=count).reshape(header.rows, header.columns)


def _encapsulated(header: Header) -> Values:
    frame = get_frame(header.dataset["PixelData"].value, 0, number_of_frames=1)
    if header.transfer_syntax == RLE:
        return _run_lengths(frame, header)
    # All three families end with this marker, before whatever made the fragment's length even.
    if not frame.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise damaged(_CUT)
    _check_codestream(frame, header)
    if header.transfer_syntax in JPEG:
        values = imagecodecs.jpeg8_decode(frame)
    elif header.transfer_syntax in JPEG_LS:
        values = imagecodecs.jpegls_decode(frame)
    else:
        values = imagecodecs.jpeg2k_decode(frame, numthreads=1)
    return np.asarray(values).reshape(header.rows, header.columns)


def _check_codestream(frame: bytes, header: Header) -> None:
    found = read_jpeg_2000(frame) if header.transfer_syntax in JPEG_2000 else read_jpeg(frame)
    expected = JPEG.get(header.transfer_syntax, {0xF7} if header.transfer_syntax in JPEG_LS else {None})
    if found is None or found.process not in expected or found.precision > header.bits_allocated:
        raise damaged("its pixel data is not compressed in the way that its header names.")
    if (found.rows, found.columns, found.components) != (header.rows, header.columns, 1):
        raise damaged("its pixel data has another size than its header says.")


def _run_lengths(frame: bytes, header: Header) -> Values:
    """DICOM's run lengths (PS3.5, annex G): one segment for each byte of a pixel, the most significant first.

    Written here, because a wrong offset makes the decoder of imagecodecs read outside its memory.
    """
    width, count = header.bits_allocated // 8, header.rows * header.columns
    segments, *offsets = struct.unpack("<16I", frame[:64])
    if segments != width:
        raise damaged(_CUT)
    planes = np.empty((width, count), np.uint8)
    ends = [*offsets[1:width], len(frame)]
    for plane, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        planes[width - 1 - plane] = np.frombuffer(_unpacked(frame[start:end], count), np.uint8)
    return planes.T.copy().view(f"<u{width}").reshape(header.rows, header.columns)


def _unpacked(data: bytes, count: int) -> bytearray:
    """The `count` bytes that a segment stands for (PS3.5, G.3.2); IndexError where it ends before."""
    unpacked, at = bytearray(), 0
    while len(unpacked) < count:
        length = data[at]
        if length < 128:
            unpacked += data[at + 1 : at + 2 + length]
            at += 2 + length
        elif length > 128:
            unpacked += data[at + 1 : at + 2] * (257 - length)
            at += 2
        else:
            at += 1
    if len(unpacked) > count or data[at:].strip(b"\0\x80"):  # more than what makes a segment's length even
        raise damaged("its pixel data has another size than its header says.")
    return unpacked


def _interpreted(raw: Values, header: Header) -> Values:
    """The stored bits alone, as signed or unsigned numbers: what is above them may be an overlay (PS3.5, 8.1.2)."""
    width, spare = raw.dtype.itemsize, 8 * raw.dtype.itemsize - header.bits_stored
    # A codestream of at most 8 bits is decoded to bytes, even where 16 are allocated.
    if spare < 0:
        return raw.astype(np.int16 if header.signed else np.uint16)
    if header.transfer_syntax in LOSSY and not header.signed:
        # What a lossy codec overshoots by would come out at the other end of the range.
        return np.minimum(raw, (1 << header.bits_stored) - 1)
    native = raw.astype(f"=u{width}", copy=False)
    if not spare:
        return native.view(f"=i{width}") if header.signed else native
    if header.signed:
        # Moved to the top, the sign bit is the number's own; the way back repeats it.
        return (native << spare).view(f"=i{width}") >> spare
    return native & ((1 << header.bits_stored) - 1)
