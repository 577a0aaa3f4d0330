"""The engine's own decoding gives the pixels of the graph's, for every kind of file that the graph reads."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_code.serving import engine_decoding
from tests.model_code.serving.test_container_contract import HOSTILE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global decoding, tf
    import tensorflow as tf

    from model_code.imaging import decoding


def saved(picture: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **options)
    return buffer.getvalue()


def colours(width: int = 900, height: int = 700) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def grey() -> Image.Image:
    return colours().convert("L")


def transparent() -> Image.Image:
    picture = colours()
    picture.putalpha(128)
    return picture


KINDS: dict[str, Callable[[], bytes]] = {
    "grey JPEG": lambda: saved(grey(), "JPEG", quality=90),
    "YCbCr JPEG": lambda: saved(colours(), "JPEG", quality=90),
    "RGB JPEG": lambda: saved(colours(), "JPEG", keep_rgb=True),
    "progressive JPEG": lambda: saved(colours(), "JPEG", progressive=True),
    "CMYK JPEG": lambda: saved(colours().convert("CMYK"), "JPEG"),
    "grey PNG": lambda: saved(grey()),
    "RGB PNG": lambda: saved(colours()),
    "RGBA PNG": lambda: saved(transparent()),
    "grey PNG with transparency": lambda: saved(transparent().convert("LA")),
    "palette PNG": lambda: saved(colours().quantize(64)),
    "palette PNG with a transparent colour": lambda: saved(colours().quantize(64), transparency=3),
    "PNG of one bit": lambda: saved(grey().convert("1")),
    "PNG of sixteen bits": lambda: saved(Image.fromarray(np.asarray(grey()).astype(np.uint16) * 257)),
    "smaller than the result": lambda: saved(grey().resize((20, 17)), "JPEG"),
}


@functools.cache
def encoded(kind: str) -> bytes:
    """A file of the kind, made once."""
    return KINDS[kind]()


def differences(encoded: bytes, size: int) -> np.ndarray:
    ours = engine_decoding.pixels_from_bytes(encoded, size)
    assert (ours.shape, ours.dtype) == ((size, size, 1), np.uint8)
    return np.abs(ours.astype(int) - graph(size)(encoded).numpy())


@functools.cache
def graph(size: int) -> Any:
    """The graph's decoding, traced once as the export does."""
    return tf.function(
        lambda encoded: decoding.pixels_from_bytes(encoded, size), input_signature=[tf.TensorSpec((), tf.string)]
    )


@pytest.mark.parametrize("size", [32, 96, 220], ids=lambda size: f"{size}px")
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_graph(kind: str, size: int) -> None:
    found = differences(encoded(kind), size)
    assert found.max() <= 1
    # Both compute in float32; only where a sum ends near one half may they round it otherwise.
    assert found.mean() < 0.02


@pytest.mark.parametrize("edge", [127, 128, 255, 256, 257, 511, 512, 513])
def test_a_jpeg_is_decoded_at_the_same_part_of_its_size(edge: int) -> None:
    """At 32 px libjpeg's scale changes at 128, 256 and 512 pixels; the wrong one differs by several grey levels."""
    assert differences(saved(colours(edge + 90, edge), "JPEG"), 32).max() <= 1


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("held", range(1, 10))
def test_an_orientation_is_applied_as_the_graph_applies_it(held: int, byte_order: str) -> None:
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F] = "a maker"
    exif[0x0112] = held
    assert differences(saved(colours(90, 70), "JPEG", exif=exif), 32).max() <= 1


def segment_of(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


_XMP = segment_of(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 6000)
_PROFILE = segment_of(0xE2, b"ICC_PROFILE\0\1\1" + b"x" * 60_000)


@pytest.mark.parametrize(
    ("before", "turned"),
    [
        (b"", True),
        (_XMP, True),
        (_PROFILE, True),
        (_PROFILE * 3 + b"\xff\xff" + _XMP, True),
        (segment_of(0xFE, b"x") * 200, False),  # beyond where both look
    ],
    ids=["nothing", "XMP", "a profile", "both, and fill bytes", "very many comments"],
)
def test_exif_data_may_stand_behind_other_data(before: bytes, turned: bool) -> None:
    """Browsers turn such a file, of which the first 4,096 bytes say nothing; what a comment quotes turns nothing."""
    exif = Image.Exif()
    exif[0x0112] = 6
    levels = colours(90, 70)
    marked, plain = saved(levels, "JPEG", exif=exif), saved(levels, "JPEG")
    found = marked.index(b"\xff\xe1")
    moved = marked[found : found + 2 + int.from_bytes(marked[found + 2 : found + 4], "big")]
    encoded = plain[:2] + before + moved + plain[2:]
    assert differences(encoded, 32).max() <= 1
    asis, ours = (engine_decoding.pixels_from_bytes(one, 32) for one in (plain, encoded))
    np.testing.assert_array_equal(ours[..., 0], np.rot90(asis[..., 0], -1) if turned else asis[..., 0])
    quoted = plain[:2] + segment_of(0xFE, b"as in " + moved) + plain[2:]
    assert differences(quoted, 32).max() <= 1
    np.testing.assert_array_equal(engine_decoding.pixels_from_bytes(quoted, 32), asis)


@pytest.mark.parametrize(
    "segment",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0",
    ],
    ids=["nothing", "directory far away", "more entries than bytes", "no orientation of that number"],
)
def test_damaged_exif_data_is_as_none(segment: bytes) -> None:
    plain = saved(colours(90, 70), "JPEG")
    damaged = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]
    np.testing.assert_array_equal(
        engine_decoding.pixels_from_bytes(damaged, 32), engine_decoding.pixels_from_bytes(plain, 32)
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_the_graph_cannot_decode_is_refused(kind: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(32)(HOSTILE[kind])
    with pytest.raises(engine_decoding.ImageError, match="begins as a JPEG or PNG but cannot be decoded to its end"):
        engine_decoding.pixels_from_bytes(HOSTILE[kind], 32)


@pytest.mark.parametrize("folder", ["chest_xray/test", "chest_xray_original"])
def test_real_radiographs_are_decoded_as_the_graph_does(folder: str, radiographs: Path) -> None:
    paths = sorted((radiographs / folder).rglob("*.jpeg"))[::10]
    found = [differences(path.read_bytes(), 220) for path in paths]
    assert max(one.max() for one in found) <= 1
    assert np.mean(found) < 0.005
