"""The HTTP API over a stubbed endpoint: every answer, every code, and what may never be logged."""

import base64
import io
import json
import uuid
from datetime import UTC, datetime

import botocore.session
import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lambdas.api.documents import Health, KeptPrediction, Prediction
from lambdas.http.answers import Answers
from lambdas.http.idempotency import Requests
from lambdas.http.problems import KINDS
from lambdas.predict import request
from lambdas.predict.api import Api
from lambdas.predict.dicom import Dicom
from lambdas.predict.endpoint import Endpoint
from lambdas.predict.function import Function
from lambdas.predict.model import PREPARATION_SECONDS, Model
from lambdas.predict.results import Results
from lambdas.predict.uploads import Uploads
from tests.lambdas.predict.dicom_services import PACKAGE, SCORED

JPEG = b"\xff\xd8\xff\xe0" + b"SECRET-PIXELS" * 20
PNG = b"\x89PNG\r\n\x1a\n" + b"SECRET-PIXELS" * 20
REQUEST_ID = "11111111-2222-4333-8444-555555555555"
GUARANTEE = {"negative_predictive_value": None, "positive_predictive_value": 0.9, "confidence": 0.95,
             "prevalence": 0.4, "patients": 200, "sentence": "…"}  # fmt: skip
OVERLAY = base64.b64encode(b"\x89PNG transparent").decode()
EXPLAINED = {**SCORED, "predictions": [{**SCORED["predictions"][0], "overlay_png": OVERLAY}]}
UPLOAD = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def clients():
    """Made once: loading SageMaker's API description takes long."""
    session = botocore.session.Session()
    session.set_credentials("testing", "testing")
    return {
        name: session.create_client(name, region_name="us-east-1") for name in ("sagemaker-runtime", "sagemaker", "s3")
    }


@pytest.fixture
def runtime(clients):
    with Stubber(clients["sagemaker-runtime"]) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def control(clients):
    with Stubber(clients["sagemaker"]) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def clock():
    return [0.0]


class Memory:
    """DynamoDB's two operations without its conditions, which test_web_idempotency.py is about."""

    def __init__(self):
        self.tables = {"predictions": {}, "requests": {}}
        self.error = None

    def put_item(self, TableName, Item, **_):  # noqa: N803 - botocore's names
        if self.error:
            raise self.error
        self.tables[TableName][Item["id"]["S"]] = Item

    def delete_item(self, TableName, Key, **_):  # noqa: N803
        del self.tables[TableName][Key["id"]["S"]]


def made(model, endpoint, *, memory=None, s3=None, **changed):
    """The API; test_predict_dicom.py is about its converter."""
    memory = memory or Memory()
    parts = {
        "hurried_model": lambda: None,
        "dicom": Dicom(Function(lambda: None, "dicom")),
        "uploads": Uploads(lambda: s3, "bucket", 2000),
        "results": Results(memory, "predictions", 600, clock=lambda: 1_800_000_000.0),
        "requests": Requests(memory, "requests", operation="predictions"),
        "answers": Answers(),
        **changed,
    }
    return Api(model=model, endpoint=endpoint, max_image_bytes=1000, **parts)


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def api(clients, runtime, control, clock, memory):
    endpoint = Endpoint(client=lambda: clients["sagemaker"], name="cxr-dev", clock=lambda: clock[0])
    return made(Model(clients["sagemaker-runtime"], endpoint), endpoint, memory=memory, s3=clients["s3"])


def event(body=JPEG, content_type="image/jpeg", method="POST", path="/v1/predictions", **overrides):
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"content-type": content_type} if content_type else {},
        "requestContext": {"requestId": REQUEST_ID, "stage": "api"},
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
        **overrides,
    }


def scores(runtime, document=SCORED, body=JPEG, content_type="image/jpeg", **asked):
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    expected = {"EndpointName": "cxr-dev", "ContentType": content_type, "Accept": "application/json", "Body": body}
    expected |= asked
    answer = {"Body": StreamingBody(io.BytesIO(payload), len(payload)), "ContentType": "application/json"}
    runtime.add_response("invoke_endpoint", answer, expected)


