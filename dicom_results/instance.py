"""Attributes that all instances of a result share: patient, study, character set, time, and the mark in the header."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset

from dicom_results.result import MANUFACTURER, PRODUCT, WRITER, Result
from dicom_results.source import offset

# highdicom copies most of them from some of its instances, and none of these from all.
_ALIKE = ("SpecificCharacterSet", "IssuerOfPatientID", "StudyDescription", "TimezoneOffsetFromUTC")


def arguments(reference: Dataset, result: Result, what: str) -> dict[str, Any]:
    """highdicom's arguments that all instances of a result share; `what` names the instance's UID and series."""
    image = reference.SOPInstanceUID
    return {
        "series_instance_uid": result.uid(f"series of {what}", image),
        "sop_instance_uid": result.uid(what, image),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": PRODUCT,
        "software_versions": f"model package {result.model_version}",
        "content_date": _moment(reference, result).date(),
        "content_time": _moment(reference, result).time(),
    }


def finish(made: Dataset, reference: Dataset, result: Result) -> bytes:
    """The instance's file: the same bytes for the same prediction, whenever it is made."""
    for name in _ALIKE:
        if name in reference:
            made[name] = reference[name]
    moment = _moment(reference, result)
    made.InstanceCreationDate, made.InstanceCreationTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")
    for equipment in made.ContributingEquipmentSequence:
        del equipment.ContributionDateTime  # of the moment at which the file happens to be made (type 3)
    made.file_meta.SourceApplicationEntityTitle = WRITER
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _moment(reference: Dataset, result: Result) -> datetime:
    """Time of the prediction, in the zone that the study's times are in or else the caller's."""
    return result.time.astimezone(offset(reference) or result.time.tzinfo)
