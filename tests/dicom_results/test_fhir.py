"""FHIR by HL7's mapping of the report: valid resources that refer to each other, and to whom they are about."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_results import source
from tests.dicom_results.radiographs import IMAGE, SERIES, STUDY, TYPE_2, opened, radiograph, result


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Bundle, fhir, report
    from fhir.resources.bundle import Bundle

    from dicom_results import fhir, report


def made(content: bytes | None = None, **changed: Any) -> dict[str, Any]:
    """The resources by their names, of a bundle that the models of FHIR R5 accept."""
    bundle = fhir.make(source.read(io.BytesIO(content or radiograph())), result(**changed))
    Bundle.model_validate_json(bundle)
    found = json.loads(bundle)
    names = ("report", "group", "probability", "evaluation", "algorithm", "image")
    return {name: entry["resource"] for name, entry in zip(names, found["entry"], strict=True)} | {"bundle": found}


def coded(item: Dataset) -> set[tuple[str, str]]:
    """Scheme and value of every code in a structured report."""
    found = {(item.CodingSchemeDesignator, item.CodeValue)} if "CodeValue" in item else set()
    inside = (each for element in item if element.VR == "SQ" for each in element.value)
    return found.union(*map(coded, inside))


def test_it_says_what_the_report_says_in_the_same_codes() -> None:
    resources = made()
    assert resources["probability"]["valueQuantity"]["value"] == 0.9501581788063049
    assert resources["evaluation"]["valueCodeableConcept"]["coding"][0]["display"] == "Present"
    assert resources["algorithm"]["version"] == [{"value": "7"}]
    told = {one["type"]["text"]: one["valueString"] for one in resources["algorithm"]["property"]}
    assert told["threshold"] == "0.3672255576956385"
    assert told["model_package"].endswith("model-package/cxr-dev/7")
    reported = opened(report.make(source.read(io.BytesIO(radiograph())), result()))
    in_report = coded(reported) | {("DCM", "110180")}  # the guide's code for a study
    systems = {"http://dicom.nema.org/resources/ontology/DCM": "DCM", "http://snomed.info/sct": "SCT"}
    here = {
        (systems[system], code)
        for system, code in re.findall(r'"system": "([^"]+)", "code": "([^"]+)", "display"', json.dumps(resources))
        if system in systems
    }
    assert here
    assert here <= in_report


def test_a_mapped_group_has_its_members_and_a_report_its_group() -> None:
    resources = made()
    urls = [entry["fullUrl"] for entry in resources["bundle"]["entry"]]
    assert len(set(urls)) == len(urls)
    assert resources["report"]["result"] == [{"reference": urls[1]}]
    assert [one["reference"] for one in resources["group"]["hasMember"]] == urls[2:4]
    referred = set(re.findall(r'"reference": "([^"]+)"', json.dumps(resources["bundle"])))
    assert referred == set(urls) - {urls[0]}


def test_nobody_has_verified_it_and_it_says_what_it_is_for() -> None:
    resources = made()
    for name in ("report", "group", "probability", "evaluation"):
        assert resources[name]["status"] == "preliminary"
    for name in ("report", "group"):
        assert resources[name]["note"] == [{"text": "For research use only. Not a medical device."}]
    assert "For research use only." in resources["report"]["text"]["div"]


def test_patient_study_request_and_image_are_referred_to_by_their_identifiers() -> None:
    resources = made(radiograph(IssuerOfPatientID="Hospital"))
    for name in ("group", "probability", "evaluation", "report"):
        told = resources[name]
        assert told["subject"] == {
            "type": "Patient",
            "identifier": {"value": "P-1", "assigner": {"display": "Hospital"}},
        }
        assert told["basedOn"][0]["identifier"]["value"] == "A-77"
        study = told["study" if name == "report" else "partOf"][0]["identifier"]
        assert (study["system"], study["value"]) == ("urn:dicom:uid", f"urn:oid:{STUDY}")
    image = resources["image"]
    assert (image["studyUid"], image["seriesUid"], image["instance"][0]["uid"]) == (STUDY, SERIES, IMAGE)


def test_neither_name_nor_date_of_birth_is_repeated() -> None:
    said = json.dumps(made()["bundle"], ensure_ascii=False)
    assert "Zeichnung" not in said
    assert not re.search("2020-?01-?02", said)


@pytest.mark.parametrize("modality", ["CR", "DX"])
@pytest.mark.parametrize("absent", [*([name] for name in TYPE_2), list(TYPE_2)], ids="+".join)
def test_what_a_sender_left_out(modality: str, absent: list[str]) -> None:
    resources = made(radiograph(modality=modality, without=tuple(absent)))
    assert ("identifier" in resources["report"]["subject"]) == ("PatientID" not in absent)
    assert ("basedOn" in resources["report"]) == ("AccessionNumber" not in absent)


@pytest.mark.parametrize(
    ("changed", "display"),
    [({"label": "NORMAL"}, "Absent"), ({"indeterminate": True}, "Indeterminate"), ({"dataset_sha256": ""}, "Present")],
)
def test_near_the_threshold_neither_label_is_reported(changed: dict[str, Any], display: str) -> None:
    assert made(**changed)["evaluation"]["valueCodeableConcept"]["coding"][0]["display"] == display


def test_the_same_prediction_is_the_same_bundle() -> None:
    assert made() == made()
    assert made()["bundle"]["entry"][0]["fullUrl"] != made(prediction_id="other")["bundle"]["entry"][0]["fullUrl"]


def test_a_text_of_the_answer_is_no_markup() -> None:
    assert "<b>" not in made(notice="a <b> & c")["report"]["text"]["div"]