def fails(runtime, code, message="", **members):
    runtime.add_client_error("invoke_endpoint", code, message, http_status_code=400, modeled_fields=members or None)


def describes(control, status):
    answer = {
        "EndpointName": "cxr-dev",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/cxr-dev",
        "EndpointStatus": status,
        "CreationTime": 0,
        "LastModifiedTime": 0,
    }
    control.add_response("describe_endpoint", answer, {"EndpointName": "cxr-dev"})


def is_absent(control):
    control.add_client_error("describe_endpoint", "ValidationException", 'Could not find endpoint "arn:...".')


def problem(answer, status, code):
    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["code"]) == (status, code)
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert set(document) == {"type", "title", "status", "detail", "code", "request_id"}
    assert document["status"] == KINDS[code].status == status
    assert document["title"] == KINDS[code].title
    assert document["type"].endswith(code)
    assert document["request_id"] == answer["headers"]["x-request-id"] == REQUEST_ID
    assert document["detail"].endswith("."), "a detail is a sentence"
    retry_after = KINDS[code].retry_after
    assert answer["headers"].get("Retry-After") == (None if retry_after is None else str(retry_after))
    return document


class TestPrediction:
    @pytest.mark.parametrize(
        ("body", "declared", "sent"),
        [
            (JPEG, "image/jpeg", "image/jpeg"),
            (PNG, "image/png", "image/png"),
            (PNG, "Image/PNG; charset=binary", "image/png"),
            (JPEG, "image/jpg", "image/jpeg"),
        ],
    )
    def test_image_goes_to_the_endpoint_byte_for_byte(self, api, runtime, body, declared, sent):
        scores(runtime, body=body, content_type=sent)
        answer = api.answer(event(body, declared))
        assert answer["statusCode"] == 200
        assert answer["headers"]["Content-Type"] == "application/json"

    def test_answer(self, api, runtime):
        scores(runtime)
        document = json.loads(api.answer(event())["body"])
        assert document["notice"].startswith("For research use only.")
        del document["notice"]
        assert document == {
            "id": REQUEST_ID,
            "probability": 0.93,
            "label": "PNEUMONIA",
            "indeterminate": False,
            "guarantee": None,
            "threshold": 0.42,
            "model": {
                "package_arn": PACKAGE,
                "group": "cxr-dev",
                "version": 12,
                "indeterminate": {"low": 0.3, "high": 0.6},
                "image_size": 220,
                "dataset_sha256": "ab" * 32,
                "engine": "tensorflow",
            },
        }

    @pytest.mark.parametrize(
        ("indeterminate", "guarantee"),
        [(False, {"predictive_value": 0.9, "confidence": 0.95, "prevalence": 0.4}), (True, None)],
    )
    def test_answer_says_what_is_guaranteed_of_it(self, api, runtime, indeterminate, guarantee):
        (scored,), model = SCORED["predictions"], {**SCORED["model"], "guarantee": GUARANTEE}
        scores(runtime, {"schema": 2, "predictions": [{**scored, "indeterminate": indeterminate, "features": []}],
                         "model": model})  # fmt: skip
        answer = api.answer(event())
        assert json.loads(answer["body"])["guarantee"] == guarantee
        Prediction.model_validate_json(answer["body"], strict=True)

    @pytest.mark.parametrize("explain", [False, True])
    def test_answer_is_what_the_openapi_document_says(self, api, runtime, explain):
        """It is built without pydantic, which a cold start would wait for."""
        scores(runtime, EXPLAINED, **({"CustomAttributes": "explain=true"} if explain else {}))
        answer = api.answer(event(queryStringParameters={"explain": str(explain).lower()}))
        Prediction.model_validate_json(answer["body"], strict=True)

    def test_overlay_comes_where_it_is_asked_for(self, api, runtime):
        scores(runtime, EXPLAINED, CustomAttributes="explain=true")
        document = json.loads(api.answer(event(queryStringParameters={"explain": "true"}))["body"])
        picture = {"media_type": "image/png", "data": OVERLAY}
        assert document["overlay"] == {**picture, "cells": 7, "empty": None}, "a model of before it said either"

    def test_overlay_says_its_cells_and_whether_it_is_empty(self, api, runtime):
        told = {**EXPLAINED["predictions"][0], "overlay_cells": 14, "overlay_empty": True}
        scores(runtime, {**EXPLAINED, "predictions": [told]}, CustomAttributes="explain=true")
        document = json.loads(api.answer(event(queryStringParameters={"explain": "true"}))["body"])
        assert (document["overlay"]["cells"], document["overlay"]["empty"]) == (14, True)

    def test_overlay_that_does_not_come_is_the_model_s_fault(self, api, runtime):
        scores(runtime, CustomAttributes="explain=true")
        problem(api.answer(event(queryStringParameters={"explain": "true"})), 502, "model_error")

    @pytest.mark.parametrize("value", ["", "yes", "True"])
    def test_explain_is_true_or_false(self, api, value):
        problem(api.answer(event(queryStringParameters={"explain": value})), 400, "invalid_request")

    def test_every_answer_is_named_uncached_and_not_sniffed(self, api, runtime):
        scores(runtime)
        for answer in (api.answer(event()), api.answer(event(path="/nowhere"))):
            headers = answer["headers"]
            assert headers["x-request-id"] == REQUEST_ID
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert answer["isBase64Encoded"] is False

    def test_id_is_made_when_the_gateway_gives_none(self, api, runtime):
        scores(runtime)
        answer = api.answer(event(requestContext={}))
        assert str(uuid.UUID(json.loads(answer["body"])["id"])) == answer["headers"]["x-request-id"]

    def test_proxy_resource_is_routed_by_path(self, api, runtime):
        scores(runtime)
        assert api.answer(event(resource="/{proxy+}", path="/v1/predictions/"))["statusCode"] == 200

    def test_header_names_in_any_case(self, api, runtime):
        scores(runtime)
        assert api.answer(event(headers={"Content-Type": "image/jpeg"}))["statusCode"] == 200


