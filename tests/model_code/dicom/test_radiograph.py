"""A large radiograph is decoded at the size that its picture needs where its grey does not depend on single pixels."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from model_code.dicom import grey, picture, pixels, radiograph
from model_code.dicom.header import read
from tests.model_code.support.dicom_files import EXPLICIT, J2K_LOSSLESS, dicom_file
from tests.model_code.support.dicom_tables import curve, table


@functools.cache
def large() -> npt.NDArray[np.int64]:
    """A smooth picture of twice the size that is shown."""
    down, across = np.mgrid[0:1:2100j, 0:1:1801j]
    return np.rint((0.5 + 0.4 * np.sin(5 * across) * np.cos(4 * down)) * 4000).astype(np.int64)


def halvings(monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> list[int]:
    """Number of halvings of the pixels, of each time that they were decoded."""
    asked = []

    def noted(header: Any, *, halvings: int = 0) -> Any:
        asked.append(halvings)
        return pixels.stored_values(header, halvings=halvings)

    monkeypatch.setattr(radiograph, "stored_values", noted)
    radiograph.draw(read(dicom_file(large(), transfer_syntax=J2K_LOSSLESS, **attributes)))
    return asked


def test_with_a_window_half_the_size_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert halvings(monkeypatch, WindowCenter=2000, WindowWidth=3000) == [1]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": 2000, "WindowWidth": 3000, "PixelPaddingValue": 0},
        {"VOILUTSequence": [table(curve(4096, 12), 0, 12)]},
        {"WindowCenter": 2000, "WindowWidth": 3000, "ModalityLUTSequence": [table(curve(4096, 12), 0, 12)]},
        {
            "WindowCenter": 2000,
            "WindowWidth": 3000,
            "ShutterShape": "CIRCULAR",
            "CenterOfCircularShutter": [900, 900],
            "RadiusOfCircularShutter": 800,
        },
    ],
    ids=["range", "no window", "padding", "VOI LUT", "modality LUT", "shutter"],
)
def test_where_single_pixels_count_all_are_decoded(monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any]) -> None:
    assert halvings(monkeypatch, **attributes) == [0]


def test_where_the_window_shows_nothing_all_are_decoded_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert halvings(monkeypatch, WindowCenter=90000, WindowWidth=10) == [1, 0]


def test_the_picture_is_that_of_the_whole_file() -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 3000}
    ours = radiograph.draw(read(dicom_file(large(), transfer_syntax=J2K_LOSSLESS, **window)))
    header = read(dicom_file(large(), transfer_syntax=EXPLICIT, **window))
    full = picture.draw(grey.grey_levels(pixels.stored_values(header), header).levels, header)
    assert ours.levels.shape == full.shape == (1024, 878)
    assert ours.rendering == "window"
    assert np.abs(ours.levels.astype(int) - full).max() <= 2
