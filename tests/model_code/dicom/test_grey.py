"""Grey levels are those of the DICOM standard: rescaled, windowed, looked up and inverted as the file says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_code.dicom.grey import Grey, grey_levels
from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import BIG, EXPLICIT, IMPLICIT, dicom_file, full_range, phantom
from tests.model_code.support.dicom_tables import curve, rendered, shown, table, window


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
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 4095},
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 4095, "WindowCenter": 2048, "WindowWidth": 4096},
    ],
)
def test_an_image_that_is_all_padding_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        shown(phantom(), **options)
    assert refused.value.code == "undecodable_image"
    assert "all padding" in refused.value.detail


def test_a_lut_shorter_than_it_says_is_refused() -> None:
    item = table(curve(64, 12), 0, 12)
    item.LUTDescriptor = [4096, 0, 12]
    with pytest.raises(Refusal, match="cannot be applied"):
        shown(phantom(), VOILUTSequence=[item])


@pytest.mark.parametrize("function", ["sigmoid", " SIGMOID", "Sigmoid ", "linear_exact", " Linear_Exact "])
def test_a_function_may_be_in_any_case(function: str) -> None:
    values = phantom()
    levels = shown(values, VOILUTFunction=function, WindowCenter=1500, WindowWidth=2000)
    assert (levels == window(values, 1500, 2000, function.strip().upper())).all()


@pytest.mark.parametrize("function", [None, "", "LINEAR", "linear", "SECRET", "LINEAR\\SIGMOID", "IDENTITY"])
def test_a_function_that_is_none_means_linear(function: Any) -> None:
    values = phantom()
    levels = shown(values, VOILUTFunction=function, WindowCenter=1500, WindowWidth=2000)
    assert (levels == window(values, 1500, 2000)).all()


def replaced(values: NDArray[Any], wrong: dict[str, str], **attributes: Any) -> Grey:
    """The levels of a file whose numbers are written over, so that they may be what no library writes."""
    numbered = {name: str(100000 + at) for at, name in enumerate(wrong)}
    data = dicom_file(values, **attributes, **numbered)
    for name, number in numbered.items():
        assert data.count(number.encode()) == 1
        data = data.replace(number.encode(), wrong[name].ljust(6).encode()[:6])
    header = read(data)
    return grey_levels(stored_values(header), header)


SENSELESS = [
    "NaN",
    "nan",
    "",
    "abc",
    "inf",
    "-inf",
    "1,500",
    ",5",
    "1,2,3",
    "\\",
    "\\\\",
    "1e999",
    "--5",
    "0x800",
    "2 048",
]


@pytest.mark.parametrize("wrong", SENSELESS)
@pytest.mark.parametrize("name", ["WindowCenter", "WindowWidth"])
def test_a_window_that_is_no_number_says_nothing(name: str, wrong: str) -> None:
    values = phantom()
    other = {"WindowCenter": 2048, "WindowWidth": 4096}
    other.pop(name)
    found = replaced(values, {name: wrong}, **other)
    assert (found.levels == full_range(values)).all()
    assert found.rendering == "full_range"


@pytest.mark.parametrize("wrong", SENSELESS)
def test_a_rescale_that_is_no_number_is_none(wrong: str) -> None:
    values = phantom()
    window_ = {"WindowCenter": 1500, "WindowWidth": 2000}
    for name, other in (("RescaleSlope", "RescaleIntercept"), ("RescaleIntercept", "RescaleSlope")):
        found = replaced(values, {name: wrong}, **{other: 1 if other == "RescaleSlope" else 0}, **window_)
        assert (found.levels == window(values, 1500, 2000)).all()
        assert found.rendering == "window"


@pytest.mark.parametrize("written", ["1500,0", "1500,000", "1500,\0", "+1500 ", "1500.\0", "1.5e3", "15e2\\9"])
def test_a_number_may_be_written_as_programs_write_it(written: str) -> None:
    """With the decimal comma of a computer's language, a sign, an exponent, or padded."""
    values = phantom()
    levels = replaced(values, {"WindowCenter": written}, WindowWidth=2000).levels
    expected = full_range(values) if written == "1500,\0" else window(values, 1500, 2000)
    assert (levels == expected).all()


@pytest.mark.parametrize("rescale", [{"RescaleSlope": "1e-30", "RescaleIntercept": 7}, {"RescaleIntercept": "1e30"}])
def test_a_rescale_that_makes_one_value_of_all_is_none(rescale: dict[str, Any]) -> None:
    values = phantom()
    assert (shown(values, **rescale, WindowCenter=1500, WindowWidth=2000) == window(values, 1500, 2000)).all()


@pytest.mark.parametrize(
    ("rescale", "slope", "intercept"),
    [
        ({"RescaleSlope": None, "RescaleIntercept": None}, 1, 0),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, 1, 0),
        ({"RescaleIntercept": -1000}, 1, -1000),
        ({"RescaleSlope": 2}, 2, 0),
        ({"RescaleSlope": [2, 3], "RescaleIntercept": [5, 6]}, 2, 5),
    ],
)
def test_what_a_rescale_leaves_out_is_slope_1_and_intercept_0(
    rescale: dict[str, Any], slope: float, intercept: float
) -> None:
    values = phantom()
    levels = shown(values, **rescale, WindowCenter=1500, WindowWidth=2000)
    assert (levels == window(values * slope + intercept, 1500, 2000)).all()


