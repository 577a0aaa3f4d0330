"""The heat map lies where the model looked, over the radiograph as the model saw it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from ops.api import overlays
from ops.base.errors import CommandError


def _encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, format=form, **options)  # type: ignore[arg-type]
    return content.getvalue()


def _decoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


LEFT_HALF = _encoded(Image.frombytes("RGBA", (2, 1), bytes([255, 0, 0, 128, 0, 0, 0, 0])))


def test_the_alpha_says_how_much_of_the_radiograph_is_covered() -> None:
    picture = _decoded(overlays.blend(_encoded(Image.new("L", (80, 60), 100)), LEFT_HALF))
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 30)) == (178, 50, 50)
    assert picture.getpixel((79, 30)) == (100, 100, 100)


def test_a_radiograph_that_lies_on_its_side_is_turned_as_the_model_saw_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    radiograph = _encoded(Image.new("L", (80, 60), 100), "JPEG", exif=exif)
    assert _decoded(overlays.blend(radiograph, LEFT_HALF)).size == (60, 80)


def test_gray_of_sixteen_bits_keeps_its_shades() -> None:
    sixteen = Image.frombytes("I;16", (2, 1), (0x4000).to_bytes(2, "little") + (0xC000).to_bytes(2, "little"))
    clear = _encoded(Image.new("RGBA", (2, 1), (0, 0, 0, 0)))
    picture = _decoded(overlays.blend(_encoded(sixteen), clear))
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(0x40,) * 3, (0xC0,) * 3]


def test_gray_of_twelve_bits_in_sixteen_is_not_black() -> None:
    twelve = Image.frombytes("I;16", (2, 1), (0x400).to_bytes(2, "little") + (0xC00).to_bytes(2, "little"))
    clear = _encoded(Image.new("RGBA", (2, 1), (0, 0, 0, 0)))
    picture = _decoded(overlays.blend(_encoded(twelve), clear))
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(0x40,) * 3, (0xC0,) * 3]


def test_what_is_no_picture_is_a_sentence() -> None:
    with pytest.raises(CommandError, match="The overlay cannot be drawn"):
        overlays.blend(b"no image", LEFT_HALF)


def test_pictures_of_files_that_are_called_alike_do_not_replace_each_other(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("NORMAL/1.png", "PNEUMONIA/1.png", "x/NORMAL/1.png", "2.png")]
    assert list(overlays.file_names(paths).values()) == [
        "NORMAL-1.png.overlay.png",
        "PNEUMONIA-1.png.overlay.png",
        "2-NORMAL-1.png.overlay.png",
        "2.png.overlay.png",
    ]
