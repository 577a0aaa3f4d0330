"""DICOM files of a drawn chest, written with pydicom in every form that a test needs."""

from __future__ import annotations

import io
import zlib
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, RLELossless, generate_uid

from local.samples.phantom import Anatomy, Finding, draw
from model_code.dicom.file_format import end_of_meta

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = str(RLELossless)
BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1 = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
JPEG_LS, JPEG_LS_NEAR, J2K_LOSSLESS, J2K = (f"1.2.840.10008.1.2.4.{number}" for number in (80, 81, 90, 91))
HTJ2K_LOSSLESS, HTJ2K_RPCL, HTJ2K = (f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))
JPEG_XL_LOSSLESS, JPEG_XL_JPEG, JPEG_XL = (f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112))
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
ENCAPSULATED = "1.2.840.10008.1.2.1.98"

# pydicom does not write what it does not know: another encapsulated syntax is, of as many characters when padded.
_WRITABLE = {len(DEFLATED_FRAME): J2K_LOSSLESS, len(JPEG_XL): HTJ2K_LOSSLESS}

# What must never be seen again, in attributes that are asked for and in those that are not.
SECRETS = {
    "PatientName": "SECRET^NAME",
    "PatientID": "SECRET-ID",
    "PatientBirthDate": "19010203",
    "PatientAddress": "SECRET STREET",
    "ReferringPhysicianName": "SECRET^PHYSICIAN",
    "InstitutionName": "SECRET HOSPITAL",
    "AccessionNumber": "SECRET-ACCESSION",
    "StudyDescription": "SECRET STUDY",
    "ImageComments": "SECRET COMMENT",
    "BodyPartExamined": "CHEST SECRET",
}


def phantom(width: int = 96, height: int = 80, *, bits: int = 12) -> NDArray[np.int64]:
    """A drawn chest over the whole range of so many bits, shape [height, width]."""
    rng = np.random.default_rng(7)
    levels = draw(Anatomy.sample(rng), Finding.NORMAL, rng, width=width, height=height).astype(np.float64)
    levels = (levels - levels.min()) / (levels.max() - levels.min())
    return np.rint(levels * (2**bits - 1)).astype(np.int64)


