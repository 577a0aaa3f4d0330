"""A header tells what a file is and how large it would unpack; everything that takes images asks the same code."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from model_code.contract.images import MAX_PIXELS, check_image, image_dimensions, media_type


def encoded(format_: str, size: tuple[int, int] = (45, 17)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, format_)
    return buffer.getvalue()


@pytest.mark.parametrize(("format_", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("GIF", None)])
def test_first_bytes_tell_the_kind(format_, kind):
    assert media_type(encoded(format_)) == kind


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_dimensions_are_the_declared_ones(format_):
    assert image_dimensions(encoded(format_)) == (45, 17)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (encoded("GIF"), "it is neither a JPEG nor a PNG"),
        (encoded("PNG")[:20], "it is a PNG without a header"),
        (b"\xff\xd8\xff\xe0\x00\x04ab" + b"\x00" * 20, "it is a JPEG without a frame header"),
    ],
)
def test_what_is_no_image_is_refused_as_the_end_of_a_sentence(data, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        check_image(data)


@pytest.mark.parametrize(
    ("frame", "bits", "named"),
    [
        (0xC3, 8, "lossless"),
        (0xC3, 12, "lossless"),
        (0xC1, 12, "12-bit"),
        (0xC9, 8, "arithmetically coded"),
        (0xCA, 8, "arithmetically coded"),
        (0xC5, 8, "hierarchical"),
        (0xCF, 8, "hierarchical"),
    ],
)
def test_a_jpeg_of_a_kind_that_decoders_make_no_one_picture_of_is_refused_by_name(frame, bits, named):
    """TensorFlow's libjpeg decodes arithmetic coding and Pillow's lossless ones; no browser does either."""
    data = encoded("JPEG")
    assert data.count(b"\xff\xc0") == 1
    changed = data.replace(b"\xff\xc0\0\x0b\x08", bytes([0xFF, frame, 0, 11, bits]))
    with pytest.raises(ValueError, match=rf"^it is a JPEG of an unusual kind, {named}: save it as .*[^.]$"):
        check_image(changed)


def test_a_small_file_that_would_unpack_to_too_much_is_refused():
    data = bytearray(encoded("PNG"))
    data[16:24] = struct.pack(">II", MAX_PIXELS["PNG"], 2)
    with pytest.raises(ValueError, match="24,000,000 in all are accepted of a PNG"):
        check_image(bytes(data))
