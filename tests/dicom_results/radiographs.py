"""Radiographs as a result's source: whole by the standard (no error of dciodvfy), and with what real files lack."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_results.result import Result
from tests.model_code.support.dicom_files import EXPLICIT, as_file, phantom

CR, DX = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"
STUDY, SERIES, IMAGE = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2", "1.2.826.0.1.3680043.8.498.3"
TYPE_2 = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def radiograph(
    levels: NDArray[Any] | None = None,
    *,
    modality: str = "DX",
    transfer_syntax: str = EXPLICIT,
    without: tuple[str, ...] = (),
    **attributes: Any,
) -> bytes:
    """A file's bytes: a drawn chest with every attribute of type 1 and 2 of its IOD, but for `without`.

    Args:
        levels: values to be stored, of 12 bits, shape [rows, columns]; a drawn chest's where not given.
        modality: CR or DX.
        transfer_syntax: UID.
        without: attributes to leave out.
        attributes: further attributes by keyword, or others' values.
    """
    values = phantom(64, 48) if levels is None else levels
    dataset = Dataset()
    named = {**_both(modality), **(_dx() if modality == "DX" else {"PhotometricInterpretation": "MONOCHROME2"})}
    named |= {"Rows": values.shape[0], "Columns": values.shape[1], **attributes}
    for name, value in named.items():
        if name not in without:
            setattr(dataset, name, value)
    if named["PixelRepresentation"]:
        dataset.PixelData = (values - 2048).astype("<i2").tobytes()
    else:
        dataset.PixelData = values.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return as_file(dataset, transfer_syntax)


def result(**changed: Any) -> Result:
    """A prediction of it."""
    import datetime as dt

    given: dict[str, Any] = {
        "prediction_id": "f74d4970-0000-4000-8000-000000000001",
        "probability": 0.9501581788063049,
        "threshold": 0.3672255576956385,
        "label": "PNEUMONIA",
        "indeterminate": False,
        "band": (0.25, 0.5),
        "model_version": "7",
        "model_package_arn": "arn:aws:sagemaker:eu-central-1:123456789012:model-package/cxr-dev/7",
        "dataset_sha256": "0f" * 32,
        "served_sha256": "5e" * 32,
        "time": dt.datetime(2026, 11, 28, 9, 30, 5, 250, tzinfo=dt.UTC),
        "notice": "For research use only. Not a medical device.",
    }
    return Result(**{**given, **changed})


def _both(modality: str) -> dict[str, Any]:
    named: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": DX if modality == "DX" else CR,
        "SOPInstanceUID": IMAGE,
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "Modality": modality,
        "Manufacturer": "drawn",
        "PatientName": "Zeichnung^Gemälde",
        "PatientID": "P-1",
        "PatientBirthDate": "20200102",
        "PatientSex": "F",
        "StudyID": "S1",
        "AccessionNumber": "A-77",
        "ReferringPhysicianName": "",
        "StudyDescription": "Thorax",
        "PatientOrientation": ["L", "F"],
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "SamplesPerPixel": 1,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "BurnedInAnnotation": "NO",
    }
    for of in ("Study", "Series", "Acquisition", "Content"):
        named |= {f"{of}Date": "20260103", f"{of}Time": "101500"}
    return named


def _dx() -> dict[str, Any]:
    view, region = Dataset(), Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "272479007", "SCT", "postero-anterior"
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "43799004", "SCT", "Thoracic cavity structure"
    return {
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageLaterality": "U",
        "AnatomicRegionSequence": [region],
        "ViewCodeSequence": [view],
        "AcquisitionContextSequence": [],
        "PositionerType": "NONE",
        "DetectorType": "SCINTILLATOR",
        "ImagerPixelSpacing": [0.8, 0.8],
        "LossyImageCompression": "00",
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": 1,
        "PresentationLUTShape": "IDENTITY",
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
    }


def picture() -> Any:
    """A radiograph under a saliency map, as Pillow has it."""
    from PIL import Image

    grey = (phantom(64, 48) // 16).astype(np.uint8)
    heat = np.stack([np.maximum(grey, 200), grey, grey], axis=-1)
    return Image.fromarray(heat)


def opened(content: bytes) -> Dataset:
    from pydicom import dcmread

    return dcmread(io.BytesIO(content))
