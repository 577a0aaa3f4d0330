"""Transfer syntaxes that are decoded, by the family of codec, and the names of those that are not (PS3.5, PS3.6 A)."""

from __future__ import annotations

import re

from pydicom.uid import UID

from model_code.dicom.refusal import Refusal, damaged

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
ENCAPSULATED = "1.2.840.10008.1.2.1.98"
"""Pixels without compression in fragments, the rest as Explicit VR Little Endian (PS3.5, A.4.11)."""
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
JPEG = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
"""Baseline, extended, lossless, and lossless of first-order prediction."""
JPEG_PROCESSES = frozenset({0xC0, 0xC1, 0xC3})
"""Their start of frame markers (ITU-T T.81, table B.1). A codestream tells its process itself, and converters leave the
name of another one in the file: a lossless image that is called baseline is read as what it is, as by DCMTK."""
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
"""With High-Throughput JPEG 2000, which is the same codestream with another block coder; OpenJPEG reads both."""
JPEG_XL = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112))
LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91, 203, 111, 112))
TRANSFER_SYNTAXES = frozenset(
    {*NATIVE, ENCAPSULATED, DEFLATED, RLE, DEFLATED_FRAME, *JPEG, *JPEG_LS, *JPEG_2000, *JPEG_XL}
)

# Of the standard, below its own root: no maker's number, and nothing about a patient.
_OF_THE_STANDARD = re.compile(r"1\.2\.840\.10008(\.\d{1,4}){1,6}")


def unsupported(transfer_syntax: str) -> Refusal:
    """The refusal of a transfer syntax outside TRANSFER_SYNTAXES, by its name in the standard where it has one."""
    if not transfer_syntax:
        return damaged("it does not name its transfer syntax.")
    name = UID(transfer_syntax).name
    if name != transfer_syntax:
        named = f"the transfer syntax {name}"
    elif _OF_THE_STANDARD.fullmatch(transfer_syntax):
        named = f"the transfer syntax {transfer_syntax}, which is newer than this reader"
    else:
        named = "a transfer syntax of its maker's own"
    return Refusal(
        "unsupported_media_type",
        f"The DICOM file has {named}. Send it uncompressed, or as RLE, JPEG, JPEG-LS, JPEG 2000 or JPEG XL.",
    )