class TestRequestProblems:
    @pytest.mark.parametrize(
        "content_type", ["application/xml", "image/webp", "application/dicom+json", "text/plain", None]
    )
    def test_unsupported_media_type(self, api, content_type):
        answer = api.answer(event(content_type=content_type))
        problem(answer, 415, "unsupported_media_type")
        assert answer["headers"]["Accept"] == "image/jpeg, image/png, application/dicom, application/json"

    def test_declared_type_of_the_other_format(self, api):
        document = problem(api.answer(event(PNG, "image/jpeg")), 415, "unsupported_media_type")
        assert "Content-Type image/png" in document["detail"]

    @pytest.mark.parametrize("body", [b"", None])
    def test_empty_body(self, api, body):
        problem(api.answer(event(body)), 400, "empty_body")

    @pytest.mark.parametrize("size", [1001, 2000, 4_000_000])
    def test_image_too_large(self, api, size):
        document = problem(api.answer(event(JPEG.ljust(size, b"\0"))), 413, "image_too_large")
        assert "1,000" in document["detail"]

    def test_image_of_exactly_the_limit(self, api, runtime):
        body = JPEG.ljust(1000, b"\0")
        scores(runtime, body=body)
        assert api.answer(event(body))["statusCode"] == 200

    @pytest.mark.parametrize(
        "overrides",
        [
            {"body": base64.b64encode(b"GIF89a").decode()},
            {"body": "%%% no base64 %%%"},
            # What a gateway makes of an image when it does not know the type to be binary.
            {"body": JPEG.decode("utf-8", "replace"), "isBase64Encoded": False},
            {"body": "\ud800", "isBase64Encoded": False},
        ],
    )
    def test_undecodable_image(self, api, overrides):
        problem(api.answer({**event(), **overrides}), 400, "undecodable_image")

    @pytest.mark.parametrize("path", ["/", "/v1", "/v2/predictions", "/v1/predictions/7"])
    def test_not_found(self, api, path):
        problem(api.answer(event(path=path)), 404, "not_found")

    @pytest.mark.parametrize(
        ("path", "method", "allow"), [("/v1/predictions", "GET", "POST"), ("/v1/health", "POST", "GET")]
    )
    def test_method_not_allowed(self, api, path, method, allow):
        answer = api.answer(event(path=path, method=method))
        problem(answer, 405, "method_not_allowed")
        assert answer["headers"]["Allow"] == allow


