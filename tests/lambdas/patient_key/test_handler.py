"""A key is made once, stays whatever is deployed, and is told to nobody."""

import json

import pytest
from botocore.stub import ANY

from lambdas.custom_resource.answer import WAITS_SECONDS
from model_code.data.pseudonyms import KEY_BYTES

EXPECTED = {"Bucket": "artifacts", "Key": "keys/patients", "Body": ANY, "IfNoneMatch": "*"}


@pytest.fixture
def make(custom_resource):
    properties = {"BucketName": "artifacts", "Key": "keys/patients"}
    with custom_resource("patient_key", "s3", logical_id="Made", properties=properties) as resource:
        yield resource


def test_a_key_is_random_as_long_as_jobs_expect_and_never_said(make, monkeypatch, capsys):
    call, stubber = make
    stubber.add_response("put_object", {}, EXPECTED)
    stubber.add_response("put_object", {}, EXPECTED)
    bodies = []
    stubber.client.meta.events.register(
        "provide-client-params.s3.PutObject", lambda params, **_: bodies.append(params["Body"])
    )

    answers = [call("Create"), call("Create")]

    assert [answer["Status"] for answer in answers] == ["SUCCESS"] * 2
    assert [len(body) for body in bodies] == [KEY_BYTES] * 2
    assert bodies[0] != bodies[1]
    said = json.dumps(answers) + "".join(capsys.readouterr())
    assert not any(body.hex() in said or str(body) in said for body in bodies)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_key_that_is_there_stays(request_type, make):
    """Another one would give the same archive other patients, and another split."""
    call, stubber = make
    stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412, expected_params=EXPECTED)
    assert call(request_type)["Status"] == "SUCCESS"


def test_nothing_is_removed_with_the_stack(make):
    call, _ = make
    assert call("Delete")["Status"] == "SUCCESS"


def test_a_refusal_is_answered_with_its_reason_instead_of_silence(make):
    call, stubber = make
    for _ in range(1 + len(WAITS_SECONDS)):
        stubber.add_client_error("put_object", "AccessDenied", "not allowed to write", expected_params=EXPECTED)
    answer = call("Create")
    assert answer["Status"] == "FAILED"
    assert "not allowed to write" in answer["Reason"]
