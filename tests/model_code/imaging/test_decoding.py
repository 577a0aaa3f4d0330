"""One decode and resize for every place: grey, antialiased, whole files only."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.model_code.conftest import drawn, encode


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global batch_from_bytes, decoding_graph, pixels_from_bytes, resize, tf
    import tensorflow as tf

    from model_code.imaging.decoding import batch_from_bytes, decoding_graph, pixels_from_bytes, resize


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


def smooth(height, width):
    """A drawing without sharp edges, lighter towards the right and more so towards the bottom."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (40 + 120 * across + 60 * down**2).astype(np.uint8)


def saved(pixels, format_="JPEG", **options):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, format=format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(127, 129), (128, 500), (256, 256), (511, 513), (1031, 1301)])
def test_a_jpeg_decoded_at_a_part_of_its_size_looks_as_decoded_in_full(shape):
    encoded = saved(drawn_chest(shape), quality=95)
    full = resize(tf.io.decode_jpeg(encoded, channels=1, dct_method="INTEGER_ACCURATE"), 32).numpy().astype(float)
    ours = pixels_from_bytes(encoded, 32).numpy().astype(float)
    # The drawing is full of noise, which radiographs are not.
    assert np.abs(ours - full).mean() < 1.5
    assert np.abs(ours - full).max() <= 12


def drawn_chest(shape):
    with Image.open(io.BytesIO(drawn(5, size=300))) as opened:
        return np.asarray(opened.convert("L").resize(shape[::-1], Image.Resampling.BICUBIC))


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("held", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_applies_it(held, byte_order):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F] = "a maker"
    exif[0x0112] = held
    encoded = saved(smooth(70, 90), exif=exif)
    assert (b"MM\0*" if byte_order == ">" else b"II*\0") in encoded[:64]
    with Image.open(io.BytesIO(encoded)) as opened:
        upright_one = saved(ImageOps.exif_transpose(opened), "PNG")
    ours, theirs = (pixels_from_bytes(one, 32).numpy().astype(int) for one in (encoded, upright_one))
    assert np.abs(ours - theirs).max() <= 1
    if held > 1:
        assert np.abs(ours - pixels_from_bytes(saved(smooth(70, 90)), 32).numpy()).max() > 20


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
def test_damaged_exif_data_is_as_none(segment):
    plain = saved(smooth(70, 90))
    damaged = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]
    np.testing.assert_array_equal(pixels_from_bytes(damaged, 32), pixels_from_bytes(plain, 32))


def test_every_kind_of_file_of_one_image_gives_that_image():
    grey = smooth(90, 120)
    expected = pixels_from_bytes(saved(grey, "PNG"), 32).numpy().astype(int)
    wide = Image.fromarray((grey.astype(np.uint16) << 8) | 0x80)
    colour = Image.fromarray(grey).convert("RGB")
    transparent = colour.copy()
    transparent.putalpha(128)
    kinds = {
        "8-bit grey JPEG": saved(grey, quality=95),
        "RGB JPEG": saved(colour, quality=95),
        "progressive JPEG": saved(colour, quality=95, progressive=True),
        "CMYK JPEG": saved(colour.convert("CMYK"), quality=95),
        "16-bit grey PNG": saved(wide, "PNG"),
        "RGB PNG": saved(colour, "PNG"),
        "RGBA PNG": saved(transparent, "PNG"),
        "grey PNG with alpha": saved(transparent.convert("LA"), "PNG"),
        "palette PNG": saved(colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=256), "PNG"),
        "interlaced PNG": interlaced(grey),
    }
    for kind, encoded in kinds.items():
        ours = pixels_from_bytes(encoded, 32).numpy().astype(int)
        assert np.abs(ours - expected).max() <= 3, kind


def interlaced(grey):
    """Adam7 (PNG specification, 8.2), which Pillow reads but does not write."""
    height, width = grey.shape
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b"".join(
        b"\0" + row.tobytes() for top, left, down, across in passes for row in grey[top::down, left::across]
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_a_batch_of_mixed_formats_is_each_image_alone():
    images = [drawn(1, 50), drawn(2, 70, "JPEG"), drawn(3, 32)]
    batch = batch_from_bytes(tf.constant(images), 32).numpy()
    for index, image in enumerate(images):
        np.testing.assert_array_equal(batch[index], pixels_from_bytes(image, 32).numpy())


def test_the_traced_graph_decodes_as_its_operations_do_one_by_one():
    """Other tests expect what the graph gives, because the operations alone take ten times as long."""
    grey, colour = drawn(1, 90), np.random.default_rng(2).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    for image in (grey, drawn(1, 90, "JPEG"), encode(colour), encode(colour, "JPEG")):
        np.testing.assert_array_equal(decoding_graph(32)(image).numpy(), pixels_from_bytes(image, 32).numpy())


def test_a_real_radiograph_of_original_size_agrees_with_pillow(radiographs):
    folder = radiographs / "chest_xray_original" / "NORMAL"
    encoded = sorted(folder.glob("*.jpeg"))[0].read_bytes()
    ours = pixels_from_bytes(encoded, 64).numpy()[:, :, 0].astype(float)
    with Image.open(io.BytesIO(encoded)) as opened:
        theirs = np.asarray(opened.convert("L").resize((64, 64), Image.Resampling.BILINEAR), float)
    full = resize(tf.io.decode_jpeg(encoded, channels=1, dct_method="INTEGER_ACCURATE"), 64).numpy()[:, :, 0]
    assert np.abs(ours - full).mean() < 2
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
