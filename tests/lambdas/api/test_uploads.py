"""A form lets one file of one type and a limited size into the uploads, for minutes."""

from __future__ import annotations

import base64
import json
import time
from datetime import datetime

import pytest

from lambdas.api.documents import Upload
from lambdas.dicom.uploads import MAX_BYTES
from lambdas.predict import uploads as fetched
from lambdas.predict.request import UPLOAD
from tests.lambdas.rest_events import REQUEST_ID, captured, event, problem
from tests.lambdas.tables import REQUESTS, items

ENVIRONMENT = {
    "UPLOAD_BUCKET": "cxr-data",
    "REQUESTS_TABLE": REQUESTS,
    "MAX_UPLOAD_BYTES": "5000",
    "ALLOWED_ORIGINS": "https://reader.example",
}


@pytest.fixture
def log(monkeypatch):
    return captured(monkeypatch)


@pytest.fixture
def upload(load_handler, context, dynamodb, monkeypatch):
    module, handle = load_handler("lambdas.api.uploads.handle", **ENVIRONMENT)
    monkeypatch.setattr(module, "dynamodb", lambda: dynamodb)
    return lambda body=None, **more: handle(event("POST", "/v1/uploads", body, **more), context)


def policy(form):
    return json.loads(base64.b64decode(form["fields"]["policy"]))


def test_the_form_holds_for_one_key_one_type_and_a_size(upload):
    answer = upload({"media_type": "image/png"})
    assert answer["statusCode"] == 201
    form = json.loads(answer["body"])
    Upload.model_validate_json(answer["body"])
    conditions = policy(form)["conditions"]
    assert {"bucket": "cxr-data"} in conditions
    assert {"key": f"uploads/{form['upload']}"} in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert ["content-length-range", 1, 5000] in conditions
    assert "starts-with" not in str(conditions)
    assert form["max_bytes"] == 5000
    assert form["fields"]["Content-Type"] == "image/png"


def test_the_form_holds_for_minutes(upload):
    form = json.loads(upload({"media_type": "image/jpeg"})["body"])
    for expires in (policy(form)["expiration"], form["expires_at"]):
        assert 240 < datetime.fromisoformat(expires).timestamp() - time.time() <= 301


def test_dicom_files_may_be_larger_because_the_endpoint_gets_an_image_made_of_them(upload):
    form = json.loads(upload({"media_type": "application/dicom"})["body"])
    assert ["content-length-range", 1, form["max_bytes"]] in policy(form)["conditions"]
    assert form["max_bytes"] == MAX_BYTES


def test_what_is_uploaded_is_what_a_prediction_asks_for(upload):
    form = json.loads(upload({"media_type": "image/jpeg"})["body"])
    assert UPLOAD.fullmatch(form["upload"])
    assert form["fields"]["key"] == fetched.PREFIX + form["upload"]


def test_nobody_can_guess_an_upload(upload):
    first, second = (json.loads(upload({"media_type": "image/jpeg"})["body"])["upload"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    "body",
    [{"media_type": "text/html"}, {}, {"media_type": "image/png", "key": "datasets/x"}, [], "{", "null", None, ""],
)
def test_anything_else_is_not_understood(upload, body):
    problem(upload(body), 400, "invalid_request")


def test_another_media_type_than_json_is_refused(upload):
    answer = upload("media_type=image/png", headers={"Content-Type": "text/plain"})
    problem(answer, 415, "unsupported_media_type")
    assert answer["headers"]["Accept"] == "application/json"


def test_a_repetition_gets_the_same_form_as_long_as_that_works(upload, dynamodb):
    first, second = (upload({"media_type": "image/png"}, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first["body"] == second["body"]
    assert second["headers"]["Idempotency-Replayed"] == "true"
    assert second["statusCode"] == 201
    assert second["headers"]["Content-Type"] == "application/json"
    (record,) = items(dynamodb, REQUESTS)
    assert record["id"].startswith("uploads#")
    assert float(record["expires_at"]) <= time.time() + 300
    problem(upload({"media_type": "image/jpeg"}, headers={"Idempotency-Key": "k"}), 422, "idempotency_key_reused")


def test_a_refused_request_does_not_use_its_key_up(upload):
    problem(upload({}, headers={"Idempotency-Key": "k"}), 400, "invalid_request")
    assert upload({"media_type": "image/png"}, headers={"Idempotency-Key": "k"})["statusCode"] == 201


def test_a_page_of_an_allowed_origin_may_read_the_form(upload):
    answer = upload({"media_type": "image/png"}, headers={"Origin": "https://reader.example"})
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://reader.example"


def test_the_log_names_the_request_and_holds_no_form(upload, log):
    form = json.loads(upload({"media_type": "image/png"}, headers={"Idempotency-Key": "secret-key"})["body"])
    logged = log.getvalue()
    (line,) = map(json.loads, logged.splitlines())
    assert (line["request_id"], line["status"], line["message"]) == (REQUEST_ID, 201, "answered")
    for secret in (form["upload"], form["fields"]["policy"], form["fields"]["x-amz-signature"], "secret-key"):
        assert secret not in logged


def test_an_unexpected_failure_is_logged_and_not_disclosed(upload, dynamodb, log):
    dynamodb.delete_table(TableName=REQUESTS)
    answer = upload({"media_type": "image/png"}, headers={"Idempotency-Key": "k"})
    problem(answer, 500, "internal_error")
    assert "ResourceNotFound" not in answer["body"]
    assert "ResourceNotFound" in log.getvalue()


DEEP = "[" * 4_000
HOSTILE = {
    "deep arrays": DEEP,
    "deep objects": '{"media_type":' * 500,
    "deep and complete": '{"media_type": "image/png", "x": ' + "[" * 3_000 + "]" * 3_000 + "}",
    "a number of many digits": '{"media_type": ' + "9" * 6_000 + "}",
    "many unknown members": json.dumps({f"secret{number}": 1 for number in range(400)}),
    "a long unknown member": json.dumps({"media_type": "image/png", "secret" * 1_000: 1}),
    "a large document": json.dumps({"media_type": "image/png" + " " * 2_000_000}),
    "an array of the right thing": '[{"media_type": "image/png"}]',
    "a member that is an array": '{"media_type": ["image/png"]}',
    "not UTF-8": base64.b64encode('{"media_type": "image/png"}'.encode("utf-16")).decode(),
    "not base64": "%%%",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused_in_a_sentence_of_ours(upload, log, name):
    """Neither a failure of ours nor an answer that grows with the question."""
    in_base64 = name.startswith("not ")
    answer = upload(HOSTILE[name], isBase64Encoded=in_base64)
    detail = problem(answer, 400, "invalid_request")["detail"]
    assert len(answer["body"]) < 600
    assert "secret" not in detail
    assert "unexpected" not in log.getvalue()