def in_json(document, **overrides):
    body = document if isinstance(document, str) else json.dumps(document)
    return {**event(None, "application/json; charset=utf-8"), "body": body, **overrides}


class TestJson:
    @pytest.mark.parametrize(("body", "sent"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
    def test_image_in_base64_goes_to_the_endpoint_byte_for_byte(self, api, runtime, body, sent):
        scores(runtime, body=body, content_type=sent)
        assert api.answer(in_json({"image": base64.b64encode(body).decode()}))["statusCode"] == 200

    def test_gateway_that_passes_json_as_bytes(self, api, runtime):
        scores(runtime)
        document = json.dumps({"image": base64.b64encode(JPEG).decode()}).encode()
        passed = in_json("", body=base64.b64encode(document).decode(), isBase64Encoded=True)
        assert api.answer(passed)["statusCode"] == 200

    @pytest.mark.parametrize(
        "document",
        [
            *("{", "[]", "null", "[" * 100_000),
            *({}, {"image": 7}, {"image": None}, {"upload": ["x"]}, {"picture": "x"}),
            {"image": "AAAA", "upload": UPLOAD},
            {"image": "AAAA", "name": "Jane Doe"},
            *({"image": "%%%%"}, {"image": "AAA"}),
            *({"upload": "../datasets/x"}, {"upload": UPLOAD + "0"}, {"upload": UPLOAD.upper()}, {"upload": ""}),
        ],
    )
    def test_other_documents_are_not_understood_and_not_repeated(self, api, document):
        found = problem(api.answer(in_json(document)), 400, "invalid_request")
        assert "Jane" not in found["detail"]

    def test_no_document(self, api):
        problem(api.answer(in_json("")), 400, "empty_body")

    def test_document_without_an_image_s_bytes(self, api):
        problem(api.answer(in_json({"image": ""})), 400, "empty_body")

    def test_image_of_another_format(self, api):
        problem(api.answer(in_json({"image": base64.b64encode(b"GIF89a").decode()})), 400, "undecodable_image")

    @pytest.mark.parametrize("size", [1001, 4_000_000])
    def test_image_too_large(self, api, size):
        image = base64.b64encode(JPEG.ljust(size, b"\0")).decode()
        problem(api.answer(in_json({"image": image})), 413, "image_too_large")


class TestUpload:
    @pytest.fixture
    def s3(self, clients):
        with Stubber(clients["s3"]) as stub:
            yield stub
            stub.assert_no_pending_responses()

    def holds(self, s3, body):
        """That it is no DICOM file is found out first."""
        start = {"Body": StreamingBody(io.BytesIO(body[128:132]), len(body[128:132]))}
        s3.add_response("get_object", start, {"Bucket": "bucket", "Key": f"uploads/{UPLOAD}", "Range": "bytes=128-131"})
        answer = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)}
        s3.add_response("get_object", answer, {"Bucket": "bucket", "Key": f"uploads/{UPLOAD}"})

    def test_uploaded_image_goes_to_the_endpoint_byte_for_byte(self, api, runtime, s3):
        """Larger than what a request may carry: that is what uploads are for."""
        body = PNG.ljust(1500, b"\0")
        self.holds(s3, body)
        scores(runtime, body=body, content_type="image/png")
        assert api.answer(in_json({"upload": UPLOAD}))["statusCode"] == 200

    @pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
    def test_upload_that_is_not_there(self, api, s3, code):
        s3.add_client_error("get_object", code)
        problem(api.answer(in_json({"upload": UPLOAD})), 404, "upload_not_found")

    def test_bucket_that_fails_is_not_the_caller_s_fault(self, api, s3):
        s3.add_client_error("get_object", "InternalError")
        problem(api.answer(in_json({"upload": UPLOAD})), 500, "internal_error")

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (JPEG.ljust(2001, b"\0"), 413, "image_too_large"),
            (b"GIF89a", 400, "undecodable_image"),
            (b"", 400, "empty_body"),
        ],
    )
    def test_upload_of_something_else(self, api, s3, body, status, code):
        self.holds(s3, body)
        problem(api.answer(in_json({"upload": UPLOAD})), status, code)


