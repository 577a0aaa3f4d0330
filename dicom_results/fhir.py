"""A prediction as FHIR R5: the DiagnosticReport and the Observations that its structured report maps to.

By HL7's guide "DICOM SR to FHIR Resource Mapping" (hl7.fhir.uv.dicom-sr 1.0.0, read 2026-11): the measurement group of
TID 1500 becomes an Observation, whose members are Observations of the measurement and of the qualitative evaluation,
and the algorithm (TID 4019) a Device. Patient, study and request are referred to by their identifiers, because servers
know them already; no name and no date of birth is repeated.
"""

from __future__ import annotations

import html
import json
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_results import report
from dicom_results.result import MANUFACTURER, PRODUCT, Result

_SYSTEMS = {"DCM": "http://dicom.nema.org/resources/ontology/DCM", "SCT": "http://snomed.info/sct"}
_UIDS, _UCUM = "urn:dicom:uid", "http://unitsofmeasure.org"
_QUALITATIVE = {
    "system": "http://terminology.hl7.org/CodeSystem/umls",
    "code": "C0034375",
    "display": "Qualitative Evaluations",
}
_ACCESSION = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN", "display": "Accession ID"}


def make(reference: Dataset, result: Result) -> bytes:
    """A Bundle of the DiagnosticReport, its Observations, the Device and the image, in JSON; always the same bytes."""
    urls = {
        name: result.uuid(f"FHIR {name}", reference.SOPInstanceUID).urn
        for name in ("report", "group", "probability", "evaluation", "algorithm", "image")
    }
    resources = _resources(reference, result, urls)
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": result.time.isoformat(),
        "entry": [{"fullUrl": url, "resource": resources[name]} for name, url in urls.items()],
    }
    return json.dumps(bundle, ensure_ascii=False, allow_nan=False).encode()


def _resources(reference: Dataset, result: Result, urls: dict[str, str]) -> dict[str, dict[str, Any]]:
    patient, study = {"subject": _patient(reference)}, _study(reference)
    shared = {"status": "preliminary", **_request(reference), **patient, "issued": result.time.isoformat()}
    observed = {
        "resourceType": "Observation",
        **shared,
        "partOf": [study],
        "device": {"reference": urls["algorithm"]},
        "derivedFrom": [{"reference": urls["image"]}],
    }
    value = {"value": result.probability, "unit": "no units", "system": _UCUM, "code": "1"}
    evaluation = report.evaluation(result)
    return {
        "report": {
            "resourceType": "DiagnosticReport",
            "text": _narrative(result, evaluation),
            "identifier": [{"value": result.prediction_id}],
            **shared,
            "code": _concept(codes.DCM.ImagingMeasurementReport),
            "study": [study],
            "result": [{"reference": urls["group"]}],
            "note": [{"text": result.notice}],
        },
        "group": {
            **observed,
            # Without a finding category the guide's code of a group is this, and then its category is left out.
            "code": _concept(codes.DCM.MeasurementGroup),
            "valueCodeableConcept": _concept(report.PNEUMONIA),
            "hasMember": [{"reference": urls["probability"]}, {"reference": urls["evaluation"]}],
            "note": [{"text": result.notice}],
        },
        "probability": {**observed, "code": _concept(report.PROBABILITY), "valueQuantity": value},
        "evaluation": {
            **observed,
            "category": [{"coding": [_QUALITATIVE]}],
            "code": _concept(report.PNEUMONIA),
            "valueCodeableConcept": _concept(evaluation),
        },
        "algorithm": _algorithm(result),
        "image": _image(reference, patient),
    }


def _algorithm(result: Result) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "displayName": PRODUCT,
        "manufacturer": MANUFACTURER,
        "version": [{"value": result.model_version}],
        "property": [
            {"type": {"text": name}, "valueString": value}
            for name, _, value in (pair.partition("=") for pair in report.parameters(result))
        ],
    }


def _image(reference: Dataset, patient: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "ImagingSelection",
        "status": "available",
        **patient,
        "code": _concept(codes.DCM.SourceOfMeasurement),
        "studyUid": reference.StudyInstanceUID,
        "seriesUid": reference.SeriesInstanceUID,
        "instance": [
            {
                "uid": reference.SOPInstanceUID,
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{reference.SOPClassUID}"},
            }
        ],
    }


def _patient(reference: Dataset) -> dict[str, Any]:
    if not reference.PatientID:
        return {"type": "Patient", "display": "not stated in the radiograph's file"}
    issuer = reference.get("IssuerOfPatientID")
    assigner = {"assigner": {"display": issuer}} if issuer else {}
    return {"type": "Patient", "identifier": {"value": str(reference.PatientID), **assigner}}


def _request(reference: Dataset) -> dict[str, Any]:
    if not reference.AccessionNumber:
        return {}
    identifier = {"type": {"coding": [_ACCESSION]}, "value": str(reference.AccessionNumber)}
    return {"basedOn": [{"type": "ServiceRequest", "identifier": identifier}]}


def _study(reference: Dataset) -> dict[str, Any]:
    named = {"system": _UIDS, "value": f"urn:oid:{reference.StudyInstanceUID}"}
    return {"type": "ImagingStudy", "identifier": {"type": _concept(codes.DCM.StudyInstanceUID), **named}}


def _narrative(result: Result, evaluation: Code) -> dict[str, str]:
    sentence = f"Pneumonia: {evaluation.meaning}, probability {result.probability:.3f}. {result.notice}"
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{html.escape(sentence)}</p></div>',
    }


def _concept(code: Code) -> dict[str, Any]:
    return {"coding": [{"system": _SYSTEMS[code.scheme_designator], "code": code.value, "display": code.meaning}]}
