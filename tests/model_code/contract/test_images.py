"""A header tells what a file is and how large it would unpack; everything that takes images asks the same code."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from model_code.contract import images
from model_code.contract.images import MAX_PIXELS, check_image, image_dimensions, media_type, pixel_cost


def encoded(format_: str, size: tuple[int, int] = (45, 17)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, format_)
    return buffer.getvalue()


@pytest.mark.parametrize(("format_", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("GIF", None)])
def test_first_bytes_tell_the_kind(format_, kind):
    assert media_type(encoded(format_)) == kind


@pytest.mark.parametrize(
    ("beginning", "named"),
    [
        *(
            (encoded(one), f"a {name}")
            for one, name in (("TIFF", "TIFF"), ("GIF", "GIF"), ("WEBP", "WebP"), ("BMP", "BMP"))
        ),
        (encoded("JPEG2000"), "a JPEG 2000"),
        (b"\xff\x4f\xff\x51\0\x2f", "a JPEG 2000"),
        (b"\xff\x0a\xfa\x7f", "a JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "an AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "a HEIC"),
        (b"%PDF-1.7", "a PDF document"),
        *((one, "an archive") for one in (b"PK\3\4", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"BZh91AY", b"\x28\xb5\x2f\xfd")),
        *((one, "a TIFF") for one in (b"II+\0", b"MM\0+")),
        (b"P5\n640 480\n255\n", "a Netpbm picture"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"<HTML><head>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146", "a pointer of Git LFS"),
        *((one, "") for one in (b"<?xml version", b"P7\n", b"P5x", b"version 2", b"<htmlx", b"BZ")),
        *((one, "") for one in (b"", b"BMI of patients", encoded("JPEG"), encoded("PNG"), bytes(132))),
    ],
)
def test_a_file_that_is_not_taken_has_a_name(beginning, named):
    assert images.other_format(beginning) == named


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_dimensions_are_the_declared_ones(format_):
    assert image_dimensions(encoded(format_)) == (45, 17)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"no image", "it is neither a JPEG nor a PNG"),
        (encoded("GIF"), "it is a GIF and neither a JPEG nor a PNG: save it as PNG"),
        (encoded("WEBP"), "it is a WebP and neither a JPEG nor a PNG: save it as PNG"),
        (b"PK\3\4" + bytes(90), "it is an archive and neither a JPEG nor a PNG: send the radiograph's own file"),
        (b"%PDF-1.7", "it is a PDF document and neither a JPEG nor a PNG: send the radiograph's own file"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            r"it is a pointer of Git LFS and neither a JPEG nor a PNG: fetch the file itself \(`git lfs pull`\)",
        ),
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
        (0xF7, 8, "JPEG-LS"),
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


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, size: tuple[int, int] = (45, 17), depth: int = 8, colour: int = 0) -> bytes:
    """A whole header and what follows it; checking decodes nothing."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    return images.SIGNATURES[images.PNG] + chunk(b"IHDR", header) + b"".join(chunks)


def jpeg(before: bytes = b"", *, size: tuple[int, int] = (45, 17), scans: int = 1) -> bytes:
    """A progressive header of one component, as many scans of nothing, and `before` before all of it."""
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, size[1], size[0], 1) + b"\x01\x11\0"
    return b"\xff\xd8" + before + frame + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" * scans + b"\xff\xd9"


COMMENT = b"\xff\xfe\0\x02"


@pytest.mark.parametrize("one", [COMMENT, b"\xff", b"\xff\x01"], ids=["comment", "fill byte", "without length"])
def test_markers_before_the_picture_are_counted_whatever_they_are(one):
    others = 2  # of the frame and the first scan
    check_image(jpeg(one * (images.MAX_MARKERS - others)))
    with pytest.raises(ValueError, match=r"^it is a JPEG with 1,000 markers before its picture: save it without met"):
        check_image(jpeg(one * (images.MAX_MARKERS - others + 1)))


def test_markers_behind_the_frame_count_too():
    """Pillow steps through those as well."""
    many = COMMENT * images.MAX_MARKERS
    with pytest.raises(ValueError, match="1,000 markers"):
        check_image(jpeg().replace(b"\xff\xda", many + b"\xff\xda"))


def test_a_second_frame_is_refused():
    """Pillow takes the size of the last one, which nobody checked."""
    with pytest.raises(ValueError, match=r"^it is a JPEG with two frame headers$"):
        check_image(jpeg(jpeg(size=(9, 9))[2:15]))


def test_each_scan_of_a_large_picture_counts_as_another_pass_over_its_pixels():
    radiograph = 4300, 3500
    check_image(jpeg(size=radiograph, scans=images.MAX_SCANS))
    large = 7500, 8000
    assert pixel_cost(jpeg(size=large, scans=10)) == 1
    with pytest.raises(ValueError, match=r"^it is a progressive JPEG of 7500 x 8000 pixels in 11 scans, .* save it as"):
        check_image(jpeg(size=large, scans=11))


