"""Stored bits are where the values are, whatever Bits Stored and High Bit say of it."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from tests.model_code.support.dicom_files import (
    BIG,
    DEFLATED_FRAME,
    EXPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    RLE,
    dicom_file,
    encode,
    phantom,
)

SYNTAXES = (EXPLICIT, BIG, RLE, DEFLATED_FRAME, JPEG_LS, J2K_LOSSLESS)


# JPEG-LS has no sign: two's complement of 14 bits in 12 says nothing.
@pytest.mark.parametrize(
    ("syntax", "signed"), [*((one, False) for one in SYNTAXES), *((one, True) for one in SYNTAXES if one != JPEG_LS)]
)
def test_values_of_more_bits_than_are_stated_are_whole(syntax: str, signed: bool) -> None:
    """They came out at the other end of the range, as a picture of stripes that was answered without a word."""
    values = phantom(bits=14) - (2**13 if signed else 0)
    kind = "i2" if signed else "u2"
    frame = encode(values.astype(kind), syntax, 14) if syntax in (JPEG_LS, J2K_LOSSLESS) else None
    written = dicom_file(values, transfer_syntax=syntax, bits=12, signed=signed, frame=frame)
    assert (stored_values(read(written)) == values).all()


@pytest.mark.parametrize("high", [0, 7, 10])
def test_a_high_bit_below_the_stored_ones_says_nothing(high: int) -> None:
    values = phantom()
    assert (stored_values(read(dicom_file(values, HighBit=high))) == values).all()


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG, RLE, DEFLATED_FRAME, JPEG_LS])
def test_values_at_the_lowest_bits_are_not_moved_by_a_high_bit_that_is_wrong(syntax: str) -> None:
    """Without their lowest bits they lay beside the file's window: a black picture."""
    values = phantom()
    frame = encode(values.astype("u2"), syntax, 16) if syntax == JPEG_LS else None
    assert (stored_values(read(dicom_file(values, transfer_syntax=syntax, HighBit=15, frame=frame))) == values).all()


def test_values_at_the_highest_bits_are_moved() -> None:
    values = phantom()
    overlay = np.where(np.arange(values.shape[1]) % 2, 5, 0)
    assert (stored_values(read(dicom_file((values << 4) | overlay, HighBit=15))) == values).all()
