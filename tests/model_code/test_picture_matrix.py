"""Graph and engine make the same grey of every kind of PNG and JPEG, and both what its rule says (ADR 25)."""

from __future__ import annotations

import functools
import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from model_code.contract import images
from model_code.serving import engine_decoding
from tests.model_code.support.picture_files import (
    EXIF_FORMS,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    app1,
    chunk,
    coloured,
    exif,
    jpeg,
    mpo,
    png,
    quantised,
    smooth,
    with_alpha,
    without_segment,
    ycck,
)


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global decoding, tf
    import tensorflow as tf

    from model_code.imaging import decoding


SIZE = 32
LUMA = np.asarray([0.299, 0.587, 0.114])


def shown(encoded: bytes) -> np.ndarray:
    """Pixels of a file, (SIZE, SIZE), on which both decoders must agree."""
    ours = engine_decoding.pixels_from_bytes(encoded, SIZE)[..., 0].astype(int)
    theirs = decoding.decoding_graph(SIZE)(encoded).numpy()[..., 0].astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - theirs).mean() < 0.02
    return theirs


def refused(encoded: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decoding_graph(SIZE)(encoded)
    with pytest.raises(engine_decoding.ImageError):
        engine_decoding.pixels_from_bytes(encoded, SIZE)


def expected(levels: np.ndarray) -> np.ndarray:
    """Grey levels resized by TensorFlow's own operation."""
    return tf.image.resize(levels[..., np.newaxis], (SIZE, SIZE), antialias=True).numpy()[..., 0]


def holds(encoded: bytes, levels: np.ndarray, within: float = 1.5) -> None:
    assert np.abs(shown(encoded) - expected(levels)).max() <= within


def gamma(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


COLOUR_CHUNKS = {
    "none": b"",
    "gAMA of a screen": gamma(45455),
    "gAMA of linear light": gamma(100000),
    "sRGB": chunk(b"sRGB", b"\0") + gamma(45455),
    "cHRM": gamma(45455) + chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    "a checksum that is wrong": gamma(45455)[:-1] + b"x",
    "one that nobody knows": chunk(b"abCd", b"xyz"),
    "an animation": chunk(b"acTL", struct.pack(">II", 1, 0)),
}


@pytest.mark.parametrize("colour_chunks", COLOUR_CHUNKS)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", [GREY, GREY_ALPHA, RGB, RGBA])
def test_samples_are_shown_as_they_are_stored(colour: int, depth: int, interlaced: bool, colour_chunks: str) -> None:
    """Whatever a gamma or profile says, and however transparent they are."""
    values = quantised(depth)
    samples = values if colour in (GREY, GREY_ALPHA) else coloured(values)
    levels = (samples if colour in (GREY, GREY_ALPHA) else samples @ LUMA) * 255 / (2**depth - 1)
    if colour in (GREY_ALPHA, RGBA):
        samples = with_alpha(samples, 2 ** (depth - 1))
    holds(png(samples, depth, colour, interlaced=interlaced, before=COLOUR_CHUNKS[colour_chunks]), levels)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_reach_from_black_to_white(depth: int, interlaced: bool) -> None:
    values = quantised(depth)
    holds(png(values, depth, GREY, interlaced=interlaced), values * 255 / (2**depth - 1))
    transparent = png(values, depth, GREY, interlaced=interlaced, before=chunk(b"tRNS", b"\0\1"))
    holds(transparent, values * 255 / (2**depth - 1))


@pytest.mark.parametrize("transparent", [b"", chunk(b"tRNS", b"\0\x80")])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_s_colours_become_luma(depth: int, transparent: bytes) -> None:
    palette = np.random.default_rng(depth).integers(0, 256, (2**depth, 3))
    values = quantised(depth)
    before = gamma(45455) + chunk(b"PLTE", palette.astype("u1").tobytes()) + transparent
    holds(png(values, depth, PALETTE, before=before), palette[values] @ LUMA)


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("colour", [GREY, GREY_ALPHA, RGB, RGBA])
@pytest.mark.parametrize("interlaced", [False, True])
def test_sixteen_bits_are_stretched_to_those_that_are_used(bits: int, colour: int, interlaced: bool) -> None:
    """keras#13023: of values of 12 bits in 16 nothing was left but black."""
    values = quantised(bits)
    samples = values if colour in (GREY, GREY_ALPHA) else coloured(values)
    levels = (samples if colour in (GREY, GREY_ALPHA) else samples @ LUMA) * 255 / (2**bits - 1)
    if colour in (GREY_ALPHA, RGBA):
        samples = with_alpha(samples, 65535)
    holds(png(samples, 16, colour, interlaced=interlaced), levels)


@pytest.mark.parametrize(
    ("largest", "noted", "white"),
    [
        (3000, None, 4095),  # needs 12 bits
        (3000, 14, 16383),  # has 14, as it says
        (3000, 12, 4095),
        (3000, 16, 4095),  # says nothing that helps
        (3000, 0, 4095),
        (3000, 77, 4095),
        (40000, 12, 65535),  # scaled, as the specification asks
        (20000, 10, 65535),
        (100, None, 255),  # as dark as of eight bits
        (65535, None, 65535),
    ],
)
def test_white_is_what_sbit_says_or_what_the_largest_value_needs(largest: int, noted: int | None, white: int) -> None:
    values = np.rint(smooth() * largest).astype(int)
    before = b"" if noted is None else chunk(b"sBIT", bytes([noted]))
    holds(png(values, 16, GREY, before=before), values * 255 / white)


def test_one_radiograph_is_the_same_at_every_depth() -> None:
    levels = np.rint(40 + 180 * smooth()).astype(int)
    plain = shown(png(levels, 8, GREY))
    for bits in range(9, 17):
        assert np.abs(shown(png(levels << (bits - 8), 16, GREY)) - plain).max() <= 1


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("held", range(1, 10))
def test_a_png_is_turned_as_its_exif_data_says(held: int, byte_order: str) -> None:
    values = quantised(8)
    encoded = png(values, 8, GREY, before=chunk(b"tEXt", b"a\0b") + chunk(b"eXIf", exif(held, byte_order)))
    # What a viewer shows; nothing is turned by a number that is none.
    turns = {
        1: lambda grid: grid,
        2: np.fliplr,
        3: lambda grid: grid[::-1, ::-1],
        4: np.flipud,
        5: np.transpose,
        6: lambda grid: np.rot90(grid, -1),
        7: lambda grid: np.rot90(grid, 2).T,
        8: np.rot90,
    }
    upright = np.ascontiguousarray(turns.get(held, turns[1])(values))
    assert np.abs(shown(encoded) - shown(png(upright, 8, GREY))).max() <= 1


@pytest.mark.parametrize("block", [b"", b"II", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_exif_data_of_a_png_that_is_damaged_says_nothing(block: bytes) -> None:
    values = quantised(8)
    plain = shown(png(values, 8, GREY))
    # The first block counts, whatever it says.
    for others in (b"", chunk(b"eXIf", exif(6))):
        assert (shown(png(values, 8, GREY, before=chunk(b"eXIf", block) + others)) == plain).all()
    # And behind the pixels it is not looked for.
    assert (shown(png(values, 8, GREY, after=chunk(b"eXIf", exif(6)))) == plain).all()


@pytest.mark.parametrize("form", EXIF_FORMS)
def test_an_orientation_counts_in_the_form_in_which_browsers_read_it(form: str) -> None:
    """Four bytes turned the model's picture where they were little endian, and none that a person saw beside it."""
    (block, held), values = EXIF_FORMS[form], quantised(8)
    whole = jpeg(values)
    for turned, plain in (
        (png(values, 8, GREY, before=chunk(b"eXIf", block)), png(values, 8, GREY)),
        (whole[:2] + app1(b"Exif\0\0" + block) + whole[2:], whole),
        (whole[:2] + app1(b"Exif\0\xff" + block) + whole[2:], whole),
    ):
        assert images.orientation(turned) == held
        assert np.abs(shown(turned) - np.rot90(shown(plain), 0 if held == 1 else -1)).max() <= 1


@pytest.mark.parametrize("window", range(8, 16))
def test_pixels_that_look_back_further_than_their_window_are_refused(window: int) -> None:
    """By libpng, so that none was trained on: "invalid distance too far back"; the engine answered."""
    data = png(quantised(8, 256, 255), 8, GREY)
    at = data.index(b"IDAT")
    pixels = data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")]
    head = (window - 8) << 12 | 8 << 8
    named = (head + -head % 31).to_bytes(2, "big")  # RFC 1950, 2.2
    for behind in (b"", b"junk"):
        written = data[: at - 4] + chunk(b"IDAT", named + pixels[2:] + behind) + data[at + 8 + len(pixels) :]
        if window < 15:
            refused(written)
        else:
            assert (shown(written) == shown(data)).all()


@pytest.mark.parametrize("others", [0, 20, 62, 63, 64, 200])
def test_both_look_as_far_for_chunks(others: int) -> None:
    shown(png(quantised(8), 8, GREY, before=chunk(b"tEXt", b"a\0b") * others + chunk(b"eXIf", exif(6))))
    shown(png(quantised(12), 16, GREY, before=chunk(b"tEXt", b"a\0b") * others + chunk(b"sBIT", b"\x0e")))


def test_pixels_may_lie_in_many_chunks_and_more_behind_the_end() -> None:
    values = quantised(8)
    plain = shown(png(values, 8, GREY))
    for encoded in (png(values, 8, GREY, idat=50), png(values, 8, GREY, after=chunk(b"tEXt", b"a\0b")) + b"more"):
        assert (shown(encoded) == plain).all()


def short(pixels: bytes) -> bytes:
    """A file whose header says two rows more than its pixels have."""
    return pixels[:16] + chunk(b"IHDR", struct.pack(">IIBBBBB", 90, 72, 8, 0, 0, 0, 0))[8:] + pixels[33:]


@pytest.mark.parametrize("lost", [1, 4, 8, 12, 14, 20, 40, 400])
def test_a_png_that_ends_early_is_refused(lost: int) -> None:
    refused(png(quantised(8), 8, GREY)[:-lost])


def test_a_png_that_is_not_whole_inside_is_refused() -> None:
    whole = png(quantised(8), 8, GREY)
    pixels = whole.index(b"IDAT")
    refused(png(quantised(8), 8, GREY, end=False))
    refused(png(quantised(8), 8, GREY, before=chunk(b"ABCD", b"critical")))
    refused(whole[: pixels + 60] + bytes([whole[pixels + 60] ^ 255]) + whole[pixels + 61 :])
    refused(short(whole))


STRUCTURES = {
    "no IHDR first": lambda whole: SIGNATURE + TEXT + whole[8:],
    "IHDR twice": lambda whole: whole[:33] + whole[8:33] + whole[33:],
    "IHDR behind the pixels": lambda whole: whole[:-12] + whole[8:33] + whole[-12:],
    "a name of digits": lambda whole: whole[:33] + chunk(b"a1Bc") + whole[33:],
    "a palette twice": lambda whole: whole[:33] + ENTRIES + ENTRIES + whole[33:],
    "pixels interrupted": lambda whole: whole[:33] + _interrupted(whole[33:-12]) + whole[-12:],
    "another compression": lambda whole: whole[:8] + chunk(b"IHDR", whole[16:26] + b"\1" + whole[27:29]) + whole[33:],
}
TEXT, ENTRIES = chunk(b"tEXt", b"a\0b"), chunk(b"PLTE", bytes(range(48)))


def _interrupted(pixels: bytes) -> bytes:
    data = pixels[8:-4]
    return chunk(b"IDAT", data[:100]) + TEXT + chunk(b"IDAT", data[100:])


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("colour", [GREY, RGB])
def test_a_png_whose_chunks_are_out_of_order_is_refused(colour: int, structure: str) -> None:
    """As libpng does (PNG specification, 5.6); Pillow would show it."""
    values = quantised(8)
    refused(STRUCTURES[structure](png(values if colour == GREY else coloured(values), 8, colour)))


@pytest.mark.parametrize(
    ("palette", "taken"),
    [
        ((b"", b""), False),
        ((ENTRIES, b""), True),
        ((b"", ENTRIES), False),
        ((ENTRIES, ENTRIES), False),
        ((chunk(b"PLTE", bytes(47)), b""), False),
        ((chunk(b"PLTE"), b""), False),
        ((chunk(b"PLTE", bytes(900)), b""), False),
        ((b"", ENTRIES + ENTRIES), False),
    ],
)
def test_a_palette_comes_once_and_before_the_pixels(palette: tuple[bytes, bytes], taken: bool) -> None:
    encoded = png(quantised(4), 8, PALETTE, before=palette[0], after=palette[1])
    if taken:
        shown(encoded)
    else:
        refused(encoded)
    # Of colours and grey it is a suggestion, or nothing at all.
    colours = png(coloured(quantised(8)), 8, RGB, after=ENTRIES)
    assert (shown(colours) == shown(png(coloured(quantised(8)), 8, RGB, before=ENTRIES))).all()


COLOURS = Image.fromarray(coloured(quantised(8)).astype(np.uint8))


@functools.cache
def inks() -> Image.Image:
    ink = with_alpha(coloured(quantised(8)), 0)
    ink[..., 3] = quantised(8) // 3
    planes = [Image.fromarray(np.ascontiguousarray(one)) for one in np.moveaxis(ink.astype(np.uint8), -1, 0)]
    return Image.merge("CMYK", planes)


def light_of(ink: Image.Image) -> np.ndarray:
    light = 255 - np.asarray(ink).astype(float)
    return (light[..., :3] * light[..., 3:] / 255) @ LUMA


def test_ink_with_adobe_s_marker_is_stored_as_light_and_without_it_as_ink() -> None:
    adobe = jpeg(inks(), quality=98)
    assert b"Adobe" in adobe
    holds(adobe, light_of(inks()), within=4)
    # Without the marker the same numbers are those of ink.
    negative = Image.merge("CMYK", [plane.point(lambda value: 255 - value) for plane in inks().split()])
    holds(without_segment(jpeg(negative, quality=98), 0xEE), light_of(inks()), within=4)


def test_ycck_is_decoded_alike() -> None:
    shown(ycck(np.asarray(inks())))


def test_of_several_pictures_in_a_file_the_first_is_meant() -> None:
    first, second = COLOURS.resize((900, 700)), COLOURS.resize((900, 700)).rotate(180)
    encoded = mpo(first, second)
    assert b"MPF\0" in encoded
    alone = shown(jpeg(first, quality=92))
    assert np.abs(shown(encoded) - alone).max() <= 1
    assert np.abs(shown(jpeg(first) + jpeg(second)) - alone).max() <= 1


def test_several_pictures_in_a_file_are_decoded_at_a_part_of_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """An MPO took twelve times as long as a JPEG, because it was decoded in full."""
    asked = []
    original = engine_decoding.JpegImagePlugin.JpegImageFile.draft

    def noted(self: Any, mode: str, size: tuple[int, int]) -> Any:
        asked.append((self.size, size))
        return original(self, mode, size)

    monkeypatch.setattr(engine_decoding.JpegImagePlugin.JpegImageFile, "draft", noted)
    engine_decoding.pixels_from_bytes(mpo(COLOURS.resize((900, 700)), COLOURS), SIZE)
    assert asked == [((900, 700), (112, 87))]


@pytest.mark.parametrize("held", [None, 6])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}, {"keep_rgb": True}, {"restart_marker_blocks": 3}]
)
def test_jpegs_of_every_kind_are_decoded_alike(options: dict[str, Any], held: int | None) -> None:
    extra = {} if held is None else {"exif": b"Exif\0\0" + exif(held)}
    whole = jpeg(COLOURS, **options, **extra)
    shown(whole)
    for marker in (0xE0, 0xEE):
        shown(without_segment(whole, marker))
    for lost in (40, 2):
        refused(whole[:-lost])
        refused(whole[:-lost] + bytes(64))  # as some file systems pad


def test_a_jpeg_of_another_process_is_refused() -> None:
    """Lossless ones, of twelve bits, and JPEG-LS: files out of DICOM, which are no JPEG that a browser shows."""
    grey = quantised(8).astype(np.uint8)
    refused(bytes(imagecodecs.jpeg8_encode(grey, lossless=True)))
    refused(bytes(imagecodecs.jpeg8_encode(quantised(12).astype(np.uint16), level=95, bitspersample=12)))
    refused(bytes(imagecodecs.jpegls_encode(grey)))


def test_whatever_is_changed_in_a_png_both_take_it_or_neither() -> None:
    rng = np.random.default_rng(5)
    original = png(quantised(12), 16, GREY, before=chunk(b"sBIT", b"\x0c") + chunk(b"eXIf", exif(6)), idat=800)
    buffer = io.BytesIO()
    COLOURS.save(buffer, "PNG")
    for whole in (original, buffer.getvalue()):
        for _ in range(60):
            data = np.frombuffer(whole, np.uint8).copy()
            places = rng.integers(26, len(data), rng.integers(1, 4))
            data[places] = rng.integers(0, 256, len(places))
            try:
                decoding.decoding_graph(SIZE)(data.tobytes())
            except tf.errors.InvalidArgumentError:
                refused(data.tobytes())
            else:
                shown(data.tobytes())
