"""The HTTP API over a stubbed endpoint: every answer, every code, and what may never be logged."""

import base64
import json
import uuid

import pytest

from lambdas.api.documents import Prediction
from tests.lambdas.predict.api_calls import (
    EXPLAINED,
    GUARANTEE,
    JPEG,
    KEYED,
    OVERLAY,
    PNG,
    REQUEST_ID,
    UPLOAD,
    event,
    fails,
    in_json,
    problem,
    scores,
)
from tests.lambdas.predict.dicom_services import PACKAGE, SCORED


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
                "served_sha256": None,
                "engine": "tensorflow",
            },
        }

    def test_answer_says_which_files_computed_it(self, api, runtime):
        scores(runtime, {**SCORED, "schema": 5, "predictions": [{**SCORED["predictions"][0], "features": []}],
                         "model": {**SCORED["model"], "guarantee": None, "population": None, "engine": "litert",
                                   "served_sha256": "5e" * 32}})  # fmt: skip
        assert json.loads(api.answer(event())["body"])["model"]["served_sha256"] == "5e" * 32

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
            *({"image": "%%%%"}, {"image": "AAAAA"}),
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
