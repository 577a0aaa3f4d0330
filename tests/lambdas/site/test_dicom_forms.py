"""DICOM files as the page's own viewer draws them, held against the picture that the model is shown."""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from model_code.dicom import radiograph
from model_code.dicom.file_format import end_of_meta
from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import (
    BASELINE,
    BIG,
    DEFLATED,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    LOSSLESS,
    LOSSLESS_SV1,
    RLE,
    dicom_file,
    encode,
    implicit_meta,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

VALUES = np.add.outer(np.arange(40) * 45, np.arange(60) * 35) % 4096
"""12 bits that rise to the right and downwards: turned, mirrored or inverted they are another picture."""
EIGHT = VALUES // 16
SIGNED = VALUES - 2048
WAVES = np.rint(2048 + 2000 * np.sin(np.add.outer(np.arange(40) / 9, np.arange(60) / 4))).astype(int)
"""12 bits that cross the middle several times in a row."""
WINDOW = {"WindowCenter": 1800, "WindowWidth": 3000}
DRAWN = """async (files) => {
    const { read } = await import("./dicom.js");
    const { NotShown, shade } = await import("./pixels.js");
    const found = {};
    for (const [name, data] of Object.entries(files)) {
        try {
            const pixels = await read(Uint8Array.from(atob(data), (one) => one.charCodeAt(0)));
            const image = new ImageData(pixels.width, pixels.height);
            shade(pixels, pixels, image);
            const greys = Uint8Array.from({ length: pixels.width * pixels.height }, (_, at) => image.data[4 * at]);
            found[name] = { shape: [pixels.height, pixels.width], greys: [...greys] };
        } catch (error) {
            found[name] = { said: error.message, expected: error instanceof NotShown };
        }
    }
    return found;
}"""

make = functools.partial(dicom_file, VALUES)
TOWARDS = (
    *("L\\F", "R\\F", "L\\H", "R\\H", "F\\L", "F\\R", "H\\L", "H\\R", "r\\h", " R \\ H ", "RH\\FP", "L\\R", "F\\H"),
    *("L", "\\F", "X\\Y", "", "R\\F\\L"),
)
"""Values of Patient Orientation."""


def with_element(data: bytes, tag: int, representation: bytes, value: bytes) -> bytes:
    """A file in Explicit VR Little Endian with an element of a short representation, in place of the one there."""
    name = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    at = end_of_meta(data, 132)
    while order(data[at : at + 4]) < order(name):
        long = data[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        size = int.from_bytes(data[at + 8 : at + 12] if long else data[at + 6 : at + 8], "little")
        at += (12 if long else 8) + size
    end = at + 8 + int.from_bytes(data[at + 6 : at + 8], "little") if data[at : at + 4] == name else at
    value += b" " * (len(value) % 2)
    return data[:at] + name + representation + len(value).to_bytes(2, "little") + value + data[end:]


def order(tag: bytes) -> tuple[int, int]:
    """Group and number of an element, by which they are sorted."""
    return int.from_bytes(tag[:2], "little"), int.from_bytes(tag[2:], "little")


def overlay(data: bytes, position: int, allocated: int = 16) -> bytes:
    """The file with an overlay that lies in its pixels, at this bit (PS3.5, 8.1.2, until 2004)."""
    for tag, number in ((0x60000100, allocated), (0x60000102, position)):
        data = with_element(data, tag, b"US", number.to_bytes(2, "little"))
    return data


def small_field() -> Any:
    """Values of 3 % of an image, and 0 around them."""
    values = np.zeros((96, 96), np.int64)
    values[40:57, 40:57] = 1000 + VALUES[:17, :17] % 1024
    return values


def windowed(centre: bytes, width: bytes, representation: bytes = b"DS", **attributes: Any) -> bytes:
    data = with_element(make(**attributes), 0x00281050, representation, centre)
    return with_element(data, 0x00281051, representation, width)


def plain_forms() -> dict[str, bytes]:
    """Files that the page shows by itself."""
    lossless = encode(VALUES.astype(np.uint16), LOSSLESS_SV1, 12)
    return {
        "explicit": make(**WINDOW),
        "implicit": make(transfer_syntax=IMPLICIT, **WINDOW),
        "big endian": make(transfer_syntax=BIG, **WINDOW),
        "no window": make(),
        "white is low": make(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE", **WINDOW),
        "white is low, in small letters": with_element(make(**WINDOW), 0x00280004, b"CS", b"monochrome1"),
        "white is low, behind a space": with_element(make(**WINDOW), 0x00280004, b"CS", b" MONOCHROME1"),
        "signed": dicom_file(SIGNED, signed=True, WindowCenter=-200, WindowWidth=3000),
        "signed without a window": dicom_file(SIGNED, signed=True),
        "eight bits": dicom_file(EIGHT, bits=8),
        "eight bits in big endian words": dicom_file(EIGHT, bits=8, transfer_syntax=BIG),
        "eight bits in big endian bytes": in_bytes(dicom_file(EIGHT, bits=8, transfer_syntax=BIG)),
        "signed without a sign's bits above": dicom_file(SIGNED % 4096, signed=True),
        "an overlay that is stated": overlay(dicom_file(VALUES | (np.arange(60) % 2 << 15), **WINDOW), 15),
        "an overlay that is stated, over black": overlay(
            dicom_file(np.where(VALUES < 500, 4096, VALUES), **WINDOW), 12
        ),
        "an overlay below": overlay(dicom_file((VALUES << 4) | (np.arange(60) % 2), HighBit=15, **WINDOW), 0),
        "an overlay of its own": overlay(make(**WINDOW), 0, allocated=1),
        "a small field": dicom_file(small_field(), WindowCenter=1512, WindowWidth=1024),
        "shifted": dicom_file(VALUES << 4, bits=12, HighBit=15, allocated=16),
        "without a high bit": make(without=("HighBit",), **WINDOW),
        "lossless": make(transfer_syntax=LOSSLESS_SV1, **WINDOW),
        "lossless by another predictor": make(transfer_syntax=LOSSLESS, **WINDOW),
        "lossless that is called baseline": make(transfer_syntax=BASELINE, frame=lossless, **WINDOW),
        "lossless with a high bit of others": make(transfer_syntax=LOSSLESS_SV1, HighBit=15, frame=lossless),
        "lossless up to the high bit": make(
            transfer_syntax=LOSSLESS_SV1, HighBit=15, frame=encode((VALUES << 4).astype(np.uint16), LOSSLESS_SV1, 16)
        ),
        "lossless and signed": dicom_file(SIGNED, signed=True, transfer_syntax=LOSSLESS_SV1),
        "lossless with something behind": make(transfer_syntax=LOSSLESS_SV1, frame=lossless + b"left"),
        "baseline": dicom_file(EIGHT, bits=8, transfer_syntax=BASELINE),
        "baseline that is called lossless": dicom_file(
            EIGHT, bits=8, transfer_syntax=LOSSLESS_SV1, frame=encode(EIGHT.astype(np.uint8), BASELINE, 8)
        ),
        "without samples": make(without=("SamplesPerPixel",), **WINDOW),
        "one frame": make(NumberOfFrames="1", **WINDOW),
        "no frames": make(NumberOfFrames="0", **WINDOW),
        "something behind": make(**WINDOW) + bytes(500),
        "another file behind": make(**WINDOW) + make(PhotometricInterpretation="MONOCHROME1"),
        "rescaled": make(RescaleSlope=2, RescaleIntercept=-100, WindowCenter=3500, WindowWidth=6000),
        "rescaled downwards": make(RescaleSlope=-1, RescaleIntercept=4095, **WINDOW),
        "rescaled to less than one": make(RescaleSlope="0.0001", RescaleIntercept="0"),
        "rescaled to nothing": make(RescaleSlope=0, RescaleIntercept=0, **WINDOW),
        "rescaled to one number": make(RescaleSlope=1, RescaleIntercept="1e30"),
        "rescaled by no number": with_element(make(**WINDOW), 0x00281053, b"DS", b"one"),
        "the second window": make(WindowCenter=[9000, 1800], WindowWidth=[100, 3000]),
        "a second window that is wider": make(WindowCenter=[1800, 2000], WindowWidth=[3000, 4096]),
        "a window of no width": make(WindowCenter=[1800, 1500], WindowWidth=[0, 2000]),
        "a window of one": make(WindowCenter=1800, WindowWidth=1),
        "a window of less than two": make(
            RescaleSlope="0.001", RescaleIntercept=0, WindowCenter="1.5", WindowWidth="1.5"
        ),
        "a window beside the values": make(WindowCenter=9000, WindowWidth=100),
        "a window too wide to see anything": make(WindowCenter=1800, WindowWidth=1_500_000),
        "a window of a decimal comma": windowed(b"1800,5", b"3000,25"),
        "a window of thousands": windowed(b"1,800", b"3,000"),
        "a window in words": windowed(b"12 bits", b"4095 grey"),
        "an empty window": windowed(b"", b""),
        "padding": make(PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1"),
        "padding above": make(PixelPaddingValue=int(VALUES.max())),
        "padding in between": make(PixelPaddingValue=int(VALUES[20, 30]), **WINDOW),
        "a range of padding": make(PixelPaddingValue=0, PixelPaddingRangeLimit=900),
        "a range of padding, white": make(
            PixelPaddingValue=0, PixelPaddingRangeLimit=900, PhotometricInterpretation="MONOCHROME1"
        ),
        "signed padding": dicom_file(SIGNED, signed=True, PixelPaddingValue=-2048, PixelPaddingRangeLimit=-1500),
        "a shutter of all of it": make(**shutter(1, 60, 1, 40), **WINDOW),
        "a shutter of all of it, from 0": make(**shutter(0, 59, 0, 39), **WINDOW),
        "a shutter around all of it": make(**shutter(0, 61, -1, 41), **WINDOW),
        "no shutter": make(ShutterShape="NONE", **WINDOW),
        "a function of no name": make(VOILUTFunction="LOGARITHMIC", **WINDOW),
        "nearly square": make(PixelSpacing=[0.143, 0.1430001], **WINDOW),
        "one spacing": with_element(make(**WINDOW), 0x00280030, b"DS", b"0.143"),
        "a spacing of nothing": make(PixelSpacing=[0, 0], **WINDOW),
        "square beside a detector that is not": make(PixelSpacing=[0.1, 0.1], ImagerPixelSpacing=[0.1, 0.2], **WINDOW),
        **{
            f"lying {towards!r}": with_element(make(**WINDOW), 0x00200020, b"CS", towards.encode())
            for towards in TOWARDS
        },
    }


def later_forms() -> dict[str, bytes]:
    """Files that the API takes, and that the page may leave to it: what it shows has to be the same."""
    whole = make(**WINDOW)
    start, end = 132, end_of_meta(whole, 132)
    named = whole.index(b"\x02\x00\x10\x00UI")
    level = {"PixelValueTransformationSequence": {"RescaleSlope": -1, "RescaleIntercept": 4095}}
    unknown = whole.index(b"\x28\x00\x02\x00US", 300)
    exif = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    baseline = encode(EIGHT.astype(np.uint8), BASELINE, 8)
    return {
        "an overlay in two words": with_element(
            dicom_file(VALUES * 4, **WINDOW), 0x60000102, b"UL", (12).to_bytes(4, "little")
        ),
        "an overlay of no bits": overlay(dicom_file(VALUES * 4, **WINDOW), 0, allocated=0),
        "14 bits that are called 12": dicom_file(VALUES * 4, **WINDOW),
        "14 bits that are called 12, signed": dicom_file(SIGNED * 4, signed=True, **WINDOW),
        "values below a high bit that is wrong": make(HighBit=15, **WINDOW),
        "a high bit below": make(HighBit=8, **WINDOW),
        "a sign that is none": dicom_file(WAVES, signed=True, **WINDOW),
        "a sign that is not stated": dicom_file((WAVES - 2048) % 2**16, WindowCenter=-200, WindowWidth=3000),
        "a lossless sign that is none": dicom_file(WAVES, signed=True, transfer_syntax=LOSSLESS_SV1, **WINDOW),
        "padding beyond the stored bits": dicom_file(np.where(WAVES < 900, 65535, WAVES), PixelPaddingValue=65535),
        "swapped words": swapped(dicom_file(WAVES, **WINDOW)),
        "swapped words of sixteen bits": swapped(dicom_file(WAVES * 16, bits=16)),
        "without the preamble's 128 bytes": whole[128:],
        "compressed, and not called so": make(transfer_syntax=LOSSLESS_SV1).replace(
            LOSSLESS_SV1.encode(), EXPLICIT.encode().ljust(len(LOSSLESS_SV1), b"\0")
        ),
        "called compressed": make(**WINDOW).replace(EXPLICIT.encode() + b"\0", b"1.2.840.10008.1.2.5\0"),
        "an overlay above": dicom_file((VALUES | (np.arange(60) % 2 << 15)).astype(np.int64), **WINDOW),
        "no preamble": whole[start:],
        "no meta information": whole[:start] + whole[end:],
        "a dataset alone": whole[end:],
        "no transfer syntax": whole[:named]
        + whole[named + 8 + int.from_bytes(whole[named + 6 : named + 8], "little") :],
        "implicit meta information": implicit_meta(whole),
        "implicit meta information of a lossless file": implicit_meta(make(transfer_syntax=LOSSLESS_SV1)),
        "an unknown representation": whole[:unknown] + b"\x27\x00\x10\x10??\x04\0ABCD" + whole[unknown:],
        "an unknown representation, long": whole[:unknown] + b"\x27\x00\x10\x10??\0\0\x04\0\0\0ABCD" + whole[unknown:],
        "64 bits": whole[:unknown] + b"\x27\x00\x10\x10UV\0\0\x08\0\0\0ABCDEFGH" + whole[unknown:],
        "deflated": make(transfer_syntax=DEFLATED, **WINDOW),
        "run lengths": make(transfer_syntax=RLE, **WINDOW),
        "JPEG-LS": make(transfer_syntax=JPEG_LS, **WINDOW),
        "JPEG 2000": make(transfer_syntax=J2K_LOSSLESS, **WINDOW),
        "JPEG of twelve bits": make(transfer_syntax=EXTENDED, **WINDOW),
        "baseline with EXIF": dicom_file(
            EIGHT, bits=8, transfer_syntax=BASELINE, frame=baseline[:2] + exif + baseline[2:]
        ),
        "pixels twice as high": make(PixelSpacing=[0.2, 0.1], **WINDOW),
        "pixels twice as high at the detector": make(ImagerPixelSpacing=[0.2, 0.1], **WINDOW),
        "an aspect ratio": make(PixelAspectRatio=[2, 1], **WINDOW),
        "scanned pixels twice as high": make(NominalScannedPixelSpacing=[0.2, 0.1], **WINDOW),
        "a shutter": make(
            ShutterShape="CIRCULAR", CenterOfCircularShutter=[20, 30], RadiusOfCircularShutter=18, **WINDOW
        ),
        "a shutter of nearly all": make(**shutter(1, 60, 2, 40), **WINDOW),
        "a shutter of nearly all, from 0": make(**shutter(0, 58, 1, 40), **WINDOW),
        "a window of binary numbers": with_element(
            with_element(make(), 0x00281050, b"US", (1800).to_bytes(2, "little")), 0x00281051, b"US", b"\xb8\x0b"
        ),
        "a window of floating point": windowed(np.float64(1800).tobytes(), np.float64(3000).tobytes(), b"FD"),
        "exactly linear": make(VOILUTFunction="LINEAR_EXACT", WindowCenter=1800, WindowWidth=40),
        "sigmoid": make(VOILUTFunction="SIGMOID", **WINDOW),
        "sigmoid in small letters": with_element(make(**WINDOW), 0x00281056, b"CS", b"sigmoid"),
        "levels of the frame": make(SharedFunctionalGroupsSequence=[groups(level)], **WINDOW),
        "white is low, behind the pixels": moved(make(PhotometricInterpretation="MONOCHROME1", **WINDOW), 0x00280004),
    }


def refused_forms() -> dict[str, bytes]:
    """Files of which nobody can say how they look: the API refuses them, and the page must not show any picture."""
    lossless = encode(VALUES.astype(np.uint16), LOSSLESS_SV1, 12)
    return {
        "no photometric interpretation": make(without=("PhotometricInterpretation",), **WINDOW),
        "a palette": make(PhotometricInterpretation="PALETTE COLOR", **WINDOW),
        "an unknown interpretation": make(PhotometricInterpretation="MONOCHROME", **WINDOW),
        "a contradiction": make(PresentationLUTShape="INVERSE", **WINDOW),
        "another contradiction": make(
            PresentationLUTShape="IDENTITY", PhotometricInterpretation="MONOCHROME1", **WINDOW
        ),
        "no stored bits": make(without=("BitsStored",), **WINDOW),
        "no sign": make(without=("PixelRepresentation",), **WINDOW),
        "more bits than there is room for": make(BitsStored=20, HighBit=19, **WINDOW),
        "two heights": with_element(make(**WINDOW), 0x00280010, b"US", b"\x28\0\x28\0"),
        "all padding": dicom_file(np.zeros((40, 60), np.int64), PixelPaddingValue=0),
        "pixels that end early": make(**WINDOW)[:-2000],
        "fewer rows than are named": make(Rows=41, **WINDOW),
        "a codestream of another shape": make(Rows=60, Columns=40, transfer_syntax=LOSSLESS_SV1, frame=lossless),
        "a codestream without an end": make(transfer_syntax=LOSSLESS_SV1, frame=lossless[: len(lossless) // 2]),
        "a baseline codestream of another shape": dicom_file(
            EIGHT,
            bits=8,
            Rows=60,
            Columns=40,
            transfer_syntax=BASELINE,
            frame=encode(EIGHT.astype(np.uint8), BASELINE, 8),
        ),
        "several frames": make(NumberOfFrames="2", **WINDOW),
        "nothing but a beginning": make(**WINDOW)[:600],
    }


def shutter(left: int, right: int, upper: int, lower: int) -> dict[str, Any]:
    """Attributes of a rectangle."""
    edges = {"LeftVertical": left, "RightVertical": right, "UpperHorizontal": upper, "LowerHorizontal": lower}
    return {"ShutterShape": "RECTANGULAR", **{f"Shutter{name}Edge": edge for name, edge in edges.items()}}


def in_bytes(data: bytes) -> bytes:
    """A big endian file of eight bits whose pixels are bytes, which are not swapped (PS3.5, 8.1.1)."""
    at = data.index(b"\x7f\xe0\x00\x10OW") + 4
    pixels = np.frombuffer(data[at + 8 :], "<u2").astype(">u2").tobytes()
    return data[:at] + b"OB" + data[at + 2 : at + 8] + pixels


def swapped(data: bytes) -> bytes:
    """A file whose words have their bytes in the other order."""
    at = len(data) - 2 * WAVES.size
    return data[:at] + np.frombuffer(data[at:], "u2").byteswap().tobytes()


def groups(said: dict[str, dict[str, Any]]) -> Dataset:
    """One item of functional groups."""
    group = Dataset()
    for name, attributes in said.items():
        item = Dataset()
        for attribute, value in attributes.items():
            setattr(item, attribute, value)
        setattr(group, name, [item])
    return group


def moved(data: bytes, tag: int) -> bytes:
    """The file with an element behind its pixels, against the order of tags."""
    name = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    at = data.index(name + b"CS", 300)
    end = at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    return data[:at] + data[end:] + data[at:end]


def picture(data: bytes) -> Any:
    """The picture that the model is shown, None where the file is refused."""
    try:
        return radiograph.draw(read(data)).levels
    except Refusal:
        return None


def test_what_the_page_shows_of_a_dicom_file_is_what_the_model_is_shown(page: Page) -> None:
    """A row of the worklist whose picture is a negative, or is windowed otherwise, misleads whoever reads it."""
    plain, later, refused = plain_forms(), later_forms(), refused_forms()
    files = {**plain, **later, **refused}
    found = page.evaluate(DRAWN, {name: base64.b64encode(data).decode() for name, data in files.items()})
    wrong = []
    for name, data in files.items():
        seen, expected = found[name], picture(data)
        if "said" in seen:
            if not seen["expected"]:
                wrong.append(f"{name}: {seen['said']}")
            elif name in plain:
                wrong.append(f"{name} is not shown: {seen['said']}")
            continue
        if expected is None:
            wrong.append(f"{name} is shown, and refused")
            continue
        shown = np.asarray(seen["greys"], np.int64).reshape(seen["shape"])
        if shown.shape != expected.shape:
            wrong.append(f"{name}: {shown.shape} in place of {expected.shape}")
        elif (off := np.abs(shown - expected).max()) > (3 if "baseline" in name else 1):
            wrong.append(f"{name}: {off} grey levels off")
    assert wrong == []
    assert {name for name, data in files.items() if picture(data) is None} == set(refused), "as the API has it"
