"""Requests to the API of predictions, and what stands in for the model behind it."""

import base64
import io
import json

from botocore.response import StreamingBody

from lambdas.http.answers import Answers
from lambdas.http.idempotency import Requests
from lambdas.http.problems import KINDS
from lambdas.predict.api import Api
from lambdas.predict.dicom import Dicom
from lambdas.predict.lambda_invocation import Function
from lambdas.predict.prediction import Predictions
from lambdas.predict.results import Results
from lambdas.predict.uploads import Uploads
from tests.lambdas.predict.dicom_services import SCORED

JPEG = b"\xff\xd8\xff\xe0" + b"SECRET-PIXELS" * 20
PNG = b"\x89PNG\r\n\x1a\n" + b"SECRET-PIXELS" * 20
REQUEST_ID = "11111111-2222-4333-8444-555555555555"
GUARANTEE = {"negative_predictive_value": None, "positive_predictive_value": 0.9, "confidence": 0.95,
             "prevalence": 0.4, "patients": 200, "sentence": "…"}  # fmt: skip

OVERLAY = base64.b64encode(b"\x89PNG transparent").decode()
EXPLAINED = {**SCORED, "predictions": [{**SCORED["predictions"][0], "overlay_png": OVERLAY}]}
UPLOAD = "0123456789abcdef" * 2


class Memory:
    """DynamoDB's two operations without its conditions, which tests/lambdas/http/test_idempotency.py is about."""

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
    """The API; test_dicom.py is about its converter."""
    memory = memory or Memory()
    parts = {
        "hurried_model": lambda: None,
        "dicom": Dicom(Function(lambda: None, "dicom")),
        "uploads": Uploads(lambda: s3, "bucket", 2000),
        "results": Results(memory, "predictions", 600, clock=lambda: 1_800_000_000.0),
        "requests": Requests(memory, "requests", operation="predictions"),
        **changed,
    }
    return Api(Predictions(model=model, max_image_bytes=1000, **parts), endpoint, Answers())


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


def in_json(document, **overrides):
    body = document if isinstance(document, str) else json.dumps(document)
    return {**event(None, "application/json; charset=utf-8"), "body": body, **overrides}


KEYED = {"headers": {"content-type": "image/jpeg", "Idempotency-Key": "one"}}


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
