"""Pixels count as they lie in the file: by their values, whatever Bits Stored, High Bit and samples say of them."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from model_code.dicom import radiograph
from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import (
    BASELINE,
    BIG,
    DEFLATED,
    DEFLATED_FRAME,
    EXPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    RLE,
    as_file,
    dicom_file,
    encode,
    phantom,
)

SYNTAXES = (EXPLICIT, BIG, RLE, DEFLATED_FRAME, JPEG_LS, J2K_LOSSLESS)
GREY = phantom(bits=8).astype(np.uint8)
ROWS, COLUMNS = GREY.shape
KINDS = ("native", "deflated", "deflated frame", "planes apart", "run lengths", "JPEG", "JPEG-LS", "JPEG 2000")


def saved(pixels: NDArray[Any], syntax: str, frame: bytes | None = None, **attributes: Any) -> bytes:
    """A file of pixels [rows, columns, 3], or [3, rows, columns]."""
    stated = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "Rows": ROWS, "Columns": COLUMNS} | attributes
    return dicom_file(pixels.reshape(ROWS, -1), transfer_syntax=syntax, bits=8, frame=frame, **stated)


def run_lengths(*planes: NDArray[np.uint8]) -> bytes:
    packed = [imagecodecs.packbits_encode(plane.tobytes()) for plane in planes]
    packed = [one + b"\0" * (len(one) % 2) for one in packed]
    offsets = np.cumsum([64, *map(len, packed[:-1])]).tolist() + [0] * (15 - len(packed))
    return np.array([len(packed), *offsets], "<u4").tobytes() + b"".join(packed)


def written(colours: NDArray[np.uint8]) -> dict[str, bytes]:
    apart = np.ascontiguousarray(colours.transpose(2, 0, 1))
    return {
        "native": saved(colours, EXPLICIT, PlanarConfiguration=0),
        "deflated": saved(colours, DEFLATED),
        "deflated frame": saved(colours, DEFLATED_FRAME),
        "planes apart": saved(apart, EXPLICIT, PlanarConfiguration=1),
        "run lengths": saved(colours, RLE, run_lengths(*apart)),
        "JPEG": saved(
            colours,
            BASELINE,
            bytes(imagecodecs.jpeg8_encode(colours, level=98)),
            PhotometricInterpretation="YBR_FULL_422",
        ),
        "JPEG-LS": saved(colours, JPEG_LS, bytes(imagecodecs.jpegls_encode(colours))),
        "JPEG 2000": saved(
            colours,
            J2K_LOSSLESS,
            bytes(imagecodecs.jpeg2k_encode(colours, codecformat="j2k", reversible=True)),
            PhotometricInterpretation="YBR_RCT",
        ),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_three_samples_alike_are_grey_levels_as_they_are(kind: str) -> None:
    """Archives hold radiographs that somebody saved as RGB, and they were refused."""
    found = radiograph.draw(read(written(np.stack([GREY] * 3, axis=-1))[kind]))
    assert np.abs(found.levels.astype(int) - GREY).max() <= (6 if kind == "JPEG" else 0)
    assert found.rendering == "window"


@pytest.mark.parametrize("kind", KINDS)
def test_a_marker_in_colour_makes_a_copy_of_a_screen(kind: str) -> None:
    colours = np.stack([GREY] * 3, axis=-1)
    colours[8:24, 8:24] = (220, 30, 30)
    with pytest.raises(Refusal, match="in colour") as refused:
        radiograph.draw(read(written(colours)[kind]))
    assert refused.value.code == "not_a_radiograph"


def test_luma_without_chroma_is_grey() -> None:
    colours = np.stack([GREY, np.full_like(GREY, 128), np.full_like(GREY, 127)], axis=-1)
    assert (radiograph.draw(read(saved(colours, EXPLICIT, PhotometricInterpretation="YBR_FULL"))).levels == GREY).all()


@pytest.mark.parametrize("marked", [False, True])
def test_luma_and_chroma_may_be_compressed_without_a_transform(marked: bool) -> None:
    """JPEG 2000 of what run lengths had as YBR_FULL (https://github.com/cornerstonejs/cornerstoneWADOImageLoader/issues/308)
    was refused as colour."""
    colours = np.stack([GREY, *[np.full_like(GREY, 128)] * 2], axis=-1)
    colours[8:24, 8:24, 1] = 200 if marked else 128
    frame = bytes(imagecodecs.jpeg2k_encode(colours, codecformat="j2k", reversible=True, mct=False))
    header = read(saved(colours, J2K_LOSSLESS, frame, PhotometricInterpretation="YBR_FULL"))
    if marked:
        with pytest.raises(Refusal, match="in colour"):
            radiograph.draw(header)
    else:
        assert (radiograph.draw(header).levels == GREY).all()


@pytest.mark.parametrize(
    ("named", "planes"),
    [
        ("RGB", lambda grey: (grey, np.full_like(grey, 126), np.full_like(grey, 130))),
        ("YBR_FULL", lambda grey: (grey, grey, grey)),
    ],
)
def test_what_is_grey_in_other_colours_is_in_colour_in_its_own(named: str, planes: Any) -> None:
    """From cyan to red, and from green to violet (PS3.3, C.7.6.3.1.2)."""
    colours = np.stack(planes(GREY), axis=-1)
    for file in (
        saved(colours, EXPLICIT, PhotometricInterpretation=named),
        saved(colours, RLE, run_lengths(*colours.transpose(2, 0, 1)), PhotometricInterpretation=named),
    ):
        with pytest.raises(Refusal, match="in colour"):
            radiograph.draw(read(file))


def test_chroma_of_two_pixels_without_compression_is_no_damage() -> None:
    halved = np.stack([GREY, np.full_like(GREY, 128)], axis=-1)
    with pytest.raises(Refusal, match="in colour"):
        read(saved(halved, EXPLICIT, PhotometricInterpretation="YBR_FULL_422"))


def test_what_maps_grey_levels_is_none_of_colours() -> None:
    colours = np.stack([GREY] * 3, axis=-1)
    said = {"WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": -1, "PixelPaddingValue": 200}
    assert (radiograph.draw(read(saved(colours, EXPLICIT, **said))).levels == GREY).all()


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


def overlaid(data: bytes, position: int, *, allocated: int = 16) -> bytes:
    """A file that says of one of its pixels' bits that it is an overlay's."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.add_new(0x60020100, "US", allocated)
    dataset.add_new(0x60020102, "US", position)
    return as_file(dataset, dataset.file_meta.TransferSyntaxUID)


SHUTTER = np.where(np.add.outer(np.arange(80), np.arange(96)) % 48 < 12, 0, phantom())
"""With black stripes, in which an overlay lies: without it neighbours are far apart, with it nearer."""


@pytest.mark.parametrize("stated", [True, False])
def test_an_overlay_above_black_is_no_part_of_the_image(stated: bool) -> None:
    """Text above pixels that were set to 0 became the brightest values of all."""
    values = np.where(SHUTTER, 4095 - SHUTTER // 8, 0)
    data = dicom_file(values | np.where(values, 0, 4096))
    assert (stored_values(read(overlaid(data, 12) if stated else data)) == values).all()


def test_values_that_go_on_above_a_stated_overlay_are_left_out() -> None:
    values = phantom(bits=14)
    header = read(overlaid(dicom_file(values, bits=12), 12))
    assert (stored_values(header) == values % 4096).all()
    assert not [element.tag for element in header.dataset if element.tag.group == 0x6002]


@pytest.mark.parametrize(("plane", "stated"), [(1, False), (1, True), (3, True)])
def test_an_overlay_below_dark_values_does_not_keep_them_there(plane: int, stated: bool) -> None:
    """It was taken for values that a wrong High Bit is about."""
    values = phantom() // 32
    data = dicom_file((values << 4) | np.where(np.arange(values.shape[1]) % 2, plane, 0), HighBit=15)
    assert (stored_values(read(overlaid(data, 0) if stated else data)) == values).all()


def test_a_sign_without_anything_above_is_the_values_own() -> None:
    values = phantom() - 2048
    assert (stored_values(read(dicom_file(values % 4096, signed=True))) == values).all()
