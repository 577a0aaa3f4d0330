"""The radiograph below a heat map lies as the model saw it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dicom_results.overlay import compose
from tests.model_code.support.picture_files import EXIF_FORMS, GREY, TURNING_XMP, app1, chunk, jpeg, png, quantised

VALUES = quantised(8)


def below(radiograph: bytes) -> np.ndarray:
    clear = io.BytesIO()
    Image.new("RGBA", (4, 4)).save(clear, "PNG")
    return np.asarray(compose(radiograph, clear.getvalue()).convert("L")).astype(int)


@pytest.mark.parametrize("form", EXIF_FORMS)
def test_a_radiograph_is_turned_by_what_turns_the_models(form: str) -> None:
    block, held = EXIF_FORMS[form]
    plain = jpeg(VALUES)
    for turned in (
        plain[:2] + app1(b"Exif\0\0" + block) + plain[2:],
        png(VALUES, 8, GREY, before=chunk(b"eXIf", block)),
    ):
        assert np.abs(below(turned) - np.rot90(VALUES, 0 if held == 1 else -1)).max() <= 12


def test_xmp_and_what_stands_behind_the_pixels_turn_nothing() -> None:
    """Pillow turned by both, under a map of the picture that was not: Chromium and the model do not."""
    plain = jpeg(VALUES)
    behind = png(VALUES, 8, GREY, after=chunk(b"eXIf", EXIF_FORMS["two bytes"][0]))
    for marked in (plain[:2] + app1(TURNING_XMP) + plain[2:], behind):
        assert np.abs(below(marked) - VALUES).max() <= 12
