"""Pixels whose sign, padding or packing is another than the header says, as programs write them (ADR 69)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from model_code.dicom import radiograph
from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import (
    BASELINE,
    BIG,
    ENCAPSULATED,
    EXPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    LOSSLESS_SV1,
    RLE,
    dicom_file,
    encode,
    full_range,
    phantom,
)
from tests.model_code.support.dicom_tables import window

VALUES = phantom()
ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def drawn(data: bytes) -> NDArray[np.uint8]:
    return radiograph.draw(read(data)).levels


# ITK wrote unsigned values under a sign (https://discourse.itk.org/t/pixel-representation/6129); converters leave the
# sign of the codestream or of the header behind (https://github.com/pydicom/pydicom/issues/1149).
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG, RLE, JPEG_LS, LOSSLESS_SV1])
def test_a_sign_that_tears_the_image_apart_is_none(syntax: str, bits: int) -> None:
    """The brighter half was shown black."""
    values = phantom(bits=bits)
    lying = values.astype("u1" if bits == 8 else "u2").view("i1" if bits == 8 else "i2")
    data = dicom_file(lying, transfer_syntax=syntax, bits=bits, signed=True)
    assert (stored_values(read(data)) == values).all()
    assert (drawn(data) == full_range(values)).all()


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_sign_that_is_not_stated_is_one(bits: int, extended: bool) -> None:
    values = phantom(bits=bits) - 2 ** (bits - 1)
    lying = values % (2 ** (8 if bits == 8 else 16) if extended else 2**bits)
    stated = {"WindowCenter": -100 if bits > 8 else -10, "WindowWidth": 2 ** (bits - 1), "RescaleSlope": 1}
    data = dicom_file(lying, bits=bits, **stated)
    assert (stored_values(read(data)) == values).all()
    assert (drawn(data) == window(values, stated["WindowCenter"], stated["WindowWidth"])).all()


@pytest.mark.parametrize("white", [0, 4095])
def test_borders_and_padding_do_not_hide_a_sign_that_is_none(white: int) -> None:
    values = np.where(np.add.outer(np.arange(80) < 9, np.arange(96) < 12), white, VALUES.clip(3, 4092))
    data = dicom_file(values, signed=True, PixelPaddingValue=white)
    assert (stored_values(read(data)) == values).all()
    assert not drawn(data)[:9].any()


def test_large_images_cross_the_sign_by_single_steps() -> None:
    values = np.rint(2048 + 2040 * np.sin(np.add.outer(np.arange(40) / 90, np.arange(9000) / 300))).astype(int)
    assert (stored_values(read(dicom_file(values, signed=True))) == values).all()


def test_a_codestream_with_a_sign_that_the_header_does_not_have_keeps_it() -> None:
    values = VALUES - 2048
    frame = encode(values.astype("i2"), J2K_LOSSLESS, 12)
    assert (stored_values(read(dicom_file(VALUES, transfer_syntax=J2K_LOSSLESS, frame=frame))) == values).all()


def test_a_lossy_codec_knows_no_sign() -> None:
    values = phantom(bits=8)
    frame = encode(values.astype("u1"), BASELINE, 8)
    data = dicom_file(values - 128, transfer_syntax=BASELINE, bits=8, signed=True, frame=frame)
    assert np.abs(drawn(data).astype(int) - full_range(values)).max() <= 6


def _bordered() -> NDArray[np.int64]:
    values = VALUES.copy()
    values[:9], values[9:15], values[:, -8:] = 0, 4095, 0
    return values


def _between(ends: NDArray[Any], noise: float) -> NDArray[np.int64]:
    """Of 12 bits, where noise cannot leave the range."""
    noisy = np.abs(np.random.default_rng(5).normal(0, noise, VALUES.shape)).clip(0, 2047).astype(np.int64)
    return np.where(ends, 4095 - noisy, noisy)


def _overshot(softness: float) -> NDArray[np.int64]:
    """Black and white whose edges an enhancement has sent beyond the range, which saturates there."""
    ends = np.where(_LINES, 0.95, 0.05)
    blurred = scipy.ndimage.gaussian_filter(ends, softness)
    return np.rint(4095 * (ends + 2 * (ends - blurred)).clip(0, 1)).astype(np.int64)


def _wedge() -> NDArray[np.int64]:
    """Steps up and down, in a frame."""
    steps = np.arange(96) * 27 // 96 * 157
    values = np.broadcast_to(np.concatenate([steps[::2], steps[::-2]]), VALUES.shape).copy()
    values[:, 47:49], values[:, :3], values[:, -3:] = 4095, 4095, 4095
    return values


def _marked() -> NDArray[np.int64]:
    values = VALUES // 2
    values[20:60, 30:70] = 4095
    return values


_LINES = np.broadcast_to(np.arange(96) % 12 < 6, VALUES.shape)
STATED = {
    "lines with noise": _between(_LINES, 40),
    "a halftone with noise": _between(np.random.default_rng(6).random(VALUES.shape) < VALUES / 4096, 40),
    "enhanced lines": _overshot(3),
    "hot pixels in a dark image": np.where(
        np.random.default_rng(8).random(VALUES.shape) < 0.03, 4095 - VALUES // 40, VALUES // 20
    ),
    "a wedge of steps": _wedge(),
    "saturated at both ends": ((VALUES - 1500) * 40).clip(0, 4095),
    "a black border beside white": _bordered(),
    "a white marker in a dark image": _marked(),
    "black and white": np.where(VALUES > 2048, 4095, 0),
    "a dark image, black beside white": np.where(
        np.add.outer(np.arange(80), np.arange(96)) % 9 < 3, 4095, VALUES // 64
    ),
    "noise": np.random.default_rng(3).integers(0, 4096, VALUES.shape),
    "few pixels at both ends": np.where(np.arange(96) < 95, 20 + VALUES // 64, 4095 - VALUES // 64),
}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", STATED)
def test_where_the_pixels_do_not_tell_the_stated_sign_counts(kind: str, signed: bool) -> None:
    """Of 700 radiographs (Kermany), framed, marked and darkened too, none was read by the other one."""
    values = STATED[kind] - (2048 if signed else 0)
    assert (stored_values(read(dicom_file(values, signed=signed))) == values).all()


def test_values_a_little_beyond_the_stored_bits_keep_their_sign() -> None:
    """A lossy codec overshot by them, before somebody decompressed the file: white was shown black
    (https://github.com/dcm4che/dcm4che/issues/504)."""
    noise = np.random.default_rng(1).normal(0, 9, VALUES.shape)
    for sign in (0, 512):
        values = np.rint(VALUES / 4 + noise).clip(0).astype(int) - sign
        assert values.max() > 1023 - sign
        assert (stored_values(read(dicom_file(values, bits=10, signed=bool(sign)))) == values).all()


# The standard demands padding within the stored bits (PS3.3, C.7.5.1.1.2); what is 65,535 or -32,768 in its own element
# is that in the pixels too, where nothing masks it.
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG, RLE])
@pytest.mark.parametrize(
    ("padding", "signed"), [(65535, False), (32768, False), (4096, False), (-2049, True), (-32768, True), (4095, True)]
)
def test_padding_beyond_the_stored_bits_is_no_part_of_the_image(
    padding: int, signed: bool, syntax: str, photometric: str
) -> None:
    """It was masked to a value of the image, and shown white."""
    image = VALUES - (2048 if signed else 0)
    values = np.where(np.arange(96) < 12, padding, image)
    data = dicom_file(
        values,
        transfer_syntax=syntax,
        signed=signed,
        PixelPaddingValue=padding,
        PhotometricInterpretation=photometric,
    )
    seen = full_range(image[:, 12:])
    levels = drawn(data)
    assert not levels[:, :12].any()
    assert (levels[:, 12:] == (255 - seen if photometric == "MONOCHROME1" else seen)).all()