def progressive(**more: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "JPEG", progressive=True, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("pictures", [3, 30])
def test_scans_of_other_pictures_in_the_file_do_not_count(pictures):
    """Cameras put previews into the metadata, and smaller copies or a film of the moment behind the picture."""
    one = progressive()
    cost = pixel_cost(one)
    assert pixel_cost(one * pictures) == cost
    assert pixel_cost(one + b"\xff\xda" * 100) == cost
    assert pixel_cost(progressive(exif=b"Exif\0\0" + one)) == cost
    assert pixel_cost(progressive(icc_profile=one * pictures)) == cost


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_an_end_in_a_segment_is_no_end(length):
    hidden = b"\xff\xfe" + struct.pack(">H", length) + b"\xff\xd9\0\0\0"[: max(0, length - 2)]
    many = jpeg(scans=images.MAX_SCANS + 1)
    first = many.index(b"\xff\xda")
    for place in (first, first + 10):
        with pytest.raises(ValueError, match=r"^it is a progressive JPEG of 25 scans"):
            check_image(many[:place] + hidden + many[place:])


def test_markers_between_scans_are_counted():
    others = 4  # of the frame, two scans and the end
    for one in (COMMENT, b"\xff", b"\xff\x01"):
        check_image(jpeg(scans=2)[:-2] + one * (2 * images.MAX_MARKERS - others) + b"\xff\xd9")
        with pytest.raises(ValueError, match=r"^it is a JPEG with 2,000 markers: save it without metadata$"):
            check_image(jpeg(scans=2)[:-2] + one * 2 * images.MAX_MARKERS + b"\xff\xd9")


def test_chunks_of_a_png_are_counted():
    others = 2  # the header, and the end
    of_pixels = chunk(b"IDAT") * (images.MAX_CHUNKS - others)
    check_image(png(of_pixels, chunk(b"IEND")))
    check_image(png(chunk(b"IEND"), of_pixels * 2))  # nobody reads on behind the end
    with pytest.raises(ValueError, match=r"^it is a PNG of more than 10,000 chunks: save it again"):
        check_image(png(of_pixels, chunk(b"IDAT"), chunk(b"IEND")))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_chunks_that_unpack_are_counted_by_themselves(kind):
    one = chunk(kind, b"n" * 200 + b"\0\1\0" if kind == b"iTXt" else b"")
    check_image(png(one * images.MAX_PACKED_CHUNKS, chunk(b"tEXt") * 100, chunk(b"IEND")))
    with pytest.raises(ValueError, match=r"^it is a PNG with 17 compressed texts and profiles, where 16 are accepted"):
        check_image(png(one * (images.MAX_PACKED_CHUNKS + 1), chunk(b"IEND")))


def test_texts_of_any_language_that_are_not_compressed_do_not_count():
    """Pillow writes those that are not Latin so, such as values that were copied from a DICOM file."""
    texts = PngInfo()
    for number in range(100):
        texts.add_text(f"{number} ".ljust(79, "x"), "胸部正面")
    buffer = io.BytesIO()
    Image.new("L", (45, 17)).save(buffer, "PNG", pnginfo=texts)
    assert buffer.getvalue().count(b"iTXt") == 100
    check_image(buffer.getvalue())


@pytest.mark.parametrize(("depth", "colour", "cost"), [(8, 2, 1 / 3), (8, 6, 1 / 3), (16, 0, 1 / 3), (16, 4, 1 / 3)])
def test_a_png_costs_by_its_pixels(depth, colour, cost):
    assert pixel_cost(png(size=(4000, 2000), depth=depth, colour=colour)) == pytest.approx(cost)


@pytest.mark.parametrize("colour", [2, 6])
def test_colours_of_sixteen_bits_cost_three_times_as_much(colour):
    assert pixel_cost(png(size=(4000, 2000), depth=16, colour=colour)) == 1
    with pytest.raises(ValueError, match=r"8,000,000 in all are accepted of a PNG of 16-bit colours$"):
        check_image(png(size=(4001, 2000), depth=16, colour=colour))


def test_a_picture_of_very_many_rows_is_refused():
    check_image(png(size=(1, images.MAX_EDGE)))
    with pytest.raises(ValueError, match=r"^it has 1 x 65536 pixels, where an edge may have 65,535: cut it"):
        check_image(png(size=(1, images.MAX_EDGE + 1)))


def test_real_radiographs_are_far_from_every_limit(radiographs):
    for folder in ("chest_xray", "chest_xray_original"):
        for path in sorted((radiographs / folder).rglob("*.jp*g"))[::40]:
            assert pixel_cost(path.read_bytes()) < 0.2
