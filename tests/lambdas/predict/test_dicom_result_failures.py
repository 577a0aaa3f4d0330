"""Without a result in DICOM the prediction is there, a repetition makes it, and nothing of a patient stays."""

import base64
import json

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.predict.accept import FHIR
from lambdas.predict.dicom_result import LATEST_SECONDS
from lambdas.predict.results import Results
from tests.dicom_results.radiographs import STUDY, opened, radiograph
from tests.lambdas.predict.dicom_answers import DICOM, ID, MULTIPART, Service, files, refused
from tests.lambdas.predict.dicom_services import CONVERTER, RESULT_MAKER, UPLOAD, Bucket, Functions, body
from tests.lambdas.tables import PREDICTIONS, REQUESTS, items


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global fhir, report
    from dicom_results import fhir, report


class TestRefusal:
    """Refusals that need no answer of the model come before it is asked, and then nothing was predicted."""

    @pytest.mark.parametrize("accepted", [DICOM, MULTIPART, FHIR])
    def test_where_it_is_turned_off(self, dynamodb, accepted):
        service = Service(dynamodb, on=False)
        detail = refused(service.ask(accepted=accepted, key="k"), 406, "not_acceptable")
        assert "api.dicom_results is off" in detail
        assert (service.runtime.asked, service.functions.asked) == ([], [])
        assert items(dynamodb, REQUESTS) == []
        assert service.ask(accepted="*/*")["statusCode"] == 200

    def test_of_a_picture(self, service, dynamodb):
        jpeg = b"\xff\xd8\xff" + bytes(20)
        detail = refused(service.ask(jpeg, content_type="image/jpeg", key="k"), 406, "not_acceptable")
        assert "this is image/jpeg: it belongs to no study" in detail
        service.s3 = Bucket(b"\x89PNG\r\n\x1a\n" + bytes(200))
        sent = json.dumps({"upload": UPLOAD}).encode()
        assert "image/png" in refused(service.ask(sent, content_type="application/json"), 406, "not_acceptable")
        assert (service.runtime.asked, items(dynamodb, REQUESTS)) == ([], [])

    def test_who_asks_for_json_sends_nothing_of_the_patient_beyond_the_dicom_function(self, service):
        service.ask(accepted="application/json")
        assert (service.functions.asked, [*service.functions.events[0]]) == ([CONVERTER], ["dicom"])


def kept(dynamodb):
    return [one["id"] for one in items(dynamodb, PREDICTIONS)]