@pytest.mark.parametrize(
    ("centre", "width"),
    [([9, 1500], [0, 2000]), ([9, 1500], [-4, 2000]), ([-9000, 1500], [10, 2000]), ([90000, 1500, 7], [1, 2000, 9])],
)
def test_the_first_window_that_shows_something_is_applied(centre: list[float], width: list[float]) -> None:
    values = phantom()
    found = rendered(values, WindowCenter=centre, WindowWidth=width)
    assert (found.levels == window(values, 1500, 2000)).all()
    assert found.rendering == "window"


def test_a_window_beside_all_values_shows_nothing() -> None:
    values = phantom()
    found = rendered(values, WindowCenter=-9000, WindowWidth=10)
    assert (found.levels == full_range(values)).all()
    assert found.rendering == "full_range"


def test_windows_of_another_number_than_widths_are_taken_in_pairs() -> None:
    values = phantom()
    assert (shown(values, WindowCenter=[1500, 7, 8], WindowWidth=2000) == window(values, 1500, 2000)).all()


@pytest.mark.parametrize("representation", ["US", "SS"])
@pytest.mark.parametrize(("signed", "padding"), [(False, 65000), (True, -2000), (True, -1), (False, 0)])
def test_padding_has_the_sign_of_the_pixels(signed: bool, padding: int, representation: str) -> None:
    values = phantom(bits=12) // 2 + 500
    values[:, :20] = padding
    number = padding % 65536 if representation == "US" else (padding + 32768) % 65536 - 32768
    data = dicom_file(values, bits=16, signed=signed, PixelPaddingValue=0)
    # Written by the library as the pixels are; here as a maker may have it.
    stated = data.index(b"\x28\x00\x20\x01")
    element = b"\x28\x00\x20\x01" + representation.encode() + b"\x02\x00" + (number % 65536).to_bytes(2, "little")
    header = read(data[:stated] + element + data[stated + len(element) :])
    levels = grey_levels(stored_values(header), header).levels
    assert (levels[:, :20] == 0).all()
    assert (levels[:, 20:] == full_range(values[:, 20:])).all()


@pytest.mark.parametrize("limit", [None, []])
def test_padding_without_a_value_is_none(limit: Any) -> None:
    values = phantom()
    assert (shown(values, PixelPaddingValue=None, PixelPaddingRangeLimit=limit) == full_range(values)).all()


@pytest.mark.parametrize(
    ("centre", "width"),
    [(32768, 65536), (32767, 65535), (2048, 65536), (2048, 1), (2048, 3), (1, 1), (128, 256), (127.5, 255)],
)
def test_a_window_that_is_made_for_other_bits_says_nothing(centre: float, width: float) -> None:
    """Above 12 bits, one of 16 showed them nearly black, one of 8 nearly white, and of width 1 a silhouette."""
    values = phantom()
    found = rendered(values, WindowCenter=centre, WindowWidth=width)
    assert (found.levels == full_range(values)).all()
    assert found.rendering == "full_range"


@pytest.mark.parametrize(("centre", "width"), [(1000, 500), (8192, 16384), (600, 1200), (3500, 2000)])
def test_a_window_of_a_part_of_the_values_or_wider_than_they_are_is_applied(centre: float, width: float) -> None:
    values = phantom()
    found = rendered(values, WindowCenter=centre, WindowWidth=width)
    assert (found.levels == window(values, centre, width)).all()
    assert found.rendering == "window"


def test_a_small_field_in_its_own_window_is_seen_by_it() -> None:
    """Around it a collimator made 97 % of the image black."""
    values = np.zeros((96, 96), np.int64)
    values[40:57, 40:57] = phantom(17, 17) // 4 + 1000
    found = rendered(values, WindowCenter=1512, WindowWidth=1024)
    assert (found.levels == window(values, 1512, 1024)).all()
    assert found.rendering == "window"


@pytest.mark.parametrize(("centre", "width"), [(0.4, 0.6), (0.5, 1.0), (0.7, 0.25)])
def test_a_window_below_one_is_exact_where_values_are_fractions(centre: float, width: float) -> None:
    """LINEAR has no formula for it, and the full range was shown (fo-dicom/fo-dicom#1999)."""
    values = phantom()
    said = {
        "WindowCenter": str(centre),
        "WindowWidth": str(width),
        "RescaleSlope": "0.000244140625",
        "RescaleIntercept": "0",
    }
    grey = rendered(values, **said)
    assert grey.rendering == "window"
    expected = np.rint(255 * np.clip((values / 4096 - centre) / width + 0.5, 0, 1))
    assert np.abs(grey.levels - expected).max() <= 1


@pytest.mark.parametrize("width", ["0.5", "1", "0", "-1", "0.001"])
def test_of_whole_numbers_a_window_as_narrow_shows_nothing(width: str) -> None:
    grey = rendered(phantom(), WindowCenter="2048", WindowWidth=width)
    assert grey.rendering == "full_range"
