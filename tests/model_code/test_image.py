"""One decode and resize for every place: grey, antialiased, whole files only."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from model_code.image import batch_from_bytes, pixels_from_bytes, resize
from tests.model_code.conftest import drawn, encode


def test_grey_png_of_the_right_size_is_unchanged():
    pixels = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    np.testing.assert_array_equal(pixels_from_bytes(encode(pixels), 64).numpy()[:, :, 0], pixels)


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_colour_becomes_luma(format_):
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[..., 1] = 200
    grey = pixels_from_bytes(encode(colour, format_), 32).numpy()
    assert grey.shape == (32, 32, 1)
    # ITU-R BT.601 gives green 0.587; libpng rounds its weights otherwise (0.7152, BT.709).
    assert grey.min() == grey.max()
    assert grey.max() in range(115, 146)


def test_shrinking_averages_instead_of_picking_pixels():
    stripes = np.zeros((128, 128), np.uint8)
    stripes[:, ::2] = 255
    inner = pixels_from_bytes(encode(stripes), 32).numpy()[4:-4, 4:-4].astype(float)
    assert inner.mean() == pytest.approx(127.5, abs=1.5)
    assert np.ptp(inner) < 8


def test_sixteen_bit_png_keeps_its_upper_bits():
    buffer = io.BytesIO()
    Image.fromarray(np.full((32, 32), 40_000, np.uint16)).save(buffer, format="PNG")
    assert pixels_from_bytes(buffer.getvalue(), 32).numpy().max() in (155, 156)


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_a_truncated_image_is_an_error_not_a_grey_area(format_):
    whole = drawn(1, size=200, format_=format_)
    with pytest.raises(tf.errors.InvalidArgumentError):
        pixels_from_bytes(whole[: len(whole) // 2], 32)


def test_a_batch_of_mixed_formats_is_each_image_alone():
    images = [drawn(1, 50), drawn(2, 70, "JPEG"), drawn(3, 32)]
    batch = batch_from_bytes(tf.constant(images), 32).numpy()
    for index, image in enumerate(images):
        np.testing.assert_array_equal(batch[index], pixels_from_bytes(image, 32).numpy())


def test_a_real_radiograph_of_original_size_agrees_with_pillow(radiographs):
    folder = radiographs / "chest_xray_original" / "NORMAL"
    encoded = sorted(folder.glob("*.jpeg"))[0].read_bytes()
    ours = pixels_from_bytes(encoded, 64).numpy()[:, :, 0].astype(float)
    with Image.open(io.BytesIO(encoded)) as opened:
        theirs = np.asarray(opened.convert("L").resize((64, 64), Image.Resampling.BILINEAR), float)
    # Pillow rounds between its two passes, so it may differ a little; a wrong orientation or aliasing would by far.
    assert np.abs(ours - theirs).mean() < 2


@pytest.mark.parametrize(("height", "width"), [(601, 839), (64, 64), (40, 700), (20, 33), (1, 64), (333, 32)])
def test_the_fast_resize_is_tensorflows_own_to_the_last_bit(height, width):
    rng = np.random.default_rng(height)
    pixels = rng.integers(0, 256, (3, height, width, 1), dtype=np.uint8)
    theirs = tf.image.resize(pixels, (64, 64), method="bilinear", antialias=True)
    expected = tf.cast(tf.clip_by_value(tf.round(theirs), 0.0, 255.0), tf.uint8).numpy()
    np.testing.assert_array_equal(resize(pixels, 64), expected)
    np.testing.assert_array_equal(resize(pixels[1], 64), expected[1])
