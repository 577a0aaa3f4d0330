"""Attributes that a result takes over from its radiograph's file: patient, study, orientation.

Archives join instances by these attributes, so they are copied as they are wherever the standard lets an instance hold
them; a date, a time or a sex that it does not is left out. What is absent and must be there is there, empty (type 2).
"""

from __future__ import annotations

import datetime as dt
import io
import logging
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import charset, dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from model_code.dicom.attributes import texts
from model_code.dicom.file_format import BEGINNING_BYTES, legible
from model_code.dicom.syntaxes import LOSSY

# Both quote values of the file in what they say about it: a patient's name must not reach a terminal or a log.
for _library in ("pydicom", "highdicom"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)

PERSONS = ("PatientName", "ReferringPhysicianName")
# Type 2 of Patient and General Study (PS3.3, C.7.1.1 and C.7.2.1).
_TEXTS = ("PatientID", "AccessionNumber", "StudyID")
_TEXTS_IF_STATED = ("IssuerOfPatientID", "StudyDescription")
# By these no archive joins anything, so that they may be left out where they are too long (PS3.5, 6.2).
_LONGEST = {"StudyID": 16, "StudyDescription": 64}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_CODE = r"[A-Z0-9_ ]{1,16}"
_CODES_IF_STATED = {
    "BodyPartExamined": _CODE,
    "BurnedInAnnotation": "YES|NO",
    "LossyImageCompressionMethod": _CODE,
    "LossyImageCompressionRatio": r"\d{1,9}(\.\d{1,6})?",
}
_OTHERS = (
    *("SOPClassUID", "PatientSex", "PatientBirthDate", "StudyDate", "StudyTime", "TimezoneOffsetFromUTC"),
    *("PatientOrientation", "LossyImageCompression"),
)
_TAGS: list[Any] = [Tag(name) for name in (*PERSONS, *_TEXTS, *_TEXTS_IF_STATED, *_UIDS, *_CODES_IF_STATED, *_OTHERS)]

_UID = re.compile(r"[0-9.]{1,64}")
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # ACR-NEMA wrote points (PS3.5, 6.2, DA)
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(\.\d{1,6})?)?)?")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")
_ASCII = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_UTF_8 = "ISO_IR 192"


class NoResultError(Exception):
    """No result can be made of this file; `str(error)` says why, without a value of the file."""


def read(file: Path | BinaryIO) -> Dataset:
    """Attributes that a result takes over from a DICOM file, texts in UTF-8; every type 2 attribute is there.

    Raises:
        NoResultError: the file cannot be read, or does not say which study, series and instance it is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values
            content = file.read_bytes() if isinstance(file, Path) else file.read()
            whole = io.BytesIO(legible(content, BEGINNING_BYTES, whole=False))
            return _taken(dcmread(whole, specific_tags=_TAGS, stop_before_pixels=True))
    except NoResultError:
        raise
    except Exception as error:  # damaged files end pydicom in many ways, and its messages quote them
        raise NoResultError("its header cannot be read") from error


def encode(reference: Dataset) -> bytes:
    """Encode what `read` took over, for another process: a data set in Explicit VR Little Endian, no file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, reference, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def decode(encoded: bytes) -> Dataset:
    """Decode what `encode` made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = dcmread(io.BytesIO(encoded), force=True)
        reference.decode()
        return Dataset(reference)


def offset(reference: Dataset) -> dt.timezone | None:
    """The zone that the study's times are in, where the radiograph states one."""
    stated = _OFFSET.fullmatch(str(reference.get("TimezoneOffsetFromUTC", "")))
    if stated is None:
        return None
    sign = -1 if stated[1] == "-" else 1
    return dt.timezone(sign * dt.timedelta(hours=int(stated[2]), minutes=int(stated[3])))


def _taken(dataset: Dataset) -> Dataset:
    reference = Dataset()
    reference.SpecificCharacterSet = _UTF_8
    for name in _UIDS:
        setattr(reference, name, _uid(dataset, name))
    reference.SOPClassUID = _storage_class(dataset)
    for name in PERSONS:
        setattr(reference, name, _text(dataset, name).partition("\\")[0])  # one person, whatever is between the two
    for name in _TEXTS:
        setattr(reference, name, _text(dataset, name))
    for name in _TEXTS_IF_STATED:
        if stated := _text(dataset, name):
            setattr(reference, name, stated)
    reference.PatientSex = next((sex for sex in texts(dataset, "PatientSex") if sex in {"M", "F", "O"}), "")
    reference.PatientBirthDate, reference.StudyDate = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
    reference.StudyTime = _time(dataset, "StudyTime")
    if _OFFSET.fullmatch(stated := "".join(texts(dataset, "TimezoneOffsetFromUTC"))):
        reference.TimezoneOffsetFromUTC = stated
    for name, pattern in _CODES_IF_STATED.items():
        listed = texts(dataset, name)
        if listed and all(re.fullmatch(pattern, value) for value in listed):
            setattr(reference, name, listed)
    reference.PatientOrientation = texts(dataset, "PatientOrientation")
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    if texts(dataset, "LossyImageCompression") == ["01"] or syntax in LOSSY:
        reference.LossyImageCompression = "01"
    return reference


def _uid(dataset: Dataset, name: str) -> str:
    stated = _text(dataset, name)
    if not _UID.fullmatch(stated):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("SOPI", "SOP I"))
        raise NoResultError(f"it {'has an unusable' if stated else 'states no'} {words}")
    return stated


def _storage_class(dataset: Dataset) -> str:
    stated = _text(dataset, "SOPClassUID") or str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
    if UID(stated).type != "SOP Class":
        # highdicom looks up in the standard what an instance of the class may hold.
        raise NoResultError("its SOP Class UID is none of the standard")
    return stated


def _text(dataset: Dataset, name: str) -> str:
    """A text in the file's character set, or in the one it is really in where it names none; nothing that controls."""
    tag = Tag(name)
    element = dataset.get_item(tag) if tag in dataset else None
    if element is None:
        return ""
    if not isinstance(element, RawDataElement):
        return str(element.value or "").strip()
    raw, declared = bytes(element.value or b"").strip(b" \0"), dataset.get("SpecificCharacterSet") or ""
    if isinstance(declared, str) and declared in {*_ASCII, _UTF_8}:
        said = _utf_8_or_latin(raw)
    else:
        delimiters = PN_DELIMS if name in PERSONS else TEXT_VR_DELIMS
        said = charset.decode_bytes(raw, charset.convert_encodings(declared), delimiters)
    said = "".join(character for character in said if character.isprintable()).strip()
    return said if len(said) <= _LONGEST.get(name, len(said)) else ""


def _utf_8_or_latin(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _date(dataset: Dataset, name: str) -> str:
    found = _DATE.fullmatch(_text(dataset, name))
    if found is None:
        return ""
    try:
        dt.date(*map(int, found.groups()))
    except ValueError:
        return ""
    return "".join(found.groups())


def _time(dataset: Dataset, name: str) -> str:
    found = _TIME.fullmatch(_text(dataset, name))
    return "".join(part or "" for part in found.groups()) if found else ""
