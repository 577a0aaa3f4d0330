"""Grey levels of a matrix of files are the standard's: each is compared with its formula, written out here.

`benchmarks/dicom/rendering.py` compares a larger one with DCMTK.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.model_code.support.dicom_files import (
    BIG,
    DEFLATED,
    DEFLATED_FRAME,
    EXPLICIT,
    HTJ2K_LOSSLESS,
    IMPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    LOSSLESS_SV1,
    RLE,
    dicom_file,
    phantom,
)
from tests.model_code.support.dicom_tables import curve, shown, table

NATIVE = (IMPLICIT, EXPLICIT, BIG, DEFLATED, RLE, DEFLATED_FRAME)
COMPRESSED = (LOSSLESS_SV1, JPEG_LS, J2K_LOSSLESS, HTJ2K_LOSSLESS, JPEG_XL_LOSSLESS)
# Bits allocated, stored, high bit. A codestream has no bits below the stored ones.
LAYOUTS = ((8, 8, 7), (8, 6, 7), (16, 8, 7), (16, 12, 11), (16, 12, 15), (16, 16, 15))
FILES = [
    (syntax, layout, signed)
    for syntax, layout, signed in itertools.product((*NATIVE, *COMPRESSED), LAYOUTS, (False, True))
    if syntax in NATIVE or layout[2] == layout[1] - 1
]


def grey(shares: NDArray[Any], photometric: str, padded: NDArray[Any]) -> NDArray[Any]:
    """PS3.3, C.7.6.3.1.2: the lowest value is white in MONOCHROME1; padding is no part of the image."""
    shares = np.clip(shares, 0, 1)
    return np.where(padded, 0, 255 * (1 - shares if photometric == "MONOCHROME1" else shares))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("syntax", "layout", "signed"), FILES)
def test_every_file_is_shown_as_the_standard_says(
    syntax: str, layout: tuple[int, int, int], signed: bool, photometric: str
) -> None:
    allocated, stored, high = layout
    low = -(2 ** (stored - 1)) if signed else 0
    span = 2**stored
    values = np.maximum(phantom(41, 37, bits=stored), 2) + low
    values[:, :4] = low
    padded = values == low
    lying = (values << (high + 1 - stored)).astype(f"{'i' if signed else 'u'}{allocated // 8}")
    entry = curve(span, 12)
    centre, width = low + span * 0.45, span * 0.6
    expected = {
        # C.11.2.1.2.1
        "window": ((values - (centre - 0.5)) / (width - 1) + 0.5, {"WindowCenter": centre, "WindowWidth": width}),
        # C.11.1.1 and the same
        "rescale": (
            (2 * values - 100 - (2 * centre - 0.5)) / (2 * width - 1) + 0.5,
            {
                "RescaleSlope": 2,
                "RescaleIntercept": -100,
                "WindowCenter": 2 * centre,
                "WindowWidth": 2 * width,
            },
        ),
        # C.11.2.1.1
        "table": (
            entry[values - low] / 4095,
            {"VOILUTSequence": [table(entry, low, 12, words=">" if syntax == BIG else "<")]},
        ),
        # Said by nobody: from the lowest value of the image to the highest.
        "none": ((values - values[~padded].min()) / np.ptp(values[~padded]), {}),
    }
    for name, (shares, attributes) in expected.items():
        levels = shown(
            lying,
            transfer_syntax=syntax,
            allocated=allocated,
            bits=stored,
            signed=signed,
            HighBit=high,
            PhotometricInterpretation=photometric,
            PixelPaddingValue=low,
            **attributes,
        )
        assert np.abs(levels - grey(shares, photometric, padded)).max() <= 0.51, name


def test_the_matrix_writes_what_it_says() -> None:
    assert len({dicom_file(phantom(8, 8), transfer_syntax=syntax)[:2000] for syntax in (*NATIVE, *COMPRESSED)}) == 11
