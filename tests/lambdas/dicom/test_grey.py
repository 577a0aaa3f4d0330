"""Grey levels are those of the DICOM standard: rescaled, windowed, looked up and inverted as the file says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lambdas.dicom.grey import grey_levels
from lambdas.dicom.header import read
from lambdas.dicom.pixels import stored_values
from lambdas.dicom.refusal import Refusal
from tests.lambdas.dicom_files import BIG, EXPLICIT, IMPLICIT, dicom_file, full_range, phantom


def shown(values: NDArray[Any], **options: Any) -> NDArray[np.uint8]:
    header = read(dicom_file(values, **options))
    return grey_levels(stored_values(header), header)


def window(values: NDArray[Any], centre: float, width: float, function: str = "LINEAR") -> NDArray[np.uint8]:
    """Literally PS3.3, C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID) and C.11.2.1.3.2 (LINEAR_EXACT), for 0 to 255."""
    x = values.astype(np.float64)
    if function == "LINEAR":
        share = (x - (centre - 0.5)) / (width - 1) + 0.5
        share = np.where(x <= centre - 0.5 - (width - 1) / 2, 0, np.where(x > centre - 0.5 + (width - 1) / 2, 1, share))
    elif function == "LINEAR_EXACT":
        share = np.clip((x - centre) / width + 0.5, 0, 1)
    else:
        share = 1 / (1 + np.exp(-4 * (x - centre) / width))
    return np.rint(255 * share).astype(np.uint8)


def table(entries: NDArray[Any], first: int, bits: int, *, words: str = "") -> Dataset:
    """A look-up table; with `words`, a byte order, its entries are OW, which has room for 65,536."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries) % 2**16, first, bits])
    if words:
        item.add_new("LUTData", "OW", entries.astype(f"{words}u2").tobytes())
    else:
        item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return item


def curve(entries: int, bits: int) -> NDArray[np.int64]:
    return np.rint(np.linspace(0, 1, entries) ** 0.6 * (2**bits - 1)).astype(np.int64)


@pytest.mark.parametrize("signed", [False, True])
def test_without_a_window_the_range_of_the_image_is_shown(signed: bool) -> None:
    values = phantom() // 2 + 300 - (2048 if signed else 0)
    assert (shown(values, signed=signed) == full_range(values)).all()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (12, True), (16, False), (16, True)])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_is_applied_as_the_standard_says(bits: int, signed: bool, function: str, syntax: str) -> None:
    low = -(2 ** (bits - 1)) if signed else 0
    values = phantom(bits=bits) + low
    centre, width = low + 2**bits * 0.4, 2**bits * 0.5
    levels = shown(
        values,
        transfer_syntax=syntax,
        bits=bits,
        signed=signed,
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function,
    )
    assert (levels == window(values, centre, width, function)).all()


def test_a_window_wider_than_the_image_leaves_it_grey() -> None:
    values = phantom() // 4 + 1000
    levels = shown(values, WindowCenter=2048, WindowWidth=4096)
    assert (levels == window(values, 2048, 4096)).all()
    assert levels.min() > 50
    assert levels.max() < 150


def test_of_several_windows_the_first_is_applied() -> None:
    values = phantom()
    levels = shown(values, WindowCenter=[1000, 2000], WindowWidth=[500, 4000])
    assert (levels == window(values, 1000, 500)).all()


@pytest.mark.parametrize(("slope", "intercept"), [(2, -1024), (0.5, 100), (1.25, -7.5), (-1, 4095)])
def test_values_are_rescaled_before_the_window(slope: float, intercept: float) -> None:
    values = phantom()
    levels = shown(values, RescaleSlope=slope, RescaleIntercept=intercept, WindowCenter=1500, WindowWidth=2000)
    assert (levels == window(values * slope + intercept, 1500, 2000)).all()


def test_a_negative_slope_without_a_window_turns_the_image_round() -> None:
    values = phantom()
    levels = shown(values, RescaleSlope=-1, RescaleIntercept=0)
    assert (levels == full_range(-values)).all()


