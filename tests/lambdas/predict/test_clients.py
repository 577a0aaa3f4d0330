"""Requests of ordinary clients are answered, or refused with what to change, and nothing of them reaches a log."""

import base64
import gzip
import io
import json
import random
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from lambdas.predict.dicom import Dicom
from lambdas.predict.endpoint_invocation import Model
from lambdas.predict.endpoint_status import Endpoint
from lambdas.predict.lambda_invocation import Function
from tests.lambdas.predict.api_calls import JPEG, PNG, UPLOAD, event, in_json, made, problem, scores
from tests.lambdas.predict.dicom_services import SCORED

# Bytes whose base64 has every character in which the two alphabets differ.
BODY = JPEG + bytes(range(256))
STANDARD = base64.b64encode(BODY).decode()
# An image of as many bytes as are taken (`api_calls.made`), which base64 has to pad.
LIMIT = 1000
WRITTEN = {
    "as RFC 4648 has it": lambda body: base64.b64encode(body).decode(),
    "without padding": lambda body: base64.b64encode(body).decode().rstrip("="),
    "in the alphabet for URLs": lambda body: base64.urlsafe_b64encode(body).decode(),
    "for URLs, without padding": lambda body: base64.urlsafe_b64encode(body).decode().rstrip("="),
    "in lines": lambda body: base64.encodebytes(body).decode(),
    "in lines of DOS": lambda body: base64.encodebytes(body).decode().replace("\n", "\r\n"),
    "as a data URL": lambda body: f"data:image/jpeg;base64,{base64.b64encode(body).decode()}",
    "as a data URL of no type": lambda body: f"DATA:;base64,{base64.b64encode(body).decode()}",
    "as a percent-encoded data URL": lambda body: f"data:;base64,{quote(base64.b64encode(body).decode(), safe='')}",
    "in lines that are set in, with blanks around": lambda body: f" {base64.encodebytes(body).decode()}  ".replace(
        "\n", "\n\t"
    ),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
class TestBase64:
    def test_the_endpoint_gets_the_files_own_bytes(self, api, runtime, write):
        assert {"+", "/", "="} <= set(STANDARD)
        scores(runtime, body=BODY)
        assert api.answer(in_json({"image": write(BODY)}))["statusCode"] == 200

    def test_the_limit_is_that_of_the_file_to_the_byte(self, api, runtime, write):
        at_most = JPEG.ljust(LIMIT, b"\0")
        scores(runtime, body=at_most)
        assert api.answer(in_json({"image": write(at_most)}))["statusCode"] == 200
        problem(api.answer(in_json({"image": write(at_most + b"\0")})), 413, "image_too_large")


@pytest.mark.parametrize(
    ("content_type", "body", "sent"),
    [
        ("image/jpg", JPEG, "image/jpeg"),
        ("image/pjpeg", JPEG, "image/jpeg"),
        ("image/x-png", PNG, "image/png"),
        ("IMAGE/JPEG", JPEG, "image/jpeg"),
        ("image/jpeg; charset=utf-8", JPEG, "image/jpeg"),
        (' image/png ;name="x"', PNG, "image/png"),
    ],
)
def test_types_as_clients_write_them(api, runtime, content_type, body, sent):
    scores(runtime, body=body, content_type=sent)
    assert api.answer(event(body, content_type))["statusCode"] == 200


def test_json_with_a_byte_order_mark(api, runtime):
    """As .NET's and PowerShell's writers put one, which the gateway passes on as a character."""
    scores(runtime)
    asked = in_json({"image": base64.b64encode(JPEG).decode()})
    assert api.answer(asked | {"body": "\ufeff" + asked["body"]})["statusCode"] == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        # A proxy's way with a header that came twice.
        "application/json, application/json; charset=utf-8",
    ],
)
def test_json_with_a_charset(api, runtime, content_type):
    scores(runtime)
    asked = in_json({"image": base64.b64encode(JPEG).decode()}, headers={"content-type": content_type})
    assert api.answer(asked)["statusCode"] == 200