class TestKept:
    def test_prediction_is_kept_without_image_and_overlay(self, api, runtime, memory):
        scores(runtime, EXPLAINED, CustomAttributes="explain=true")
        api.answer(event(queryStringParameters={"explain": "true"}))
        (kept,) = memory.tables["predictions"].values()
        assert kept["id"] == {"S": REQUEST_ID}
        assert (kept["created_at"], kept["expires_at"]) == ({"N": "1800000000"}, {"N": "1800000600"})
        KeptPrediction.model_validate_json(kept["answer"]["S"], strict=True)
        assert OVERLAY not in str(kept)
        assert base64.b64encode(JPEG).decode()[:40] not in str(kept)

    def test_what_monitoring_compares_is_kept_beside_the_answer_and_not_told_to_the_client(self, api, runtime, memory):
        observed = {**SCORED["predictions"][0], "probability": 1e-300, "features": [0.5, -1.25]}
        scores(runtime, {**SCORED, "predictions": [observed]})
        told = api.answer(event())["body"]
        (kept,) = memory.tables["predictions"].values()
        assert (kept["package_arn"], kept["out_of_distribution_score"]) == ({"S": PACKAGE}, {"N": "0.400000000"})
        # DynamoDB refuses a number below 1e-130.
        assert kept["probability"] == {"N": "0.000000000"}
        assert json.loads(kept["features"]["S"]) == [0.5, -1.25]
        assert "features" not in told
        assert "features" not in kept["answer"]["S"]

    def test_a_model_of_before_there_were_features_is_kept_without(self, api, runtime, memory):
        scores(runtime)
        api.answer(event())
        (kept,) = memory.tables["predictions"].values()
        assert kept["features"] == {"S": "[]"}

    def test_features_that_are_no_numbers_are_the_model_s_fault(self, api, runtime):
        scores(runtime, {**SCORED, "predictions": [{**SCORED["predictions"][0], "features": [float("nan")]}]})
        problem(api.answer(event()), 502, "model_error")

    def test_nothing_is_kept_of_a_request_that_failed(self, api, runtime, memory):
        fails(runtime, "ModelNotReadyException")
        api.answer(event())
        api.answer(event(b"GIF89a"))
        assert memory.tables == {"predictions": {}, "requests": {}}

    def test_prediction_is_answered_though_it_cannot_be_kept(self, api, runtime, memory, capsys):
        scores(runtime)
        memory.error = ReadTimeoutError(endpoint_url="https://dynamodb.example")
        assert api.answer(event())["statusCode"] == 200
        assert "not kept" in capsys.readouterr().out


KEYED = {"headers": {"content-type": "image/jpeg", "Idempotency-Key": "one"}}


