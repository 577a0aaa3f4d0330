"""A codestream's size is read from its header, without decoding, and nonsense has none."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.dicom.codestream import read_jpeg, read_jpeg_2000
from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import BASELINE, EXTENDED, J2K, JPEG_LS, LOSSLESS_SV1, dicom_file, encode

VALUES = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) % 200


@pytest.mark.parametrize(
    ("syntax", "bits", "process"),
    [(BASELINE, 8, 0xC0), (EXTENDED, 12, 0xC1), (LOSSLESS_SV1, 12, 0xC3), (JPEG_LS, 8, 0xF7)],
)
def test_a_jpeg_says_its_size(syntax: str, bits: int, process: int) -> None:
    found = read_jpeg(encode(VALUES.astype(np.uint8 if bits == 8 else np.uint16), syntax, bits))
    assert found is not None
    assert (found.rows, found.columns, found.components, found.precision, found.process) == (20, 30, 1, bits, process)


def test_a_jpeg_2000_says_its_size() -> None:
    found = read_jpeg_2000(encode(VALUES, J2K, 12))
    assert found is not None
    assert (found.rows, found.columns, found.components, found.precision) == (20, 30, 1, 12)


def test_fill_bytes_and_segments_before_the_frame_are_passed_over() -> None:
    frame = encode(VALUES.astype(np.uint8), BASELINE, 8)
    comment = b"\xff\xff\xff\xfe\x00\x06abcd"
    assert read_jpeg(frame[:2] + comment + b"\xff\x01" + frame[2:]) == read_jpeg(frame)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x0b\x08", b"\xff\xd8" + b"x" * 20, b"\xff\xd8" + b"\xff" * 99]
)
def test_what_is_no_jpeg_has_no_size(data: bytes) -> None:
    assert read_jpeg(data) is None


@pytest.mark.parametrize("data", [b"", b"\xff\x4f\xff\x51" + b"\0" * 20, b"\0" * 60])
def test_what_is_no_jpeg_2000_has_no_size(data: bytes) -> None:
    assert read_jpeg_2000(data) is None


@pytest.mark.parametrize(
    ("process", "kind"),
    [(0xC2, "progressive"), (0xC5, "hierarchical or arithmetically coded"), (0xC9, "hierarchical or arithmetically")],
)
@pytest.mark.parametrize("syntax", [BASELINE, LOSSLESS_SV1])
def test_a_jpeg_that_is_not_decoded_is_refused_by_its_kind(syntax: str, process: int, kind: str) -> None:
    """Programs wrap progressive JPEGs as they are: "damaged" made people look for a lost byte."""
    frame = encode(VALUES.astype(np.uint8), BASELINE, 8).replace(b"\xff\xc0", bytes([0xFF, process]), 1)
    header = read(dicom_file(VALUES, bits=8, transfer_syntax=syntax, frame=frame))
    with pytest.raises(Refusal, match=f"are a {kind}.*Send it uncompressed") as refused:
        stored_values(header)
    assert refused.value.code == "unsupported_media_type"
