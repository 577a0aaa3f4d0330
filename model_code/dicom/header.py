"""The attributes that a conversion needs, read from the bytes of a DICOM file and checked before any pixel is decoded.

Elements outside NEEDED are skipped, so a patient's name is never in a dataset that something could print, and
descriptions are taken out of it once the view is known. What pydicom says about a file can quote its values: none of
its messages is repeated, warnings are off while it reads.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydicom.tag import Tag

from model_code.contract.population import MODALITIES, UNSTATED
from model_code.dicom import shutter
from model_code.dicom.attributes import finite, items, numbers, phrases, text
from model_code.dicom.codestream import syntax_of_pixels
from model_code.dicom.file_format import elements, legible
from model_code.dicom.refusal import Refusal, damaged, unsuitable
from model_code.dicom.syntaxes import JPEG, JPEG_2000, TRANSFER_SYNTAXES, unsupported
from model_code.dicom.view import DESCRIBING, OF_THE_SERIES, PROTOCOL, other_than_frontal
from model_code.dicom.words import anatomy, storage, view_words
from model_code.dicom.words.origin import made_of_another

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_PIXELS = 40_000_000
"""A detector of 43 x 43 cm has 18.5 million pixels at 0.1 mm (4,300 x 4,300); two times that leaves room for film
scanners. The most memory a file can take follows from it: see `handler`."""
# What else a picture archive holds: a refusal may name these, and nothing else that a file says.
_OTHER_MODALITIES = frozenset(
    {
        *("BMD", "CT", "DOC", "ECG", "ES", "HC", "IO", "KO", "MG", "MR", "NM", "OT", "PR", "PT", "PX", "REG", "RF"),
        *("RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT", "SEG", "SM", "SR", "US", "XA", "XC"),
    }
)
# Of files without a modality, which some de-identification leaves out, the storage class tells (PS3.4, B.5): computed
# radiography, digital X-ray for presentation and for processing, secondary capture, also of grey bytes and words.
_RADIOGRAPH_CLASSES = tuple(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("1", "1.1", "1.1.1", "7", "7.2", "7.3"))
# What systems write for them, none of it a defined term (PS3.3, C.7.3.1.1.1).
_NAMES_OF_RADIOGRAPHY = frozenset({"XR", "RX", "X-RAY", "XRAY", "RAD", "CXR", "RADIOGRAPH", "RADIOGRAPHY"})
_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
PHOTOMETRIC = frozenset({"MONOCHROME1", "MONOCHROME2"})
# PS3.3, C.7.6.3.1.2, retired ones among them.
_COLOURS = frozenset({"PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "XYB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT"})
_COLOURS |= {"YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_RCT"}
# In which a program may have saved grey levels, three times the same or without chroma.
_PERHAPS_GREY = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
# Which presentation LUT shape belongs to which (PS3.3, C.8.11.3.1.2): the same is said twice.
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}

NEEDED = (
    *("SOPClassUID", "Modality", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth", "PresentationLUTShape"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"),
    *("PatientOrientation", "ViewPosition", "ViewCodeSequence", "BodyPartExamined", "PresentationIntentType"),
    *("AnatomicRegionSequence", "PlanarConfiguration", "NominalScannedPixelSpacing", "ConversionType"),
    *shutter.ATTRIBUTES,
)
_MAPPING = ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "VOILUTFunction")
# By which a file says that it was made of another image.
_ORIGIN = ("ImageType", "DerivationDescription")
# In place of Pixel Data (PS3.3, C.7.6.24 and C.7.6.25), and syntaxes of pixels that lie on a server (PS3.5, A.6).
_FLOATING = ("FloatPixelData", "DoubleFloatPixelData")
_ELSEWHERE = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (94, 95, 204, 205))
_TAGS: list[Any] = [Tag(name) for name in (*NEEDED, *_FLOATING, *_ORIGIN, *DESCRIBING)]
# Of objects with functional groups, which say for a frame what others say of the image (PS3.3, C.7.6.16.2): one frame's
# own, or what is shared, whichever has it.
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_IN_GROUPS = {
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    "FrameVOILUTSequence": ("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    "PixelMeasuresSequence": ("PixelSpacing",),
}
_TAGS += [Tag(name) for name in _GROUPS]
# Overlay Bits Allocated and Overlay Bit Position of the 16 overlays that there may be (PS3.5, 7.6; PS3.3, C.9.2).
_OVERLAYS = [(Tag(group, 0x0100), Tag(group, 0x0102)) for group in range(0x6000, 0x6020, 2)]
_TAGS += [tag for tags in _OVERLAYS for tag in tags]
# Everything besides the pixels that a radiograph's file says is far below this.
_MAX_OTHER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Header:
    """A monochrome radiograph of one frame. `dataset` holds no element outside NEEDED."""

    dataset: Dataset
    transfer_syntax: str
    modality: str
    photometric_interpretation: str
    rows: int
    columns: int
    samples: int
    """Of a pixel: 3 where it may be grey levels that were saved as colours, else 1."""
    planes_apart: bool
    bits_allocated: int
    bits_stored: int
    spare_low_bits: int
    """Below the stored ones: 0 as the standard has it since High Bit is one less than Bits Stored (PS3.5, 8.1.1)."""
    overlaid: bool
    """Whether it says that a bit of its pixels beside the stored ones is an overlay's, as PS3.5, 8.1.2 had it."""
    signed: bool
    body_part: str
    """`chest`, `other` or `unstated`: Body Part Examined is filled in by hand, often by a default, and often empty."""
    other_part: str
    """The defined term of the other part of the body, such as HAND; "" where it is none (`anatomy.TERMS`)."""

    @property
    def told(self) -> dict[str, str]:
        """Attributes that anybody may be told: classes, and nothing about the patient."""
        return {name: getattr(self, name) for name in ("modality", "photometric_interpretation", "body_part")}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels: [rows, columns], or [rows, columns, 3]."""
        return (self.rows, self.columns, *([3] if self.samples == 3 else []))

    @property
    def bytes_of_pixels(self) -> int:
        """Of pixel data without compression."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @cached_property
    def opening(self) -> shutter.Opening | None:
        """The part of the image that a display shutter leaves; None where that is all of it."""
        return shutter.opening(self.dataset, self.rows, self.columns)

    @property
    def possible(self) -> tuple[int, int]:
        """The lowest and the highest value that the stored bits can hold."""
        half = 1 << (self.bits_stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @cached_property
    def padding(self) -> tuple[int, int] | None:
        """First and last of the values that stand for "no image here" (PS3.3, C.7.5.1.1.2), None where none does.

        Their sign is that of the pixels, whatever representation they are written in.
        """
        stated, limit = (finite(self.dataset, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
        if stated is None:
            return None
        below = 2**15 if self.signed else 0
        ends = [(int(one) + below) % 2**16 - below for one in (stated, stated if limit is None else limit)]
        return min(ends), max(ends)

    def of_sign(self, *, signed: bool) -> Header:
        """The header of pixels that have a sign, or none, whatever the file states."""
        return self if signed == self.signed else replace(self, signed=signed)


def read(data: bytes) -> Header:
    """Read and check the header of a DICOM file.

    Raises:
        Refusal: undecodable_image, unsupported_media_type, image_too_large or not_a_radiograph.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = legible(data, 2 * MAX_PIXELS + _MAX_OTHER_BYTES)
            dataset = elements(whole, _TAGS)
            _lift(dataset)
            _check_storage(_of_meta(dataset, "MediaStorageSOPClassUID"))
            return _checked(dataset, _of_meta(dataset, "TransferSyntaxUID"))
    except Refusal:
        raise
    except Exception as error:  # damaged files end pydicom in many ways, and its messages quote them
        raise damaged("its header cannot be read.") from error


def _lift(dataset: Dataset) -> None:
    """Put what functional groups say of the frame where it stands in other objects, unless something stands there."""
    for groups in _GROUPS:
        for sequence, names in _IN_GROUPS.items():
            said = [one for group in items(dataset, groups)[:1] for one in items(group, sequence)[:1]]
            if said and not any(_states(dataset, name) for name in names):
                for name in (one for one in names if one in said[0]):
                    dataset[name] = said[0][name]
    for groups in _GROUPS:
        dataset.pop(Tag(groups), None)


def _states(dataset: Dataset, name: str) -> bool:
    """Whether an attribute has any value, whatever it is; nothing is converted."""
    tag = Tag(name)
    return tag in dataset and bool(dataset.get_item(tag).value)


def _of_meta(dataset: Any, name: str) -> str:
    return str(dataset.file_meta.get(name, "")).strip(" \0")


def _check_storage(storage_class: str) -> None:
    """Refuse by name what is stored as DICOM and is no image."""
    if storage_class in storage.NO_IMAGES:
        raise unsuitable(f"The DICOM file is {storage.NO_IMAGES[storage_class]}, not a radiograph.")


def _without_pixels(dataset: Dataset, transfer_syntax: str) -> Refusal:
    named = storage.beside_images(text(dataset, "SOPClassUID"))
    if named is not None:
        return unsuitable(f"The DICOM file holds no image: it is {named}, not a radiograph.")
    if any(name in dataset for name in _FLOATING):
        return unsuitable(
            "The pixels of the DICOM file are floating-point numbers, as of what a program has computed: send the "
            "radiograph itself, or the image as PNG."
        )
    if transfer_syntax in _ELSEWHERE:
        return unsupported(transfer_syntax)
    # pydicom leaves out the element that a truncated file ends in.
    return damaged("it holds no image, or ends before it.")


def _checked(dataset: Dataset, transfer_syntax: str) -> Header:
    modality = _modality(dataset)
    part = _body_part(dataset)
    if "PixelData" not in dataset or not dataset["PixelData"].value:
        raise _without_pixels(dataset, transfer_syntax)
    _check_kind(dataset)
    if transfer_syntax not in TRANSFER_SYNTAXES:
        raise unsupported(transfer_syntax)
    photometric, samples = _photometric(dataset)
    _check_shape(dataset, photometric)
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise damaged("its image has no rows or no columns.")
    if rows * columns * samples > MAX_PIXELS:
        raise Refusal(
            "image_too_large",
            f"The image has {rows:,} x {columns:,} pixels; at most {MAX_PIXELS:,} in all are decoded.",
        )
    allocated, stored = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    high = _whole(dataset, "HighBit", absent=stored - 1)
    if allocated not in (8, 16) or not 1 <= stored <= allocated or not 0 <= high < allocated:
        raise Refusal(
            "undecodable_image",
            "The DICOM file lays out its pixels in an unusual way: 8 or 16 bits allocated are read, "
            "with as many stored bits or fewer among them. Send the file that the device made, or the image as PNG.",
        )
    if samples == 3 and (allocated, stored) != (8, 8):
        raise in_colour()
    syntax = syntax_of_pixels(dataset["PixelData"], transfer_syntax, rows * columns * samples * allocated // 8)
    # Two pixels share their chroma, for which only these compressions have a place of its own (PS3.3, C.7.6.3.1.2).
    if photometric == "YBR_FULL_422" and syntax not in JPEG | JPEG_2000:
        raise in_colour()
    return Header(
        dataset=dataset,
        transfer_syntax=syntax,
        modality=modality,
        photometric_interpretation=photometric,
        rows=rows,
        columns=columns,
        samples=samples,
        planes_apart=samples == 3 and numbers(dataset, "PlanarConfiguration")[:1] == [1.0],
        bits_allocated=allocated,
        bits_stored=stored,
        # A High Bit below the stored ones makes no sense, and is taken as not stated.
        spare_low_bits=max(0, high + 1 - stored),
        overlaid=_overlaid(dataset),
        signed=_whole(dataset, "PixelRepresentation") == 1,
        body_part=part.kind,
        other_part=part.term,
    )


def _modality(dataset: Dataset) -> str:
    """One of MODALITIES or `unstated`; other kinds of file are refused."""
    stated = text(dataset, "Modality")
    stored = text(dataset, "SOPClassUID")
    if stated in MODALITIES:
        return stated
    if (stated in _NAMES_OF_RADIOGRAPHY or not stated) and stored in {"", *_RADIOGRAPH_CLASSES}:
        return UNSTATED
    named = f"of modality {stated}" if stated in _OTHER_MODALITIES else "of another modality"
    raise unsuitable(f"The DICOM file is {named}: the model knows radiographs (CR, DX, DR or RG).")


def _body_part(dataset: Dataset) -> anatomy.BodyPart:
    """The part by the first that names one: Body Part Examined, its code, or how image and series are called.

    A chest that is called a hand, and nothing else, is what a device says of everything.
    """
    described = anatomy.described(view_words.words(one) for name in OF_THE_SERIES for one in phrases(dataset, name))
    stated = anatomy.read(view_words.words(next(iter(phrases(dataset, "BodyPartExamined")), "")))
    if stated.kind != UNSTATED:
        names = [name for name in OF_THE_SERIES if name != PROTOCOL]
        alone = anatomy.alone(view_words.words(one) for name in names for one in phrases(dataset, name))
        return alone if (stated.kind, described.kind) == (anatomy.CHEST, anatomy.OTHER) and alone else stated
    regions = items(dataset, "AnatomicRegionSequence")
    codes = [text(region, name) for region in regions for name in ("CodeValue", "LongCodeValue")]
    coded = anatomy.of_region(
        codes, (view_words.words(one) for region in regions for one in phrases(region, "CodeMeaning"))
    )
    if coded.kind != UNSTATED:
        return coded
    return described


def _check_kind(dataset: Dataset) -> None:
    """Refuse what is no single frontal radiograph made to be looked at."""
    # None, no number and less than one say nothing: then the pixels tell.
    frames = next((int(one) for one in numbers(dataset, "NumberOfFrames")[:1] if math.isfinite(one)), 1)
    if frames > 1:
        raise unsuitable(f"The DICOM file holds {frames:,} frames: send one radiograph.")
    # Intended is what the file says, or else what it is stored as.
    intent = text(dataset, "PresentationIntentType")
    if intent == "FOR PROCESSING" or (not intent and text(dataset, "SOPClassUID") == _FOR_PROCESSING):
        raise unsuitable("The DICOM file is raw detector data, FOR PROCESSING: send the one FOR PRESENTATION.")
    if captured := storage.captured(text(dataset, "ConversionType")):
        raise unsuitable(
            f"The DICOM file is {captured} by its Conversion Type, not a radiograph. Should it be film that was "
            "scanned, send the image as PNG."
        )
    of_image, of_series = (
        [view_words.words(one) for name in names for one in phrases(dataset, name)]
        for names in ((*_ORIGIN, *OF_THE_SERIES[:1]), OF_THE_SERIES[1:])
    )
    if made_of_another(of_image, of_series, [view_words.words(one) for one in phrases(dataset, "ImageType")]):
        raise unsuitable(
            "The DICOM file says that it was made of another image: bones or soft tissue were taken out, or it is a "
            "slice, a copy of a screen or a heat map. Send the radiograph itself."
        )
    view = other_than_frontal(dataset)
    for name in (*_ORIGIN, *DESCRIBING):
        dataset.pop(Tag(name), None)
    if view is not None:
        an = "an" if view == "oblique" else "a"
        raise unsuitable(f"The DICOM file says that this is {an} {view} view: the model knows frontal ones.")


def _overlaid(dataset: Dataset) -> bool:
    """Whether an overlay lies in the pixels; what says so is taken out."""
    said = [[numbers(dataset, f"{int(tag):08X}")[:1] for tag in tags] for tags in _OVERLAYS]
    for tag in (one for tags in _OVERLAYS for one in tags):
        dataset.pop(tag, None)
    return any((bits and bits[0] > 1) or (position and position[0] > 0) for bits, position in said)


def in_colour() -> Refusal:
    """The refusal of an image that is no grey one."""
    return unsuitable(
        "The image in the DICOM file is in colour: a radiograph is MONOCHROME1 or MONOCHROME2. Send the one that "
        "the detector made, not a copy of a screen."
    )


def _photometric(dataset: Dataset) -> tuple[str, int]:
    """One of PHOTOMETRIC, or of those in which grey levels may be saved, and samples per pixel; others are refused."""
    stated = text(dataset, "PhotometricInterpretation")
    samples = _whole(dataset, "SamplesPerPixel", absent=1)
    if samples == 3 and stated in _PERHAPS_GREY:
        _show_as_they_are(dataset)
        return stated, samples
    if samples != 1 or stated in _COLOURS:
        raise in_colour()
    if stated not in PHOTOMETRIC:
        raise Refusal(
            "undecodable_image",
            "The DICOM file does not say whether low values are light or dark: its Photometric Interpretation has to "
            "be MONOCHROME1 or MONOCHROME2.",
        )
    return stated, samples


def _show_as_they_are(dataset: Dataset) -> None:
    """Put a window over all 8 bits in place of what maps grey levels: colours have nothing of it (PS3.3, C.11)."""
    for name in (*_MAPPING, "PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape"):
        dataset.pop(Tag(name), None)
    dataset.WindowCenter, dataset.WindowWidth = "128", "256"


def _check_shape(dataset: Dataset, photometric: str) -> None:
    """Refuse a file that says of the same values that they are dark, and that they are light."""
    shape = text(dataset, "PresentationLUTShape")
    if shape in _SHAPES.values() and shape != _SHAPES[photometric]:
        raise Refusal(
            "undecodable_image",
            f"The DICOM file contradicts itself: {photometric} and Presentation LUT Shape {shape} say the opposite "
            "about which values are dark. Correct the one that is wrong, or send the image as PNG.",
        )


def _whole(dataset: Dataset, name: str, *, absent: int | None = None) -> int:
    values = numbers(dataset, name)
    if not values and absent is not None:
        return absent
    if len(values) != 1 or not math.isfinite(values[0]):
        raise damaged(f"it does not state {name} once.")
    return int(values[0])
