"""A DICOM file is converted by another function, whose refusals and failures become answers of this API."""

import base64
import io
import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lambdas.dicom import uploads
from lambdas.dicom.handler import handle
from lambdas.http.answers import Answers
from lambdas.http.problems import Problem
from lambdas.predict.api import Api
from lambdas.predict.dicom import Dicom
from lambdas.predict.endpoint_invocation import Model
from lambdas.predict.endpoint_status import Endpoint
from lambdas.predict.image import DICOM, EncodedImage
from lambdas.predict.lambda_invocation import Function
from lambdas.predict.prediction import Predictions
from lambdas.predict.uploads import Uploads
from tests.lambdas.predict.dicom_services import CONVERTER, UPLOAD, Bucket, Functions, Runtime, body, posted
from tests.model_code.support.dicom_files import dicom_file, phantom

FILE = EncodedImage(dicom_file(phantom()), DICOM)
TOLD = {
    "modality": "DX",
    "photometric_interpretation": "MONOCHROME2",
    "body_part": "chest",
    "rendering": "full_range",
}


def converter(functions):
    return Dicom(Function(lambda: functions, CONVERTER))


def failing(failure):
    return Functions(answers={CONVERTER: {"FunctionError": "Unhandled", "Payload": body(failure)}})


def problem(functions, file=FILE):
    with pytest.raises(Problem) as raised:
        converter(functions).convert(file)
    return raised.value


def test_a_file_becomes_a_png_and_what_may_be_told():
    functions = Functions()
    converted = converter(functions).convert(FILE)

    assert functions.asked == [CONVERTER]
    assert converted.image.content_type == "image/png"
    assert converted.image.data.startswith(b"\x89PNG")
    assert converted.told == TOLD


def test_a_function_of_before_this_one_converts_and_tells_nothing():
    answered = handle({"dicom": base64.b64encode(FILE.data).decode()}, None)
    before = {**answered.pop("told"), **answered}
    converted = converter(Functions(answers={CONVERTER: {"Payload": body(before)}})).convert(FILE)
    assert converted.image.data.startswith(b"\x89PNG")
    assert converted.told == {}


def test_the_function_is_asked_the_way_lambda_s_client_takes_it():
    client = botocore.session.Session().create_client("lambda", region_name="us-east-1")
    with Stubber(client) as stub:
        payload = json.dumps({"dicom": base64.b64encode(FILE.data).decode()})
        answer = {"StatusCode": 200, "Payload": body(handle(json.loads(payload), None))}
        stub.add_response("invoke", answer, {"FunctionName": CONVERTER, "Payload": payload})
        assert converter(client).convert(FILE).image.data.startswith(b"\x89PNG")


def test_a_refusal_is_passed_on():
    refused = problem(Functions(), EncodedImage(dicom_file(phantom(), Modality="CT"), DICOM))
    assert (refused.code, refused.kind.status) == ("not_a_radiograph", 422)
    assert "of modality CT" in refused.detail


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (
            {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 1 Error: signal: segmentation fault"},
            "undecodable_image",
            400,
        ),
        (
            {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Task timed out after 7.00 s"},
            "model_timeout",
            504,
        ),
        ({"errorMessage": "2026-11-25T00:00:00Z 1 Task timed out after 7.00 seconds"}, "model_timeout", 504),
    ],
)
def test_an_invocation_that_ends_without_an_answer_is_told_apart(failure, code, status):
    failed = problem(failing(failure))
    assert (failed.code, failed.kind.status) == (code, status)


def test_a_broken_deployment_is_not_blamed_on_the_file():
    failure = {"errorType": "Runtime.ImportModuleError", "errorMessage": "Unable to import SECRET"}
    with pytest.raises(RuntimeError, match="ImportModuleError") as raised:
        converter(failing(failure)).convert(FILE)
    assert "SECRET" not in str(raised.value)


def test_no_answer_in_time_is_a_timeout():
    assert (
        problem(Functions(errors={CONVERTER: ReadTimeoutError(endpoint_url="https://lambda")})).code == "model_timeout"
    )