@pytest.mark.parametrize("options", [{}, {"WindowCenter": 1500, "WindowWidth": 2000}])
def test_monochrome1_is_inverted(options: dict[str, Any]) -> None:
    values = phantom()
    inverted = shown(values, PhotometricInterpretation="MONOCHROME1", **options)
    assert (
        np.abs(inverted.astype(int) - (255 - shown(values, **options).astype(int))).max() <= 1
    )  # halves round to even


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("entries", [256, 4096])
def test_a_voi_lut_is_looked_up(bits: int, entries: int) -> None:
    values = phantom(bits=12)
    entry = curve(entries, bits)
    levels = shown(values, VOILUTSequence=[table(entry, 100, bits)])
    expected = entry[np.clip(values - 100, 0, entries - 1)] * 255 / (2**bits - 1)
    assert (levels == np.rint(expected)).all()


def test_a_voi_lut_of_signed_values_may_begin_below_zero() -> None:
    values = phantom() - 2048
    entry = curve(4096, 12)
    levels = shown(values, signed=True, VOILUTSequence=[table(entry, -2048, 12)])
    assert (levels == np.rint(entry[values + 2048] * 255 / 4095)).all()


@pytest.mark.parametrize(("syntax", "words"), [(EXPLICIT, "<"), (BIG, ">")])
def test_a_voi_lut_of_65536_entries_says_that_it_has_none(syntax: str, words: str) -> None:
    values = phantom(bits=16)
    entry = curve(65536, 16)
    levels = shown(values, transfer_syntax=syntax, bits=16, VOILUTSequence=[table(entry, 0, 16, words=words)])
    assert (levels == np.rint(entry[values] * 255 / 65535)).all()


def test_a_voi_lut_comes_before_a_window_and_after_rescaling() -> None:
    values = phantom()
    entry = curve(4096, 12)
    levels = shown(
        values,
        RescaleSlope=0.5,
        RescaleIntercept=10,
        VOILUTSequence=[table(entry, 0, 12)],
        WindowCenter=1,
        WindowWidth=2,
    )
    assert (levels == np.rint(entry[np.rint(values * 0.5 + 10).astype(int)] * 255 / 4095)).all()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_modality_lut_is_looked_up_before_the_window(bits: int) -> None:
    values = phantom()
    entry = curve(4096, bits)
    item = table(entry, 0, bits)
    item.ModalityLUTType = "US"
    levels = shown(values, ModalityLUTSequence=[item], WindowCenter=2**bits / 2, WindowWidth=2**bits / 2)
    assert (levels == window(entry[values], 2**bits / 2, 2**bits / 2)).all()


@pytest.mark.parametrize("window_width", [0, 0.5, -3])
def test_a_window_that_is_none_says_nothing(window_width: float) -> None:
    values = phantom()
    assert (shown(values, WindowCenter=100, WindowWidth=window_width) == full_range(values)).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count_as_range(photometric: str) -> None:
    values = phantom() // 2 + 500
    values[:, :20] = 4095
    levels = shown(values, PixelPaddingValue=4095, PhotometricInterpretation=photometric)
    assert (levels[:, :20] == 0).all()
    image = full_range(values[:, 20:]).astype(int)
    expected = 255 - image if photometric == "MONOCHROME1" else image
    assert np.abs(levels[:, 20:] - expected).max() <= 1


def test_padding_may_be_a_range() -> None:
    values = phantom() // 2 + 500
    values[:10] = 7
    values[-10:] = 12
    levels = shown(values, PixelPaddingValue=5, PixelPaddingRangeLimit=15)
    assert (levels[:10] == 0).all()
    assert (levels[10:-10] == full_range(values[10:-10])).all()


def test_an_image_of_one_value_is_black() -> None:
    assert (shown(np.full((8, 8), 77)) == 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"RescaleSlope": "nan", "RescaleIntercept": 0},
        {"VOILUTSequence": [table(curve(4096, 12), 0, 7)]},
        {"VOILUTSequence": [table(curve(4096, 12), 0, 24)]},
        {"VOILUTFunction": "SECRET", "WindowCenter": 10, "WindowWidth": 10},
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 4095},
    ],
)
def test_tables_that_cannot_be_applied_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        shown(phantom(), **options)
    assert refused.value.code == "undecodable_image"
    assert "SECRET" not in refused.value.detail


def test_a_lut_shorter_than_it_says_is_refused() -> None:
    item = table(curve(64, 12), 0, 12)
    item.LUTDescriptor = [4096, 0, 12]
    with pytest.raises(Refusal, match="cannot be applied"):
        shown(phantom(), VOILUTSequence=[item])