class TestIdempotency:
    def test_answer_is_remembered_and_the_claim_holds_what_was_asked(self, api, runtime, memory):
        scores(runtime)
        answer = api.answer(event(**KEYED))
        assert "Idempotency-Replayed" not in answer["headers"]
        (record,) = memory.tables["requests"].values()
        remembered = json.loads(record["answer"]["S"])
        at = datetime.fromisoformat(remembered.pop("answered_at"))
        assert remembered == json.loads(answer["body"])
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60

    def test_repetition_is_answered_without_the_model(self, clients, runtime, control):
        endpoint = Endpoint(client=lambda: None, name="cxr-dev")
        earlier = {"id": "first", "probability": 0.1}

        class Remembering:
            def claim(self, *_):
                return None, {**earlier, "answered_at": "2026-11-28T09:30:05+00:00"}

        api = made(Model(clients["sagemaker-runtime"], endpoint), endpoint, requests=Remembering())
        answer = api.answer(event(**KEYED))
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, earlier)
        assert answer["headers"]["Idempotency-Replayed"] == "true"
        assert answer["headers"]["x-request-id"] == REQUEST_ID

    def test_failed_request_gives_its_key_back(self, api, runtime, memory):
        fails(runtime, "ModelNotReadyException")
        problem(api.answer(event(**KEYED)), 503, "model_not_ready")
        assert memory.tables["requests"] == {}

    def test_request_is_not_answered_twice_where_that_cannot_be_remembered(self, api, memory):
        memory.error = ReadTimeoutError(endpoint_url="https://dynamodb.example")
        problem(api.answer(event(**KEYED)), 500, "internal_error")

    def test_what_is_asked_for_tells_requests_apart(self, api):
        asked = [
            request.read(sent, 1000).fingerprint()
            for sent in (
                event(),
                event(PNG, "image/png"),
                event(queryStringParameters={"explain": "true"}),
                in_json({"upload": UPLOAD}),
            )
        ]
        assert len(set(asked)) == 4
        assert request.read(in_json({"image": base64.b64encode(JPEG).decode()}), 1000).fingerprint() == asked[0]


class TestHurry:
    def test_model_gets_less_time_after_a_slow_preparation(self, monkeypatch):
        endpoint = Endpoint(client=lambda: None, name="cxr-dev")
        in_time, late = Raising(), Raising()
        api = made(Model(in_time, endpoint), endpoint, hurried_model=lambda: Model(late, endpoint, 8.0))
        api.answer(event())
        assert (in_time.calls, late.calls) == (1, 0)
        ticks = iter([0.0, 0.0, PREPARATION_SECONDS + 0.1])
        monkeypatch.setattr("lambdas.predict.api.time.perf_counter", lambda: next(ticks, 9.0))
        api.answer(event())
        assert (in_time.calls, late.calls) == (1, 1)