def test_a_range_of_padding_may_begin_beyond_them() -> None:
    values = np.where(np.arange(96) < 12, -3000, np.maximum(VALUES - 2048, -2000))
    values[:, 12:15] = -2040
    levels = drawn(dicom_file(values, signed=True, PixelPaddingValue=-32768, PixelPaddingRangeLimit=-2030))
    assert not levels[:, :15].any()
    assert (levels[:, 15:] == full_range(values[:, 15:])).all()


def test_padding_of_no_pixel_and_overlays_stay_what_they_were() -> None:
    overlay = np.where(np.arange(96) % 7 == 0, 4096, 0)
    assert (stored_values(read(dicom_file(VALUES | overlay, PixelPaddingValue=65535))) == VALUES).all()
    assert (stored_values(read(dicom_file(VALUES, PixelPaddingValue=4095))) == VALUES).all()


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_words_whose_bytes_are_swapped_are_read(syntax: str, signed: bool, bits: int) -> None:
    """They were shown as noise (https://github.com/dcm4che/dcm4che/issues/919)."""
    # Where 16 bits are stored nothing else tells; most have values of fewer.
    made = min(bits, 12)
    drawn_values = phantom(480, 400, bits=made)
    noise = np.random.default_rng(1).normal(0, 2**made / 400, drawn_values.shape)
    values = (drawn_values + noise).clip(0, 2**made - 1).astype(int) - (2 ** (made - 1) if signed else 0)
    data = dicom_file(values, transfer_syntax=syntax, bits=bits, signed=signed)
    pixels = np.frombuffer(data[-2 * values.size :], "u2").byteswap().tobytes()
    assert (stored_values(read(data[: -2 * values.size] + pixels)) == values).all()