class TestNotMade:
    """The prediction is never lost: it is kept, and the error says which it was."""

    @pytest.mark.parametrize(
        ("stated", "reason"),
        [
            ({"without": ("StudyInstanceUID",)}, "it states no Study Instance UID"),
            ({"StudyInstanceUID": ""}, "it states no Study Instance UID"),
            ({"without": ("SeriesInstanceUID",)}, "it states no Series Instance UID"),
        ],
    )
    def test_of_a_file_that_has_no_place_in_an_archive(self, service, dynamodb, stated, reason):
        detail = refused(service.ask(radiograph(**stated)), 422, "no_dicom_result")
        assert detail == (
            f"Prediction {ID} was made: GET /v1/predictions/{ID} answers it in JSON. "
            f"A result in DICOM cannot be made of this file: {reason}."
        )
        assert kept(dynamodb) == [ID]

    def test_of_a_file_whose_uid_is_outside_the_standard(self, service, dynamodb):
        content = radiograph().replace(STUDY.encode(), b"SMITH.JOHN.1980.01.02.A-777")
        assert "has an unusable Study Instance UID" in (detail := refused(service.ask(content), 422, "no_dicom_result"))
        assert "SMITH" not in detail
        assert kept(dynamodb) == [ID]

    @pytest.mark.parametrize("step", ["dicom_results.source.encode", "dicom_results.report.make"])
    def test_of_what_the_library_refuses_and_no_value_is_reported(self, service, dynamodb, monkeypatch, capfd, step):
        def refuses(*_):
            raise TypeError("SECRET^NAME is no name")

        monkeypatch.setattr(step, refuses)
        detail = refused(service.ask(), 422, "no_dicom_result")
        assert "what it states cannot be taken over (TypeError)" in detail
        assert kept(dynamodb) == [ID]
        assert "SECRET" not in detail + "".join(capfd.readouterr())

    @pytest.mark.parametrize(
        "functions",
        [
            {"errors": {RESULT_MAKER: ReadTimeoutError(endpoint_url="https://lambda")}},
            {"errors": {RESULT_MAKER: ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")}},
            {"errors": {RESULT_MAKER: ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke")}},
            {
                "answers": {
                    RESULT_MAKER: {
                        "FunctionError": "Unhandled",
                        "Payload": body({"errorType": "KeyError", "errorMessage": "SECRET"}),
                    }
                }
            },
        ],
    )
    @pytest.mark.parametrize("key", [None, "k"])
    def test_this_time(self, dynamodb, functions, key, capfd):
        service = Service(dynamodb, functions=Functions(**functions))
        answer = service.ask(key=key)
        detail = refused(answer, 503, "dicom_result_not_made")
        assert detail.startswith(f"Prediction {ID} was made: GET /v1/predictions/{ID} answers it in JSON.")
        assert ("Repeat the request with its Idempotency-Key, and the result of the same" in detail) == (
            key is not None
        )
        assert ("another prediction, unless it has" in detail) == (key is None)
        assert answer["headers"]["Retry-After"] == "2"
        assert kept(dynamodb) == [ID]
        assert "SECRET" not in detail + "".join(capfd.readouterr())

    def test_where_too_little_time_is_left(self, service, dynamodb, monkeypatch):
        """API Gateway would answer instead, and not know the prediction."""
        scored = service.api.predictions._scored

        def slowly(asked, prepared, exchange):
            exchange.started -= LATEST_SECONDS + 1
            return scored(asked, prepared, exchange)

        object.__setattr__(service.api.predictions, "_scored", slowly)
        refused(service.ask(), 503, "dicom_result_not_made")
        assert service.functions.asked == [CONVERTER]
        assert kept(dynamodb) == [ID]

    def test_and_where_it_could_not_be_kept_either_that_is_reported(self, service, monkeypatch):
        monkeypatch.setattr(Results, "keep", lambda *_: 1 / 0)
        detail = refused(service.ask(radiograph(without=("StudyInstanceUID",))), 422, "no_dicom_result")
        assert detail.startswith(f"Prediction {ID} was made, and could not be kept. ")


class TestRepetition:
    def test_of_what_is_not_remembered_a_repetition_is_said_to_be_another_prediction(self, dynamodb):
        """A flag about the patient is kept nowhere, so such an answer is not either."""
        service = Service(dynamodb, functions=Functions(errors={RESULT_MAKER: ReadTimeoutError(endpoint_url="x")}))
        population = {"ages": ["0-17"], "views": [], "modalities": []}
        service.runtime.scored["schema"] = 3
        service.runtime.scored["model"] = {
            **service.runtime.scored["model"],
            "guarantee": None,
            "population": population,
        }
        service.runtime.scored["predictions"][0]["features"] = []
        object.__setattr__(service.api.predictions, "refuse_outside_population", False)
        detail = refused(service.ask(radiograph(PatientAge="071Y"), key="k"), 503, "dicom_result_not_made")
        assert detail.endswith("Its result in DICOM was not. A repeated request is another prediction.")
        service.functions = Functions()
        (made,) = files(service.ask(radiograph(PatientAge="071Y"), key="k", request_id="another"))
        assert "prediction another" in opened(made).to_json()
        assert "The model is not meant for this patient" in opened(made).to_json()

    def test_a_repeated_request_gets_the_same_file_and_the_model_is_asked_once(self, service):
        (first,) = files(service.ask(key="k"))
        answer = service.ask(key="k", request_id="another")
        assert answer["headers"]["Idempotency-Replayed"] == "true"
        assert files(answer) == [first]
        assert len(service.runtime.asked) == 1

    def test_what_failed_is_made_by_a_repetition(self, dynamodb):
        service = Service(dynamodb, functions=Functions(errors={RESULT_MAKER: ReadTimeoutError(endpoint_url="x")}))
        refused(service.ask(key="k"), 503, "dicom_result_not_made")
        service.functions = Functions()
        (made,) = files(service.ask(key="k", request_id="another"))
        assert f"prediction {ID}" in opened(made).to_json()
        assert kept(dynamodb) == [ID]

    def test_in_json_it_is_the_answer_and_nothing_beside(self, service):
        files(service.ask(key="k"))
        document = json.loads(service.ask(key="k", accepted="application/json", request_id="another")["body"])
        assert document["id"] == ID
        assert "answered_at" not in document

    def test_the_picture_is_the_same_too(self, service):
        """The map is remembered with the answer, and the radiograph comes with the repeated request."""
        first = files(service.ask(key="k", accepted=MULTIPART, explain=True))
        assert [opened(one).Modality for one in first] == ["SR", "OT"]
        assert files(service.ask(key="k", accepted=MULTIPART, explain=True, request_id="another")) == first
        assert len(service.runtime.asked) == 1

    def test_where_the_file_cannot_be_read_again_the_prediction_is_named(self, service):
        files(service.ask(key="k"))
        service.functions = Functions(errors={CONVERTER: ReadTimeoutError(endpoint_url="x")})
        detail = refused(service.ask(key="k", request_id="another"), 503, "dicom_result_not_made")
        assert f"GET /v1/predictions/{ID}" in detail


PATIENT = {
    "PatientName": "SECRETNAME^ANNA",
    "PatientID": "SECRETID-1",
    "PatientBirthDate": "19510203",
    "AccessionNumber": "SECRETACC",
    "ReferringPhysicianName": "SECRETDOC^BEN",
    "StudyDescription": "SECRETDESC chest",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.77",
}


@pytest.mark.parametrize("accepted", [DICOM, MULTIPART, FHIR])
@pytest.mark.parametrize("broken", [False, True])
def test_nothing_of_the_patient_is_kept_or_logged(dynamodb, accepted, broken, capfd, monkeypatch):
    """It passes through three functions' memory into the answer, and is nowhere else afterwards."""
    if broken:
        for module in (report, fhir):
            monkeypatch.setattr(module, "make", lambda reference, _: getattr(reference, str(reference.PatientName)))
    answer = Service(dynamodb).ask(radiograph(**PATIENT), accepted=accepted, explain=True, key="k")
    assert answer["statusCode"] == (422 if broken else 200)
    if not broken:
        made = base64.b64decode(answer["body"]).decode("latin-1") if answer["isBase64Encoded"] else answer["body"]
        repeated = {"PatientID", "AccessionNumber", "StudyInstanceUID"} if accepted == FHIR else PATIENT
        assert all(PATIENT[name] in made for name in repeated), "or this test looks for the wrong words"
    logged, stored = "".join(capfd.readouterr()), json.dumps([items(dynamodb, PREDICTIONS), items(dynamodb, REQUESTS)])
    assert "answered" in logged
    assert ID in stored
    for value in (*PATIENT.values(), "SECRET"):
        assert value not in logged
        assert value not in stored
        assert not broken or value not in answer["body"]
