"""Answers are kept without the image, once for each key."""

import base64
import io
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lambdas.api.documents import KeptPrediction
from lambdas.predict import request
from lambdas.predict.endpoint_invocation import PREPARATION_SECONDS, Model
from lambdas.predict.endpoint_status import Endpoint
from tests.lambdas.predict.api_calls import (
    EXPLAINED,
    JPEG,
    KEYED,
    OVERLAY,
    PNG,
    REQUEST_ID,
    UPLOAD,
    Raising,
    event,
    fails,
    in_json,
    made,
    problem,
    scores,
)
from tests.lambdas.predict.dicom_services import PACKAGE, SCORED


class TestUpload:
    @pytest.fixture
    def s3(self, clients):
        with Stubber(clients["s3"]) as stub:
            yield stub
            stub.assert_no_pending_responses()

    def holds(self, s3, body):
        """That it is no DICOM file is found out first."""
        start = {"Body": StreamingBody(io.BytesIO(body[:132]), len(body[:132]))}
        s3.add_response("get_object", start, {"Bucket": "bucket", "Key": f"uploads/{UPLOAD}", "Range": "bytes=0-131"})
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

    def test_what_monitoring_compares_is_kept_beside_the_answer_and_not_disclosed_to_the_client(
        self, api, runtime, memory
    ):
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

    def test_the_digest_of_what_answered_is_kept_where_it_is_reported(self, api, runtime, memory):
        """So that a label is never taken for one of another model that got the same version's name."""
        scores(runtime, {**SCORED, "model": {**SCORED["model"], "served_sha256": "5e" * 32}})
        api.answer(event())
        (kept,) = memory.tables["predictions"].values()
        assert kept["served_sha256"] == {"S": "5e" * 32}

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
