"""Patient and acquisition of a radiograph, by which training splits and counts subgroups.

The API reads an age band and a view of it (`classes`), to tell whom a model is not meant for. Who reads more keeps it
only long enough to make a keyed hash of the patient (`data.pseudonyms`) and a subgroup of the rest: an age band of an
age, a known maker of whatever a device calls itself.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from model_code.contract.population import MAX_YEARS, UNSTATED, age_band
from model_code.dicom.attributes import items, phrases, text
from model_code.dicom.file_format import BEGINNING_BYTES, legible
from model_code.dicom.words import ages, view_words

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OTHER = "other"
# What makers' names begin with, or hold as a word, in what devices write; a hospital's own text is none of them.
_MAKERS = {
    "AGFA": "Agfa",
    "CANON": "Canon",
    "CARESTREAM": "Carestream",
    "FUJI": "Fujifilm",
    "FUJIFILM": "Fujifilm",
    "GE": "GE",
    "GENERAL": "GE",
    "HOLOGIC": "Hologic",
    "KODAK": "Carestream",
    "KONICA": "Konica Minolta",
    "PHILIPS": "Philips",
    "SAMSUNG": "Samsung",
    "SHIMADZU": "Shimadzu",
    "SIEMENS": "Siemens",
    "SWISSRAY": "Swissray",
    "TOSHIBA": "Canon",
    "VAREX": "Varex",
}
# In the words that say so in several languages, and in the codes of CID 4010 (PS3.16).
_VIEWS = {
    "PA": re.compile(r"\bP ?A\b|\bPOSTER(O|IOR) ?ANTER\w*|\bDORSO ?VENTRAL\b"),
    "AP": re.compile(r"\bA ?P\b|\bANTER(O|IOR) ?POSTER\w*|\bVENTRO ?DORSAL\b"),
}
_VIEW_CODES = {"272479007": "PA", "R-10214": "PA", "399348003": "AP", "R-10206": "AP"}
_BETWEEN_WORDS = re.compile(r"[^A-Z0-9]+")
# The defined terms, and what is written for them.
_SEXES = {"M": "male", "MALE": "male", "F": "female", "FEMALE": "female", "W": "female", "O": OTHER, "OTHER": OTHER}
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime")
# What systems write for a day that they do not know.
_NO_BIRTHDAYS = frozenset({dt.date(1900, 1, 1), dt.date(1901, 1, 1), dt.date(1800, 1, 1)})
_DESCRIBING = ("AcquisitionDeviceProcessingDescription", "SeriesDescription", "BodyPartExamined")
_NAMES = (
    *("SOPInstanceUID", *_DATES, "Manufacturer", "StudyInstanceUID"),
    *("PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "ViewPosition", "ViewCodeSequence"),
    *_DESCRIBING,
)
_TAGS: list[Any] = [Tag(name) for name in _NAMES]
_ORDERS = {
    "series_instance_uid": "SeriesInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "accession_number": "AccessionNumber",
}
_CLASSED: list[Any] = [
    Tag(name)
    for name in (
        *(*_DATES, "PatientBirthDate", "PatientAge"),
        *("ViewPosition", "ViewCodeSequence", *_DESCRIBING),
    )
]


@dataclass(frozen=True)
class Subject:
    """Patient and acquisition as a file states them; texts are empty where it says nothing. `repr` shows nobody.

    Attributes:
        sop_instance_uid: of the instance.
        patient_id: in capitals.
        study: its UID; its images are of one person, also where de-identification took the Patient ID out.
        study_date: as stated.
        groups: `view` (PA, AP), `age`, `sex` and `manufacturer`, each with `unstated` where the file does not say it.
    """

    sop_instance_uid: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    study_date: str = field(default="", repr=False)
    groups: dict[str, str] = field(default_factory=dict)


def read(data: bytes) -> Subject:
    """Read a file, or its first BEGINNING_BYTES; what cannot be read says nothing.

    Args:
        data: that begins as DICOM files do.
    """
    try:
        with _opened(data, _TAGS) as dataset:
            return Subject(
                sop_instance_uid=text(dataset, "SOPInstanceUID"),
                patient_id=_decoded(dataset, "PatientID"),
                study=text(dataset, "StudyInstanceUID"),
                study_date=text(dataset, "StudyDate"),
                groups={
                    "view": _view(dataset),
                    "age": age_band(_age(dataset)),
                    "sex": _SEXES.get(text(dataset, "PatientSex"), UNSTATED),
                    "manufacturer": _maker(text(dataset, "Manufacturer")),
                },
            )
    except Exception:  # noqa: BLE001 - damaged files end pydicom in many ways; the reader of pixels says why
        return Subject()


def order(data: bytes) -> dict[str, str]:
    """Series, study and accession number that a file is of, in capitals, by which a table may name it.

    Args:
        data: that begins as DICOM files do.
    """
    try:
        with _opened(data, [Tag(name) for name in _ORDERS.values()]) as dataset:
            return {ours: _decoded(dataset, name) for ours, name in _ORDERS.items()}
    except Exception:  # noqa: BLE001 - damaged files end pydicom in many ways; the reader of pixels says why
        return {}


def classes(data: bytes) -> dict[str, str]:
    """The `age` band and the `view` that a file states, each `unstated` where it does not; nothing else is read.

    Args:
        data: that begins as DICOM files do.
    """
    try:
        with _opened(data, _CLASSED) as dataset:
            return {"age": age_band(_age(dataset)), "view": _view(dataset)}
    except Exception:  # noqa: BLE001 - damaged files end pydicom in many ways; the reader of pixels says why
        return {"age": UNSTATED, "view": UNSTATED}


@contextmanager
def _opened(data: bytes, tags: list[Any]) -> Iterator[Dataset]:
    """The attributes of a file; pydicom warns of values when they are looked at, so they are looked at in here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's quote values
        yield dcmread(
            io.BytesIO(legible(data, BEGINNING_BYTES, whole=False)), specific_tags=tags, stop_before_pixels=True
        )