def _dithered(steps: int) -> NDArray[Any]:
    """From 0 to 1 by so many steps."""
    return np.floor(VALUES / 4096 * steps + np.random.default_rng(2).random(VALUES.shape)) / steps


def _noisy(noise: float) -> NDArray[np.int64]:
    return (phantom(bits=8) + np.random.default_rng(3).normal(0, noise, VALUES.shape)).clip(0, 255).astype(np.int64)


NEVER_SWAPPED = {
    "eight bits at the top": phantom(bits=8) << 8,
    "eight bits at the top, an overlay below": (phantom(bits=8) << 8) | (np.arange(96) % 3 == 0),
    "eight bits twice": phantom(bits=8) * 257,
    "eight bits made twelve, at the top": (VALUES << 4) | 15,
    "few values": np.where(VALUES > 2000, 0x0102, 0x0201),
    "seven even values, dithered": np.rint(_dithered(6) * 65535).astype(int),
    "eight noisy bits at the top, a few below": (_noisy(40) << 8)
    | np.random.default_rng(4).integers(0, 9, VALUES.shape),
    "eight noisy bits at the top, a ramp below": (_noisy(20) << 8) | (np.arange(96) // 12),
    "noise": np.random.default_rng(3).integers(0, 2**16, VALUES.shape),
    "one value": np.full(VALUES.shape, 0x0102),
}


def test_eight_stored_bits_at_the_top_stay_there() -> None:
    values = phantom(bits=8)
    assert (stored_values(read(dicom_file(values << 8, bits=8, allocated=16, HighBit=15))) == values).all()


@pytest.mark.parametrize("kind", NEVER_SWAPPED)
def test_other_words_stay_in_the_order_of_the_file(kind: str) -> None:
    values = NEVER_SWAPPED[kind]
    assert (stored_values(read(dicom_file(values, bits=16))) == values).all()


def packed(data: bytes, items: list[bytes], *, stated: bool = False, letters: bytes = b"OB") -> bytes:
    """A file with other items in its pixel data, of a length that is stated or not."""
    value = b"".join(ITEM + len(item).to_bytes(4, "little") + item for item in items) + END
    length = len(value).to_bytes(4, "little") if stated else b"\xff" * 4
    return data[: data.rindex(b"\xe0\x7f\x10\0")] + b"\xe0\x7f\x10\0" + letters + b"\0\0" + length + value


CODECS = (RLE, LOSSLESS_SV1, JPEG_LS, J2K_LOSSLESS, JPEG_XL_LOSSLESS)
FRAMES = {syntax: encode(VALUES.astype("u2"), syntax, 12) for syntax in CODECS}
FRAMES = {syntax: frame + b"\0" * (len(frame) % 2) for syntax, frame in FRAMES.items()}


def holds(data: bytes, values: NDArray[Any] = VALUES) -> bool:
    return bool((stored_values(read(data)) == values).all())


@pytest.mark.parametrize("syntax", CODECS)
def test_a_frame_may_lack_the_table_of_offsets_before_it(syntax: str) -> None:
    """https://github.com/cornerstonejs/dicomParser/pull/269"""
    frame, data = FRAMES[syntax], dicom_file(VALUES, transfer_syntax=syntax)
    assert holds(packed(data, [frame]))
    assert holds(packed(data, [frame[:100], frame[100:]]))


@pytest.mark.parametrize("syntax", CODECS)
def test_fragments_may_have_a_length_that_is_stated(syntax: str) -> None:
    """https://github.com/cornerstonejs/dicomParser/issues/59"""
    assert holds(packed(dicom_file(VALUES, transfer_syntax=syntax), [b"", FRAMES[syntax]], stated=True))


@pytest.mark.parametrize("letters", [b"OW", b"UN", b"ox", b"OX"])
def test_fragments_may_have_letters_of_another_representation(letters: bytes) -> None:
    """UN of no defined length is a sequence (PS3.5, 6.2.2), but for pixels."""
    data = dicom_file(VALUES, transfer_syntax=JPEG_LS)
    assert holds(packed(data, [b"", FRAMES[JPEG_LS]], letters=letters))


@pytest.mark.parametrize("letters", [b"ox", b"OX", b"??"])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_pixels_of_letters_that_are_no_representation_are_not_moved(syntax: str, letters: bytes) -> None:
    """Taken for the length they moved the picture by two pixels (findings/pydicom_unknown_representation.sh)."""
    data = dicom_file(VALUES, transfer_syntax=syntax)
    tag = b"\x7f\xe0\0\x10" if syntax == BIG else b"\xe0\x7f\x10\0"
    at = data.rindex(tag) + 4
    assert holds(data[:at] + letters + data[at + 2 :])


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("named", [ENCAPSULATED, EXPLICIT])
def test_fragments_may_hold_pixels_without_compression(named: str, bits: int) -> None:
    """PS3.5, A.4.11, and by a program that leaves the old name behind (https://github.com/Enet4/dicom-rs/issues/285)."""
    values = phantom(bits=bits)
    raw = values.astype("u1" if bits == 8 else "<u2").tobytes()
    data = dicom_file(values, transfer_syntax=named, bits=bits, **({"frame": raw} if named == ENCAPSULATED else {}))
    assert holds(packed(data, [b"", raw]), values)
    assert holds(packed(data, [b"", raw[:1000], raw[1000:]]), values)


REFUSED = {
    "a table of offsets alone": [bytes(4)],
    "nothing": [],
    "too few bytes": [b"", VALUES.astype("<u2").tobytes()[:-2]],
    "too many": [b"", VALUES.astype("<u2").tobytes() + bytes(8)],
    "half of a codestream": [FRAMES[J2K_LOSSLESS][: len(FRAMES[J2K_LOSSLESS]) // 2]],
}


@pytest.mark.parametrize("named", [EXPLICIT, J2K_LOSSLESS])
@pytest.mark.parametrize("kind", REFUSED)
def test_other_items_are_no_image(kind: str, named: str) -> None:
    data = dicom_file(VALUES, transfer_syntax=named)
    for stated in (False, True):
        with pytest.raises(Refusal):
            stored_values(read(packed(data, REFUSED[kind], stated=stated)))