def test_many_at_once_are_throttled():
    client = botocore.session.Session().create_client("lambda", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("invoke", "TooManyRequestsException")
        assert problem(client).code == "throttled"


@pytest.mark.parametrize(
    "error", ["ResourceConflictException", "ResourceNotReadyException", "SnapStartNotReadyException"]
)
def test_a_function_that_nobody_called_for_weeks_is_asked_again(error):
    """Lambda refuses the first call, and gets the function ready: the caller learns when to try again."""
    client = botocore.session.Session().create_client("lambda", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("invoke", error)
        refused = problem(client)
    assert (refused.code, refused.kind.status, refused.headers["Retry-After"]) == ("model_not_ready", 503, "10")


def test_a_file_that_no_invocation_can_hold_is_to_be_uploaded():
    client = botocore.session.Session().create_client("lambda", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("invoke", "RequestTooLargeException")
        refused = problem(client)
    assert refused.code == "image_too_large"
    assert "/v1/uploads" in refused.detail


def test_an_upload_is_named_and_not_carried():
    asked = []

    class Client:
        def invoke(self, FunctionName, Payload):  # noqa: N803 - botocore's names
            asked.append(json.loads(Payload))
            return {"Payload": body({"code": "upload_not_found", "detail": "Nothing was uploaded."})}

    with pytest.raises(Problem) as raised:
        converter(Client()).convert_upload("https://bucket/uploads/x?signed")
    assert raised.value.code == "upload_not_found"
    assert asked == [{"url": "https://bucket/uploads/x?signed"}]


def made(runtime, functions, **kept):
    endpoint = Endpoint(client=lambda: None, name="cxr-dev")
    predictions = Predictions(
        model=Model(runtime, endpoint),
        hurried_model=lambda: Model(runtime, endpoint),
        max_image_bytes=100_000,
        dicom=converter(functions),
        uploads=Uploads(lambda: Bucket(FILE.data), "uploads-bucket", max_bytes=1_000),  # less than the file has
        results=SimpleNamespace(keep=kept.get("keep", lambda *_: None)),
        requests=SimpleNamespace(
            claim=lambda *_: (None, None),
            finish=kept.get("finish", lambda *_: None),
            release=kept.get("release", lambda _: None),
        ),
    )
    return Api(predictions, endpoint, Answers())


def test_with_an_overlay_comes_the_picture_that_the_model_was_shown_and_nobody_keeps_it():
    runtime, kept = Runtime(overlay_png="aGVhdA=="), []
    api = made(runtime, Functions(), keep=lambda told, _: kept.append(told), finish=lambda _, told: kept.append(told))
    document = json.loads(api.answer(posted(FILE.data, queryStringParameters={"explain": "true"}))["body"])

    assert document["overlay"] == {"media_type": "image/png", "data": "aGVhdA==", "cells": 7, "empty": None}
    assert base64.b64decode(document["radiograph"]["data"]) == runtime.asked[0]["Body"]
    assert len(kept) == 2
    assert not [told for told in kept if "radiograph" in told]


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [("application/dicom", FILE.data), ("application/json", json.dumps({"upload": UPLOAD}).encode())],
)
def test_a_prediction_of_a_dicom_file_says_what_it_was(content_type, sent, capfd, monkeypatch):
    runtime, functions = Runtime(), Functions()
    monkeypatch.setattr(uploads, "fetch", {"https://bucket/signed": FILE.data}.__getitem__)
    answer = made(runtime, functions).answer(posted(sent, content_type))

    assert answer["statusCode"] == 200
    document = json.loads(answer["body"])
    assert document["dicom"] == TOLD
    assert document["label"] == "PNEUMONIA"
    assert "radiograph" not in document
    (asked,) = runtime.asked
    assert asked["ContentType"] == "image/png"
    told = answer["body"] + "".join(capfd.readouterr())
    assert "SECRET" not in told
    assert "0.93" not in told.replace(answer["body"], "")


@pytest.fixture(scope="module")
def s3():
    session = botocore.session.Session()
    session.set_credentials("testing", "testing")
    return session.create_client("s3", region_name="us-east-1", config=Config(signature_version="s3v4"))


def test_an_upload_is_told_to_be_dicom_by_its_first_bytes(s3):
    store = Uploads(lambda: s3, "bucket", max_bytes=1_000)
    asked = {"Bucket": "bucket", "Key": f"uploads/{UPLOAD}", "Range": "bytes=0-131"}
    with Stubber(s3) as stub:
        for held in (bytes(128) + b"DICM", bytes(128) + b"abcd"):
            stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(held), 132)}, asked)
        stub.add_client_error("get_object", "InvalidRange", expected_params=asked)  # it is empty
        assert [store.is_dicom(UPLOAD) for _ in range(3)] == [True, False, False]
        stub.add_client_error("get_object", "NoSuchKey")
        with pytest.raises(Problem) as raised:
            store.is_dicom(UPLOAD)
    assert raised.value.code == "upload_not_found"


def test_an_address_holds_for_one_upload_and_seconds(s3):
    parts = urlsplit(Uploads(lambda: s3, "bucket", max_bytes=1_000).address(UPLOAD))
    query = parse_qs(parts.query)
    assert parts.path.endswith(f"/uploads/{UPLOAD}")
    assert query["X-Amz-Expires"] == ["30"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
