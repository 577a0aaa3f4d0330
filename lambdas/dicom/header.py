"""The attributes that a conversion needs, read from the bytes of a DICOM file and checked before any pixel is decoded.

Elements outside NEEDED are skipped, so a patient's name is never in a dataset that something could print. What pydicom
says about a file can quote its values: none of its messages is repeated, warnings are off while it reads.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom import config, dcmread
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import UID

from lambdas.dicom.refusal import Refusal, damaged, unsuitable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Real files break many rules that do not matter here, and what pydicom says about it quotes them.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

MAX_PIXELS = 40_000_000
"""A detector of 43 x 43 cm has 18.5 million pixels at 0.1 mm (4,300 x 4,300); two times that leaves room for film
scanners. The most memory a file can take follows from it: see `handler`."""
MODALITIES = frozenset({"CR", "DX", "RG"})
"""Computed radiography, digital radiography, and film that was digitised (PS3.3, C.7.3.1.1.1)."""
# What else a picture archive holds: a refusal may name these, and nothing else that a file says.
_OTHER_MODALITIES = frozenset(
    {"CT", "ES", "IO", "MG", "MR", "NM", "OT", "PR", "PT", "PX", "RF", "RTIMAGE", "SEG", "SM", "SR", "US", "XA"}
)
PHOTOMETRIC = frozenset({"MONOCHROME1", "MONOCHROME2"})
_LATERAL = frozenset({"LL", "RL", "LATERAL"})  # View Position (PS3.3, C.8.7.1.1)
_CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "HEART", "MEDIASTIN")

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
RLE = "1.2.840.10008.1.2.5"
JPEG = {  # and the start of frame markers (ITU-T T.81, table B.1) each may have
    "1.2.840.10008.1.2.4.50": {0xC0},  # baseline
    "1.2.840.10008.1.2.4.51": {0xC0, 0xC1},  # extended
    "1.2.840.10008.1.2.4.57": {0xC3},  # lossless
    "1.2.840.10008.1.2.4.70": {0xC3},  # lossless, first-order prediction
}
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91))
TRANSFER_SYNTAXES = frozenset({*NATIVE, _DEFLATED, RLE, *JPEG, *JPEG_LS, *JPEG_2000})

NEEDED = (
    *("Modality", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"),
    *("PatientOrientation", "ViewPosition", "BodyPartExamined", "PresentationIntentType"),
)
_TAGS: list[Any] = [Tag(name) for name in NEEDED]
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
    bits_allocated: int
    bits_stored: int
    signed: bool
    body_part: str
    """`chest`, `other` or `unstated`: Body Part Examined is filled in by hand, and often by a default."""


def read(data: bytes) -> Header:
    """Read and check the header of a DICOM file.

    Raises:
        Refusal: undecodable_image, unsupported_media_type, image_too_large or not_a_radiograph.
    """
    if data[128:132] != b"DICM":
        raise damaged("it does not begin as the file format demands (PS3.10).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(io.BytesIO(_inflated(data)), specific_tags=_TAGS)
            return _checked(dataset, str(dataset.file_meta.get("TransferSyntaxUID", "")))
    except Refusal:
        raise
    except Exception as error:  # damaged files end pydicom in many ways, and its messages quote them
        raise damaged("its header cannot be read.") from error


def _inflated(data: bytes) -> bytes:
    """The file with its dataset as Explicit VR Little Endian where it was deflated, at most as large as can be real.

    pydicom inflates without a limit: four megabytes could become four gigabytes.
    """
    # (0002,0000), the first element after the prefix, says how long the file meta information is (PS3.10, 7.1).
    if len(data) < 144 or data[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        raise damaged("its file meta information does not say how long it is.")
    start = 144 + struct.unpack("<I", data[140:144])[0]
    meta = data[:start]
    if _DEFLATED.encode() not in meta:
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(data[start:], 2 * MAX_PIXELS + _MAX_OTHER_BYTES)
    if not inflater.eof:
        raise damaged("its deflated part does not end, or is larger than a radiograph's can be.")
    # NUL pads a UID (PS3.5, 9.1), so the element keeps its length.
    return meta.replace(_DEFLATED.encode(), EXPLICIT_LITTLE.encode().ljust(len(_DEFLATED), b"\0")) + dataset


def _checked(dataset: Dataset, transfer_syntax: str) -> Header:
    modality = _text(dataset, "Modality")
    _check_kind(dataset, modality)
    if transfer_syntax not in TRANSFER_SYNTAXES:
        raise _unsupported(transfer_syntax)
    photometric = _text(dataset, "PhotometricInterpretation")
    if _whole(dataset, "SamplesPerPixel") != 1 or photometric not in PHOTOMETRIC:
        raise unsuitable("The image in the DICOM file is in colour: a radiograph is MONOCHROME1 or MONOCHROME2.")
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise damaged("its image has no rows or no columns.")
    if rows * columns > MAX_PIXELS:
        raise Refusal(
            "image_too_large",
            f"The image has {rows:,} x {columns:,} pixels; at most {MAX_PIXELS:,} in all are decoded.",
        )
    allocated, stored = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    if allocated not in (8, 16) or not 1 <= stored <= allocated or _whole(dataset, "HighBit") != stored - 1:
        raise Refusal(
            "undecodable_image",
            "The DICOM file lays out its pixels in an unusual way: 8 or 16 bits allocated are read, "
            "with the stored bits in the low ones.",
        )
    signed = _whole(dataset, "PixelRepresentation") == 1
    return Header(
        dataset=dataset,
        transfer_syntax=transfer_syntax,
        modality=modality,
        photometric_interpretation=photometric,
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed,
        body_part=_body_part(_text(dataset, "BodyPartExamined").upper()),
    )


def _body_part(stated: str) -> str:
    if not stated:
        return "unstated"
    return "chest" if any(part in stated for part in _CHEST) else "other"


def _check_kind(dataset: Dataset, modality: str) -> None:
    """Refuse what is no frontal radiograph made to be looked at."""
    if not modality:
        raise damaged("it does not name its modality.")
    if modality not in MODALITIES:
        named = f"of modality {modality}" if modality in _OTHER_MODALITIES else "of another modality"
        raise unsuitable(f"The DICOM file is {named}: the model knows radiographs (CR, DX or RG).")
    if "PixelData" not in dataset:
        # pydicom leaves out the element that a truncated file ends in.
        raise damaged("it holds no image, or ends before it.")
    frames = _whole(dataset, "NumberOfFrames", absent=1)
    if frames != 1:
        raise unsuitable(f"The DICOM file holds {frames:,} frames: send one radiograph.")
    if _text(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        raise unsuitable("The DICOM file is raw detector data, FOR PROCESSING: send the one FOR PRESENTATION.")
    towards = [str(value)[:1].upper() for value in orientation(dataset)]
    if _text(dataset, "ViewPosition").upper() in _LATERAL or {"A", "P"} & set(towards):
        raise unsuitable("The DICOM file says that this is a lateral view: the model knows frontal ones.")


def orientation(dataset: Dataset) -> list[str]:
    """Patient Orientation: where rows and columns run to, such as `["L", "F"]`; empty when not stated (C.7.6.1.1.1)."""
    value = dataset.get("PatientOrientation")
    stated = [value] if isinstance(value, str) else list(value or [])
    return [str(item).strip() for item in stated if str(item).strip()]


def numbers(dataset: Dataset, name: str) -> list[float]:
    """The values of a numeric attribute; empty when it is absent."""
    value = dataset.get(name)
    if value is None or value == "":
        return []
    return [float(item) for item in value] if isinstance(value, (list, MultiValue)) else [float(value)]


def _whole(dataset: Dataset, name: str, *, absent: int | None = None) -> int:
    values = numbers(dataset, name)
    if not values and absent is not None:
        return absent
    if len(values) != 1:
        raise damaged(f"it does not state {name} once.")
    return int(values[0])


def _text(dataset: Dataset, name: str) -> str:
    value = dataset.get(name)
    return value.strip() if isinstance(value, str) else ""


def _unsupported(transfer_syntax: str) -> Refusal:
    if not transfer_syntax:
        return damaged("it does not name its transfer syntax.")
    name = UID(transfer_syntax).name
    named = f"the transfer syntax {name}" if name != transfer_syntax else "a transfer syntax of its maker's own"
    return Refusal(
        "unsupported_media_type",
        f"The DICOM file has {named}. Send it uncompressed, or as RLE, JPEG, JPEG-LS or JPEG 2000.",
    )