def full_range(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels of a file that names no window."""
    low, high = values.min(), values.max()
    return np.rint(255 * (values - low) / (high - low)).astype(np.uint8)


def dicom_file(
    values: NDArray[Any],
    *,
    transfer_syntax: str = EXPLICIT,
    bits: int = 12,
    allocated: int | None = None,
    signed: bool = False,
    frame: bytes | None = None,
    without: tuple[str, ...] = (),
    **attributes: Any,
) -> bytes:
    """A file's bytes.

    Args:
        values: stored values, shape [rows, columns].
        transfer_syntax: UID.
        bits: stored.
        allocated: 8 or 16; what `bits` needs when not given.
        signed: whether values are two's complement.
        frame: compressed pixels; encoded from `values` when not given.
        without: attributes to leave out.
        attributes: further attributes by keyword, or others' values.
    """
    allocated = allocated or (8 if bits <= 8 else 16)
    dataset = Dataset()
    for name, value in {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": generate_uid(entropy_srcs=["test"]),
        **SECRETS,
        "Modality": "DX",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": values.shape[0],
        "Columns": values.shape[1],
        "BitsAllocated": allocated,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(signed),
        **attributes,
    }.items():
        if name not in without:
            setattr(dataset, name, value)
    if "PixelData" not in without:
        big = transfer_syntax == BIG
        kind = f"{'>' if big else '<'}{'i' if signed else 'u'}{allocated // 8}"
        if transfer_syntax in (IMPLICIT, EXPLICIT, DEFLATED, BIG) and frame is None:
            raw = values.astype(kind).tobytes()
            raw += b"\0" * (len(raw) % 2)
            if big and allocated == 8:
                raw = np.frombuffer(raw, "<u2").astype(">u2").tobytes()  # bytes travel in swapped words
            dataset.PixelData = raw
        else:
            frame = frame or encode(values.astype(kind), transfer_syntax, bits)
            dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OW"
    return as_file(dataset, transfer_syntax)


def as_file(dataset: Dataset, transfer_syntax: str) -> bytes:
    """The bytes of a dataset."""
    dataset.file_meta = FileMetaDataset()
    known = _WRITABLE.get(len(transfer_syntax)) if UID(transfer_syntax).name == transfer_syntax else None
    dataset.file_meta.TransferSyntaxUID = known or transfer_syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", DigitalXRayImageStorageForPresentation)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    if known is None:
        return buffer.getvalue()
    return buffer.getvalue().replace(_padded(known), _padded(transfer_syntax))


def _padded(identifier: str) -> bytes:
    return identifier.encode() + b"\0" * (len(identifier) % 2)


def encode(values: NDArray[Any], transfer_syntax: str, bits: int) -> bytes:
    """One compressed frame. JPEG knows no negative numbers: there, two's complement travels as it lies in memory."""
    unsigned = values.view(f"u{values.itemsize}") & ((1 << bits) - 1)
    if transfer_syntax == ENCAPSULATED:
        return values.tobytes()
    if transfer_syntax == RLE:
        rows, columns = values.shape
        return get_encoder(RLELossless).encode(
            values.tobytes(),
            rows=rows,
            columns=columns,
            samples_per_pixel=1,
            bits_allocated=8 * values.itemsize,
            bits_stored=8 * values.itemsize,  # with fewer, this encoder may leave out a byte
            pixel_representation=int(values.dtype.kind == "i"),
            photometric_interpretation="MONOCHROME2",
            number_of_frames=1,
        )
    if transfer_syntax in (JPEG_XL_LOSSLESS, JPEG_XL_JPEG, JPEG_XL):
        return _jpeg_xl(unsigned, transfer_syntax)
    if transfer_syntax in (HTJ2K_LOSSLESS, HTJ2K_RPCL, HTJ2K):
        lossless = transfer_syntax != HTJ2K
        return bytes(imagecodecs.htj2k_encode(values, reversible=lossless, level=None if lossless else 1e-5))
    return _of_another_codec(values, unsigned, transfer_syntax, bits)


def _jpeg_xl(unsigned: NDArray[Any], transfer_syntax: str) -> bytes:
    if transfer_syntax == JPEG_XL_JPEG:
        return bytes(imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(unsigned, level=97)))
    lossless = transfer_syntax == JPEG_XL_LOSSLESS
    return bytes(imagecodecs.jpegxl_encode(unsigned, lossless=lossless, distance=None if lossless else 0.01))


def _of_another_codec(values: NDArray[Any], unsigned: NDArray[Any], transfer_syntax: str, bits: int) -> bytes:
    if transfer_syntax == DEFLATED_FRAME:
        deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflater.compress(values.tobytes()) + deflater.flush()
    if transfer_syntax in (BASELINE, EXTENDED):
        return bytes(imagecodecs.jpeg8_encode(unsigned, level=97, bitspersample=bits))
    if transfer_syntax in (LOSSLESS, LOSSLESS_SV1):
        unsigned = unsigned.astype(np.uint8) if bits <= 8 else unsigned
        predictor = 1 if transfer_syntax == LOSSLESS_SV1 else 6
        return bytes(imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=predictor, bitspersample=bits))
    if transfer_syntax in (JPEG_LS, JPEG_LS_NEAR):
        return bytes(imagecodecs.jpegls_encode(unsigned, level=2 if transfer_syntax == JPEG_LS_NEAR else 0))
    reversible = transfer_syntax == J2K_LOSSLESS
    return bytes(
        imagecodecs.jpeg2k_encode(
            values, codecformat="j2k", reversible=reversible, level=0 if reversible else 55, bitspersample=bits
        )
    )


def implicit_meta(data: bytes) -> bytes:
    """The file with meta information as Implicit VR writes it."""
    made, at, end = b"", 132, end_of_meta(data, 132)
    while at < end:
        long = data[at + 4 : at + 6] == b"OB"
        first, begin = (at + 8, at + 12) if long else (at + 6, at + 8)
        value = data[begin : begin + int.from_bytes(data[first:begin], "little")]
        made += data[at : at + 4] + len(value).to_bytes(4, "little") + value
        at = begin + len(value)
    return data[:132] + made + data[end:]
