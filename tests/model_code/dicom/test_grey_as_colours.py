"""Grey levels that a program saved as colours are a radiograph; what is in colour is none."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from model_code.dicom import radiograph
from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import (
    BASELINE,
    DEFLATED,
    EXPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    RLE,
    dicom_file,
    phantom,
)

GREY = phantom(bits=8).astype(np.uint8)
ROWS, COLUMNS = GREY.shape
KINDS = ("native", "deflated", "planes apart", "run lengths", "JPEG", "JPEG-LS", "JPEG 2000")


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


def test_what_maps_grey_levels_is_none_of_colours() -> None:
    colours = np.stack([GREY] * 3, axis=-1)
    said = {"WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": -1, "PixelPaddingValue": 200}
    assert (radiograph.draw(read(saved(colours, EXPLICIT, **said))).levels == GREY).all()
