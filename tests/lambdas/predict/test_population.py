"""A patient or view that the model is not meant for is refused or flagged, and neither age nor flag stays anywhere."""

from __future__ import annotations

import base64
import dataclasses
import json
import re

import pytest

from lambdas.api.documents import Prediction
from lambdas.predict import request
from tests.lambdas.predict.dicom_services import SCORED, Functions, Runtime, posted
from tests.lambdas.predict.test_dicom import made
from tests.model_code.support.dicom_files import dicom_file, phantom

PNG = b"\x89PNG\r\n\x1a\n" + b"PIXELS" * 20
CHILDREN = {"ages": ["0-17"], "views": ["AP"], "modalities": ["CR"]}
CHILD, ADULT = {"PatientAge": "004Y", "ViewPosition": "AP"}, {"PatientAge": "071Y", "ViewPosition": "AP"}


GUARANTEE = {
    "positive_predictive_value": 0.9,
    "negative_predictive_value": 0.95,
    "confidence": 0.95,
    "prevalence": 0.3,
    "sentence": "Guaranteed.",
}


def api(population=CHILDREN, *, refuse=True, kept=None, released=None, guarantee=None):
    runtime = Runtime()
    runtime.scored = {
        **SCORED,
        "schema": 3,
        "model": {**SCORED["model"], "guarantee": guarantee, "population": population},
    }
    runtime.scored["predictions"] = [{**SCORED["predictions"][0], "features": []}]
    keep = [] if kept is None else kept
    found = made(
        runtime,
        Functions(),
        keep=lambda told, _: keep.append(told),
        finish=lambda _, told: keep.append(told),
        release=([] if released is None else released).append,
    )
    predictions = dataclasses.replace(found.predictions, refuse_outside_population=refuse)
    return dataclasses.replace(found, predictions=predictions)


def file(**attributes):
    return posted(dicom_file(phantom(), **attributes))


def json_of(**members):
    document = {"image": base64.b64encode(PNG).decode(), **members}
    return posted(json.dumps(document).encode(), "application/json")


def answered(event, **options):
    answer = api(**options).answer(event)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_patient_that_the_model_is_meant_for_is_answered():
    status, document = answered(file(**CHILD))
    assert status == 200
    assert "outside_intended_population" not in document


def test_another_is_refused_with_whom_it_is_meant_for_and_without_the_age(capfd):
    kept = []
    status, document = answered(file(**ADULT), kept=kept)
    assert (status, document["code"]) == (422, "outside_intended_population")
    assert document["detail"] == (
        "The model was made for patients of 0 to 17 years, and this radiograph is stated to be of others."
    )
    assert kept == []
    # Without times, whose milliseconds may be any number.
    told = re.sub(r'"timestamp": ?"[^"]*"', "", json.dumps(document) + "".join(capfd.readouterr()))
    assert not re.findall(r"\b0?71Y?\b|60-79", told)


def test_a_view_can_lie_outside_as_well():
    status, document = answered(file(PatientAge="004Y", ViewPosition="PA"))
    assert (status, document["detail"]) == (
        422, "The model was made for AP views, and this radiograph is stated to be of others."
    )  # fmt: skip


def test_where_it_is_only_flagged_the_flag_is_reported_and_not_kept(capfd):
    kept, released = [], []
    status, document = answered(file(**ADULT), refuse=False, kept=kept, released=released)
    assert (status, document["outside_intended_population"]) == (200, ["age"])
    Prediction.model_validate(document)
    assert len(kept) == len(released) == 1, "a repetition is answered anew: one that was kept would have lost the flag"
    assert "outside_intended_population" not in json.dumps(kept) + "".join(capfd.readouterr())


@pytest.mark.parametrize(("attributes", "promised"), [(CHILD, True), (ADULT, False)])
def test_nothing_is_guaranteed_of_a_patient_that_the_model_is_not_meant_for(attributes, promised):
    """It is about patients like those of the validation data. The record does not tell one from another."""
    kept = []
    _, document = answered(file(**attributes), refuse=False, kept=kept, guarantee=GUARANTEE)
    assert (document["guarantee"] is not None) is promised
    assert kept[0]["guarantee"] is not None


@pytest.mark.parametrize(("years", "status"), [(3, 200), (17.5, 200), (44, 422), (None, 200)])
def test_clients_without_dicom_may_state_the_age(years, status):
    members = {} if years is None else {"patient_age_years": years}
    assert answered(json_of(**members))[0] == status


def test_what_the_file_states_goes_before_what_the_client_does():
    content = base64.b64encode(dicom_file(phantom(), **CHILD)).decode()
    sent = json.dumps({"image": content, "patient_age_years": 50}).encode()
    assert answered(posted(sent, "application/json"))[0] == 200


@pytest.mark.parametrize("years", [-1, 120, "4", True, [4], float("nan")])
def test_what_is_no_age_is_refused_without_being_repeated(years):
    status, document = answered(json_of(patient_age_years=years))
    assert (status, document["detail"]) == (400, "patient_age_years has to be a number from 0 to below 120.")


def test_the_age_is_in_no_fingerprint_and_no_repr():
    one, other = (request.read(json_of(patient_age_years=years), 10_000) for years in (3, 44))
    assert one.fingerprint() == other.fingerprint()
    assert "44" not in repr(other)


@pytest.mark.parametrize("population", [None, {"ages": [], "views": [], "modalities": []}])
def test_a_model_whose_data_did_not_say_is_meant_for_anybody(population):
    assert answered(file(**ADULT), population=population)[0] == 200
