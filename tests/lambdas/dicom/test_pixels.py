"""Every transfer syntax gives the stored values, whatever their width and sign, and what is damaged is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest

from lambdas.dicom.header import LOSSY, TRANSFER_SYNTAXES, read
from lambdas.dicom.pixels import stored_values
from lambdas.dicom.refusal import Refusal
from tests.lambdas.dicom_files import (
    BASELINE,
    BIG,
    DEFLATED,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    J2K,
    J2K_LOSSLESS,
    JPEG_LS,
    JPEG_LS_NEAR,
    LOSSLESS,
    LOSSLESS_SV1,
    RLE,
    as_file,
    dicom_file,
    encode,
    phantom,
)

UNCOMPRESSED = (IMPLICIT, EXPLICIT, DEFLATED, BIG)
COMPRESSED = (RLE, BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1, JPEG_LS, JPEG_LS_NEAR, J2K_LOSSLESS, J2K)
# JPEG's lossy processes know 8 and 12 bits and no sign; near-lossless coding of two's complement would tear it apart.
POSSIBLE = [
    (syntax, bits, signed)
    for syntax in UNCOMPRESSED + COMPRESSED
    for bits in (8, 10, 12, 16)
    for signed in (False, True)
    if (syntax != BASELINE or bits == 8)
    and (syntax != EXTENDED or bits in (8, 12))
    and not (signed and syntax in (BASELINE, EXTENDED, JPEG_LS_NEAR))
]
# Files of other programs that pydicom brings along: the same slice in eight forms.
VENDORS = Path(pydicom.__file__).parent / "data" / "test_files"


def values_of(data: bytes) -> Any:
    return stored_values(read(data))


def test_no_transfer_syntax_that_is_claimed_goes_untested() -> None:
    assert set(UNCOMPRESSED + COMPRESSED) == TRANSFER_SYNTAXES


@pytest.mark.parametrize(("syntax", "bits", "signed"), POSSIBLE)
def test_stored_values_are_what_was_written(syntax: str, bits: int, signed: bool) -> None:
    values = phantom(97, 81, bits=bits) - (2 ** (bits - 1) if signed else 0)
    decoded = values_of(dicom_file(values, transfer_syntax=syntax, bits=bits, signed=signed))

    assert decoded.shape == (81, 97)
    error = np.abs(decoded.astype(np.int64) - values)
    if syntax in LOSSY:
        # The encoders' own settings: no pixel off by more than a fiftieth of the range.
        assert error.max() <= 2**bits / 50
    else:
        assert error.max() == 0


@pytest.mark.parametrize("syntax", [LOSSLESS_SV1, JPEG_LS, J2K_LOSSLESS, RLE])
def test_eight_bits_may_lie_in_sixteen(syntax: str) -> None:
    values = phantom(bits=8)
    decoded = values_of(dicom_file(values, transfer_syntax=syntax, bits=8, allocated=16))
    assert (decoded == values).all()


def test_a_codestream_of_eight_bits_may_stand_for_more() -> None:
    values = phantom(bits=8)
    frame = encode(values.astype(np.uint8), LOSSLESS_SV1, 8)
    assert (values_of(dicom_file(values, transfer_syntax=LOSSLESS_SV1, bits=12, frame=frame)) == values).all()


@pytest.mark.parametrize("signed", [False, True])
def test_an_overlay_in_the_unused_bits_is_not_part_of_the_image(signed: bool) -> None:
    values = phantom() - (2048 if signed else 0)
    with_overlay = (values & 0x0FFF) | np.where(np.arange(values.shape[1]) % 2, 0xF000, 0)
    decoded = values_of(dicom_file(with_overlay.astype(np.uint16).view("i2" if signed else "u2"), signed=signed))
    assert (decoded == values).all()


def test_what_a_lossy_codec_overshoots_stays_white() -> None:
    values = np.full((16, 16), 4095)
    # This encoder names 16 bits, of which the file says that 12 are used.
    frame = bytes(imagecodecs.jpegls_encode((values + 2).astype(np.uint16)))
    assert (values_of(dicom_file(values, transfer_syntax=JPEG_LS_NEAR, frame=frame)) == 4095).all()


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE",
        "MR_small_bigendian",
        "MR_small_expb",
        "MR_small_implicit",
        "MR_small_jp2klossless",
        "MR_small_jpeg_ls_lossless",
        "MR_small_padded",
    ],
)
def test_files_that_other_programs_wrote_hold_the_same_image(name: str) -> None:
    def read_as_radiograph(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of them break rules
            dataset = pydicom.dcmread(VENDORS / f"{name}.dcm")
            dataset.Modality = "DX"
            return values_of(as_file(dataset, dataset.file_meta.TransferSyntaxUID))

    assert (read_as_radiograph(name) == read_as_radiograph("MR_small")).all()


@pytest.mark.parametrize("name", ["JPGExtended", "JPEG-lossy"])
def test_twelve_bit_jpeg_of_another_program_is_decoded(name: str) -> None:
    dataset = pydicom.dcmread(VENDORS / f"{name}.dcm")
    dataset.Modality = "DX"
    values = values_of(as_file(dataset, dataset.file_meta.TransferSyntaxUID))
    assert values.shape == (1024, 256)  # a bone scan
    assert 255 < values.max() < 4096


@pytest.mark.parametrize("syntax", UNCOMPRESSED + COMPRESSED)
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(syntax: str, kept: float) -> None:
    bits = 8 if syntax == BASELINE else 12
    data = dicom_file(phantom(bits=bits), transfer_syntax=syntax, bits=bits)
    with pytest.raises(Refusal) as refused:
        values_of(data[: int(len(data) * kept)])
    assert refused.value.code == "undecodable_image"
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_pixel_data_of_another_size_than_the_header_says_is_refused(syntax: str) -> None:
    bits = 8 if syntax == BASELINE else 12
    data = dicom_file(phantom(bits=bits), transfer_syntax=syntax, bits=bits, Rows=79)
    with pytest.raises(Refusal) as refused:
        values_of(data)
    assert refused.value.code == "undecodable_image"


@pytest.mark.parametrize(
    ("syntax", "actual"), [(BASELINE, LOSSLESS_SV1), (LOSSLESS_SV1, BASELINE), (JPEG_LS, BASELINE), (J2K, JPEG_LS)]
)
def test_another_compression_than_the_header_names_is_refused(syntax: str, actual: str) -> None:
    values = phantom(bits=8)
    frame = encode(values.astype(np.uint8), actual, 8)
    with pytest.raises(Refusal, match="compressed in the way"):
        values_of(dicom_file(values, transfer_syntax=syntax, bits=8, frame=frame))


def run_lengths(*numbers: int, runs: bytes = b"\x81\x00" * 40) -> bytes:
    return dicom_file(
        np.zeros((4, 4), np.int64),
        transfer_syntax=RLE,
        frame=b"".join(number.to_bytes(4, "little") for number in [*numbers, *[0] * (16 - len(numbers))]) + runs,
    )


def test_run_lengths_may_say_nothing_in_between() -> None:
    runs = b"\x80\xf1\x01" + b"\x80\x0f" + bytes(range(16))  # 16 times 1; then 16 bytes as they are
    assert (values_of(run_lengths(2, 64, 67, runs=runs)) == 256 + np.arange(16).reshape(4, 4)).all()


@pytest.mark.parametrize(
    "numbers",
    [(15, *[64] * 15), (1, 64), (0,), (2, 64, 4_000_000_000), (2, 64, 143)],
    ids=["overlapping", "too few", "none", "outside", "ends in a run"],
)
def test_run_lengths_with_other_segments_than_the_pixels_have_bytes_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(Refusal, match="damaged"):
        values_of(run_lengths(*numbers))