class TestModelProblems:
    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("ValidationError", "Endpoint cxr-dev of account 123456789012 not found."),
            ("ValidationException", "Could not find endpoint 'arn:aws:sagemaker:...'."),
        ],
    )
    def test_no_model_released(self, api, runtime, code, message):
        fails(runtime, code, message)
        problem(api.answer(event()), 503, "no_model_released")

    @pytest.mark.parametrize("status", ["Creating", "Deleting"])
    def test_endpoint_not_there_yet(self, api, runtime, control, status):
        fails(runtime, "ValidationError", "Endpoint cxr-dev is not in service.")
        describes(control, status)
        problem(api.answer(event()), 503, "no_model_released")

    def test_refusal_by_a_serving_endpoint_is_no_missing_model(self, api, runtime, control):
        fails(runtime, "ValidationError", "Something about the request.")
        describes(control, "InService")
        problem(api.answer(event()), 502, "model_error")

    @pytest.mark.parametrize(
        ("code", "status", "answer"),
        [
            ("ModelNotReadyException", 503, "model_not_ready"),
            ("ServiceUnavailable", 503, "model_not_ready"),
            ("ThrottlingException", 429, "throttled"),
            ("InternalFailure", 502, "model_error"),
            ("InternalDependencyException", 502, "model_error"),
            ("RequestEntityTooLargeException", 413, "image_too_large"),
        ],
    )
    def test_service_errors(self, api, runtime, code, status, answer):
        fails(runtime, code)
        problem(api.answer(event()), status, answer)

    @pytest.mark.parametrize(
        ("code", "status"), [("undecodable_image", 400), ("unsupported_media_type", 415), ("not_a_radiograph", 422)]
    )
    def test_what_the_serving_code_says_of_the_image(self, api, runtime, code, status):
        original = json.dumps({"error": f'{code}: The image ends early: a "truncated" file.'})
        fails(runtime, "ModelError", "Received server error", OriginalStatusCode=500, OriginalMessage=original)
        document = problem(api.answer(event()), status, code)
        assert document["detail"] == 'The image ends early: a "truncated" file.'

    def test_message_that_only_wraps_the_container_s(self, api, runtime):
        """Some paths give the container's answer in the message alone."""
        fails(
            runtime,
            "ModelError",
            'Received server error (500) with message "{"error": "undecodable_image: No image."}"',
        )
        problem(api.answer(event()), 400, "undecodable_image")

    def test_crash_of_the_serving_code_tells_nothing(self, api, runtime, capsys):
        secret = "Traceback: b'SECRET-PIXELS'"
        fails(runtime, "ModelError", secret, OriginalStatusCode=500, OriginalMessage=secret, LogStreamArn="arn:log")
        answer = api.answer(event())
        problem(answer, 502, "model_error")
        printed = capsys.readouterr().out
        assert "SECRET" not in answer["body"] + printed
        assert "arn:log" in printed, "the operator is told where the reason is"

    def test_timeout_of_the_container(self, api, runtime):
        fails(runtime, "ModelError", "Your invocation timed out while waiting for a response from container primary.")
        problem(api.answer(event()), 504, "model_timeout")

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"<html>",
            b"[]",
            b"null",
            {"predictions": [], "model": SCORED["model"]},
            {"predictions": SCORED["predictions"] * 2, "model": SCORED["model"]},
            {"predictions": SCORED["predictions"]},
            {**SCORED, "predictions": [{**SCORED["predictions"][0], "probability": 1.5}]},
            {**SCORED, "predictions": [{**SCORED["predictions"][0], "probability": float("nan")}]},
            {**SCORED, "predictions": [{**SCORED["predictions"][0], "label": "HEALTHY"}]},
            {**SCORED, "model": {**SCORED["model"], "package_arn": ""}},
            {**SCORED, "model": {**SCORED["model"], "threshold": None}},
            {**SCORED, "model": {**SCORED["model"], "indeterminate": None}},
            {**SCORED, "model": {**SCORED["model"], "guarantee": {**GUARANTEE, "positive_predictive_value": 90}}},
            {**SCORED, "model": {**SCORED["model"], "indeterminate": {"low": 0.6, "high": 0.3}}},
            {**SCORED, "predictions": [{**SCORED["predictions"][0], "indeterminate": "no"}]},
        ],
    )
    def test_answer_that_is_not_the_serving_code_s(self, api, runtime, document):
        """A probability that cannot be traced to a model package is worth less than an error."""
        scores(runtime, document)
        problem(api.answer(event()), 502, "model_error")


