"""The Comprehensive 3D SR of a prediction: a Measurement Report (TID 1500, PS3.16) of the whole image.

One group of TID 1501 holds it: the probability as a measurement, what the model says of pneumonia as a qualitative
evaluation, and the algorithm with its version and parameters (TID 4019). Nobody has verified it.
"""

from __future__ import annotations

import warnings

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_results import instance
from dicom_results.result import MANUFACTURER, PRODUCT, Result

SERIES_NUMBER = 9100
PNEUMONIA = Code("233604007", "SCT", "Pneumonia")
PROBABILITY = codes.DCM.Probability
COMMENT = codes.DCM.Comment
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("2667000", "SCT", "Absent")
INDETERMINATE = Code("82334004", "SCT", "Indeterminate")
_PROCEDURE = Code("399208008", "SCT", "Plain X-ray of chest")


def make(reference: Dataset, result: Result) -> bytes:
    """The report's file, Explicit VR Little Endian."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom warns of quotes the patient's attributes
        made = sr.Comprehensive3DSR(
            evidence=[reference],
            content=_content(reference, result)[0],
            series_number=SERIES_NUMBER,
            series_description="Pneumonia probability, research only",
            is_complete=True,
            is_final=False,
            is_verified=False,
            **instance.arguments(reference, result, "report"),
        )
        return instance.finish(made, reference, result)


def evaluation(result: Result) -> Code:
    """The model's evaluation of pneumonia: indeterminate before its label."""
    if result.indeterminate:
        return INDETERMINATE
    return PRESENT if result.label == "PNEUMONIA" else ABSENT


def _content(image: Dataset, result: Result) -> sr.MeasurementReport:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=result.model_uid(), name=PRODUCT, manufacturer_name=MANUFACTURER, model_name=PRODUCT
    )
    # No image library (a user's option of TID 1500): highdicom's wants attributes of the radiograph that CR may lack.
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=device
            )
        ),
        procedure_reported=_PROCEDURE,
        imaging_measurements=[_group(image, result)],
    )


def _group(image: Dataset, result: Result) -> sr.MeasurementsAndQualitativeEvaluations:
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=result.uid("tracking", image.SOPInstanceUID), identifier=f"prediction {result.prediction_id}"
        ),
        finding_type=PNEUMONIA,
        algorithm_id=sr.AlgorithmIdentification(PRODUCT, result.model_version, parameters(result)),
        # NumericValue, which readers show, holds 16 characters; FloatingPointValue beside it is exact.
        measurements=[sr.Measurement(name=PROBABILITY, value=result.probability, unit=codes.UCUM.NoUnits)],
        qualitative_evaluations=[sr.QualitativeEvaluation(name=PNEUMONIA, value=evaluation(result))],
        source_images=[sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)],
    )
    # TID 1501 has no row for a remark, and is extensible.
    notice = sr.TextContentItem(name=COMMENT, value=result.notice, relationship_type=sr.RelationshipTypeValues.CONTAINS)
    group[0].ContentSequence.append(notice)
    return group


def parameters(result: Result) -> list[str]:
    """The algorithm's parameters (TID 4019): what is needed to read the probability, and to find the model again."""
    low, high = result.band or (None, None)
    named = {
        "threshold": f"{result.threshold!r}",
        "indeterminate_from": "" if low is None else f"{low!r}",
        "indeterminate_below": "" if high is None else f"{high!r}",
        "model_package": result.model_package_arn,
        "dataset_sha256": result.dataset_sha256,
        "served_sha256": result.served_sha256,
    }
    return [f"{name}={value}" for name, value in named.items() if value]