@pytest.mark.parametrize(
    ("sent", "status", "code", "advice"),
    [
        # What curl says unless told otherwise, and what forms and some libraries say of any file.
        (event(content_type="application/x-www-form-urlencoded"), 415, "unsupported_media_type", "image/jpeg"),
        (event(content_type="application/octet-stream"), 415, "unsupported_media_type", "image/jpeg"),
        (event(b"--x\r\n", "multipart/form-data; boundary=x"), 415, "unsupported_media_type", "as the request body"),
        (event(base64.b64encode(JPEG)), 400, "undecodable_image", "the file's own bytes"),
        (event(base64.b64encode(PNG), "image/png"), 400, "undecodable_image", "the file's own bytes"),
        (event(b"data:image/png;base64,iVBORw0K", "image/png"), 400, "undecodable_image", "the file's own bytes"),
        # A + that a form's decoder took for a space.
        (in_json({"image": STANDARD.replace("+", " ")}), 400, "invalid_request", "RFC 4648"),
        (in_json({"image": "data:image/svg+xml,%3Csvg%3E"}), 400, "invalid_request", "RFC 4648"),
        (in_json({"image": STANDARD[:-3]}), 400, "invalid_request", "RFC 4648"),
        # One member, as was asked for; only not one of those that there are.
        (in_json({"img": STANDARD}), 400, "invalid_request", "has to have image or upload"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_to_change(api, sent, status, code, advice):
    assert advice in problem(api.answer(sent), status, code)["detail"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "aws-chunked"])
def test_a_compressed_body_is_refused_as_such(api, coding):
    packed = event(gzip.compress(JPEG), headers={"content-type": "image/jpeg", "Content-Encoding": coding})
    answer = api.answer(packed)
    assert "without one" in problem(answer, 415, "unsupported_media_type")["detail"]
    assert answer["headers"]["Accept-Encoding"] == "identity"


def test_a_body_that_is_said_to_be_as_it_is_is_taken(api, runtime):
    scores(runtime)
    assert (
        api.answer(event(headers={"content-type": "image/jpeg", "Content-Encoding": "identity"}))["statusCode"] == 200
    )


SECRETS = ("SECRET-PIXELS", "DOE^JANE", "doe-jane.jpeg", "s3cr3t-api-key", "1957", UPLOAD)


def any_request(choose: random.Random) -> dict[str, object]:
    """A request that somebody could send, with what no log may show anywhere in it."""
    image = choose.choice([JPEG, PNG, bytes(128) + b"DICM" + b"DOE^JANE", b"GIF89a DOE^JANE", BODY, b""])
    image = image[: choose.choice([len(image), len(image) // 2, 3])]
    text = choose.choice([*WRITTEN.values()])(image)
    document = choose.choice(
        [
            {"image": text},
            {"image": text, "patient_age_years": 1957},
            {"image": text, "doe-jane.jpeg": "DOE^JANE"},
            {"upload": UPLOAD + choose.choice(["", "DOE^JANE"])},
            ["DOE^JANE"],
            "DOE^JANE",
        ]
    )
    kind = choose.choice(["image/jpeg", "image/png", "application/dicom", "application/json", "DOE^JANE", ""])
    sent = in_json(document) if kind == "application/json" and choose.random() < 0.8 else event(image, kind)
    sent["headers"] |= {"x-api-key": "s3cr3t-api-key", "content-disposition": 'attachment; filename="doe-jane.jpeg"'}
    if choose.random() < 0.3:
        sent["headers"]["idempotency-key"] = choose.choice(["DOE^JANE", "", "\u00fc"])
    if choose.random() < 0.3:
        sent["queryStringParameters"] = {choose.choice(["explain", "patient"]): choose.choice(["true", "DOE^JANE"])}
    if choose.random() < 0.1:
        sent["isBase64Encoded"] = not sent["isBase64Encoded"]
    return sent


class Failing:
    """A service that answers every call with one of its errors, for a reason that no log may repeat."""

    def __init__(self, *codes, choose):
        self.codes, self.choose = codes, choose

    def __getattr__(self, operation):
        def call(**_):
            code = self.choose.choice(self.codes)
            # A container's message can quote its input; the service's own does not.
            error = {"Code": code, "Message": "DOE^JANE" if code == "ModelError" else "refused"}
            raise ClientError({"Error": error, "OriginalMessage": "DOE^JANE"}, operation)

        return call


class Moody(Failing):
    """An endpoint that answers now and then."""

    def invoke_endpoint(self, **asked):
        if self.choose.random() < 0.5:
            return {"Body": io.BytesIO(json.dumps(SCORED).encode())}
        return self.__getattr__("InvokeEndpoint")(**asked)


def test_no_log_says_what_a_request_held_and_no_failure_is_unforeseen(capsys, caplog):
    choose = random.Random(20)  # noqa: S311 - requests, not keys
    endpoint = Endpoint(client=lambda: Failing("ThrottlingException", choose=choose), name="cxr-dev")
    runtime = Moody("ModelError", "ThrottlingException", "ValidationError", "ServiceUnavailable", choose=choose)
    dicom = Dicom(Function(lambda: Failing("TooManyRequestsException", choose=choose), "dicom"))
    s3 = Failing("404", "NoSuchKey", choose=choose)
    api = made(Model(runtime, endpoint), endpoint, s3=s3, dicom=dicom)
    statuses = {api.answer(any_request(choose))["statusCode"] for _ in range(500)}
    captured = capsys.readouterr()
    logged = captured.out + captured.err + caplog.text
    assert statuses >= {200, 400, 404, 415, 429, 502, 503}, statuses
    assert 500 not in statuses
    assert logged.count('"answered"') == 500
    assert [secret for secret in SECRETS if secret in logged] == []


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=X", 'multipart/related; type="application/dicom"']
)
def test_a_form_or_a_message_is_refused_with_how_to_send_the_file(api, content_type):
    """As `curl -F`, browsers' forms and STOW-RS send it: the gateway would have made text of it."""
    document = problem(api.answer(event(JPEG, content_type)), 415, "unsupported_media_type")
    assert "The body has to be the file alone" in document["detail"]
    assert "curl: --data-binary, not -F" in document["detail"]


def test_a_picture_of_another_format_is_refused_by_its_name_at_every_door(api):
    """A telephone calls its pictures .jpg, whatever they are."""
    heic = b"\0\0\0\x18ftypheic" + b"SECRET-PIXELS" * 20
    for asked in (event(heic, "image/jpeg"), in_json({"image": base64.b64encode(heic).decode()})):
        document = problem(api.answer(asked), 400, "undecodable_image")
        assert "is a HEIC, which is not taken: send the radiograph as DICOM, JPEG or PNG" in document["detail"]