class Raising:
    """An endpoint whose calls raise, in turn, and then answer."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def invoke_endpoint(self, **_):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return {"Body": io.BytesIO(json.dumps(SCORED).encode())}


def over(runtime):
    endpoint = Endpoint(client=lambda: None, name="cxr-dev")
    return made(Model(runtime, endpoint), endpoint)


URL = {"endpoint_url": "https://runtime.example"}


class TestConnection:
    def test_slow_model_is_asked_once(self):
        """A second wait would outlast the gateway, and the caller would get its answer instead of this one."""
        runtime = Raising(ReadTimeoutError(**URL))
        problem(over(runtime).answer(event()), 504, "model_timeout")
        assert runtime.calls == 1

    @pytest.mark.parametrize(
        "error", [ConnectionClosedError(**URL), EndpointConnectionError(**URL), ConnectTimeoutError(**URL)]
    )
    def test_lost_connection_is_tried_again_once(self, error):
        runtime = Raising(error)
        assert over(runtime).answer(event())["statusCode"] == 200
        assert runtime.calls == 2
        runtime = Raising(error, error)
        problem(over(runtime).answer(event()), 502, "model_error")
        assert runtime.calls == 2

    def test_connection_lost_late_is_not_tried_again(self, monkeypatch):
        ticks = iter([0.0, 20.0])
        monkeypatch.setattr("lambdas.predict.model.time.monotonic", lambda: next(ticks))
        runtime = Raising(ConnectionClosedError(**URL))
        problem(over(runtime).answer(event()), 502, "model_error")
        assert runtime.calls == 1

    def test_unexpected_failure_is_logged_and_not_told(self, capsys):
        answer = over(Raising(RuntimeError("database password"))).answer(event())
        document = problem(answer, 500, "internal_error")
        assert "password" not in answer["body"]
        assert REQUEST_ID in document["detail"]
        assert "database password" in capsys.readouterr().out


class TestHealth:
    def health(self, api):
        answer = api.answer(event(None, None, "GET", "/v1/health"))
        assert answer["statusCode"] == 200
        return json.loads(answer["body"])

    @pytest.mark.parametrize(
        ("endpoint_status", "status"),
        [
            ("InService", "ok"),
            ("Updating", "ok"),
            ("SystemUpdating", "ok"),
            ("RollingBack", "ok"),
            ("Creating", "no_model_released"),
            ("Failed", "failed"),
            ("OutOfService", "failed"),
        ],
    )
    def test_status(self, api, control, endpoint_status, status):
        describes(control, endpoint_status)
        document = self.health(api)
        Health.model_validate(document, strict=True)
        assert (document["status"], document["endpoint_status"]) == (status, endpoint_status)

    def test_before_the_first_release(self, api, control):
        is_absent(control)
        document = self.health(api)
        assert (document["status"], document["endpoint_status"]) == ("no_model_released", None)

    def test_polling_describes_the_endpoint_every_ten_seconds(self, api, control, clock):
        describes(control, "Creating")
        for _ in range(5):
            assert self.health(api)["status"] == "no_model_released"
        clock[0] = 10.0
        describes(control, "InService")
        assert self.health(api)["status"] == "ok"

    def test_missing_permission_is_an_error_without_details(self, api, control):
        control.add_client_error("describe_endpoint", "AccessDeniedException", "role/x may not")
        answer = api.answer(event(None, None, "GET", "/v1/health"))
        problem(answer, 500, "internal_error")
        assert "role/x" not in answer["body"]


class TestLog:
    def requests(self, api, runtime, control):
        """One request of every kind: answered, refused here, refused by the model, and failing unexpectedly."""
        scores(runtime)
        api.answer(event())
        api.answer(event(JPEG.ljust(5000, b"S")))
        api.answer(event(b"SECRET-PIXELS"))
        original = json.dumps({"error": "undecodable_image: No image."})
        fails(runtime, "ModelError", "x", OriginalStatusCode=500, OriginalMessage=original)
        api.answer(event())
        fails(runtime, "AccessDeniedException", "no")
        api.answer(event())
        scores(runtime, b"not json")
        api.answer(event())

    def test_neither_upload_nor_key_is_ever_logged(self, api, runtime, capsys):
        scores(runtime)
        api.answer(event(**KEYED))
        assert "one" not in json.dumps([json.loads(line) for line in capsys.readouterr().out.splitlines()])

    def test_neither_image_nor_result_is_ever_logged(self, api, runtime, control, capsys, caplog):
        caplog.set_level("DEBUG", logger="lambdas")
        self.requests(api, runtime, control)
        captured = capsys.readouterr()
        logged = captured.out + captured.err + caplog.text
        for secret in ("SECRET", base64.b64encode(JPEG).decode()[:40], base64.b64encode(b"SECRET").decode()[:8]):
            assert secret not in logged
        assert "0.93" not in logged
        assert "PNEUMONIA" not in logged

    def test_each_line_is_an_object_that_names_its_request(self, api, runtime, control, capsys, monkeypatch):
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "predict")
        self.requests(api, runtime, control)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        answered = [line for line in lines if line["message"] == "answered"]
        assert [line["status"] for line in answered] == [200, 413, 400, 400, 502, 502]
        assert all(line["request_id"] == REQUEST_ID and line["service"] == "predict" for line in answered)
        assert answered[0]["model_version"] == 12
        assert answered[0]["image_bytes"] == len(JPEG)

    def test_level(self, api, capsys, monkeypatch):
        monkeypatch.setenv("LOG_LEVEL", "ERROR")
        api.answer(event(path="/nowhere"))
        assert capsys.readouterr().out == ""


def test_a_body_shown_in_a_traceback_is_not_the_image():
    from lambdas.predict.image import EncodedImage

    assert "SECRET" not in repr(EncodedImage(JPEG, "image/jpeg"))