def _decoded(dataset: Dataset, name: str) -> str:
    """A text as its bytes, which a table of labels may repeat: in UTF-8 where they are that, else in Latin-1."""
    tag = Tag(name)
    if tag not in dataset:
        return ""
    element = dataset.get_item(tag)
    value = element.value if isinstance(element, RawDataElement) else str(element.value or "").encode()
    try:
        said = bytes(value or b"").decode("utf-8")
    except UnicodeDecodeError:
        said = bytes(value or b"").decode("latin-1")
    return said.strip(" \0\t\r\n").upper()


def _view(dataset: Dataset) -> str:
    stated, codes = phrases(dataset, "ViewPosition"), set[str]()
    for view in items(dataset, "ViewCodeSequence"):
        stated += phrases(view, "CodeMeaning")
        codes |= {text(view, "CodeValue"), text(view, "LongCodeValue")}
    named = [_BETWEEN_WORDS.sub(" ", one) for one in stated]
    found = {view for view, pattern in _VIEWS.items() if any(map(pattern.search, named))}
    found |= {view for code, view in _VIEW_CODES.items() if code in codes}
    return next(iter(found)) if len(found) == 1 else UNSTATED if found else _described_view(dataset)


def _described_view(dataset: Dataset) -> str:
    """AP or PA by the first description of image or series that says a frontal view: `Chest AP portable`.

    Not of the study, of which there may be several images, nor by the protocol, which may be a default.
    """
    said = [one for name in _DESCRIBING for one in phrases(dataset, name)]
    frontal = [one for one in said if view_words.of_description(one, chest=True) == view_words.FRONTAL]
    for one in frontal:
        found = [view for view, pattern in _VIEWS.items() if pattern.search(_BETWEEN_WORDS.sub(" ", one))]
        if found:
            return found[0] if len(found) == 1 else UNSTATED
    return UNSTATED


def _age(dataset: Dataset) -> float | None:
    """Years, as stated or from the dates of birth and of the study; from these too where what is stated may be none."""
    years = next(map(ages.years, phrases(dataset, "PatientAge")), None)
    if years is not None and 0 < years < MAX_YEARS:
        return years
    # `000Y` is what many systems write for an age that they do not know, and `999Y` others.
    born = ages.days(text(dataset, "PatientBirthDate"))
    taken = next(filter(None, (ages.days(text(dataset, one)) for one in _DATES)), None)
    if born is not None and born.first in _NO_BIRTHDAYS:
        return None
    if born is None or taken is None:
        return years
    least, most = ((taken.first - born.last).days / 365.25, (taken.last - born.first).days / 365.25)
    return least if age_band(least) == age_band(most) else None


def _maker(said: str) -> str:
    words = _BETWEEN_WORDS.sub(" ", said).split()
    return next((_MAKERS[word] for word in words if word in _MAKERS), OTHER if said else UNSTATED)
