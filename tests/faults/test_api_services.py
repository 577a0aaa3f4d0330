"""The API while services throttle it or break off: a prediction is worth more than its record."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lambdas.aws import reconnection
from tests.faults import fault_proxy
from tests.faults.fault_proxy import Fault
from tests.faults.services import Services
from tests.lambdas.predict.api_calls import JPEG, PNG, REQUEST_ID, UPLOAD, event, in_json, problem
from tests.lambdas.predict.dicom_services import SCORED
from tests.lambdas.predict.test_handler import ENVIRONMENT
from tests.lambdas.tables import PREDICTIONS, REQUESTS, items, make_tables

KEYED = {"content-type": "image/jpeg", "idempotency-key": "a"}


@pytest.fixture
def predictions(aws: Services) -> Any:
    """The tables, without a fault."""
    client = aws.client("dynamodb")
    make_tables(client)
    return client


@pytest.fixture
def predict(aws: Services, predictions: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Predict function, behind whose faults an endpoint answers; a machine that does much else is no fault."""
    monkeypatch.setattr(reconnection, "AT_ONCE_SECONDS", 60.0)
    aws.proxy.stand_in("InvokeEndpoint", lambda _: SCORED)
    aws.client("s3").create_bucket(Bucket="bucket")
    module = aws.function("lambdas.predict.handler", **ENVIRONMENT)
    return lambda sent: module.handle(sent, None)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("fault", "attempts"), [(fault_proxy.THROUGHPUT_EXCEEDED, 1), (fault_proxy.OVERLOADED, 1), (fault_proxy.RESET, 2)]
)
def test_a_prediction_is_answered_whose_record_cannot_be_kept(
    *, aws: Services, predict: Any, predictions: Any, capsys: pytest.CaptureFixture[str], fault: Fault, attempts: int
) -> None:
    aws.proxy.fail("PutItem", fault)
    answer = predict(event())
    assert (answer["statusCode"], json.loads(answer["body"])["label"]) == (200, "PNEUMONIA")
    assert [line["request_id"] for line in logged(capsys) if line["message"] == "not kept"] == [REQUEST_ID]
    assert items(predictions, PREDICTIONS) == []
    assert aws.proxy.asked.count("PutItem") == attempts, (
        "a person waits: nothing but a closed connection is tried again"
    )


@pytest.mark.parametrize("fault", [fault_proxy.RESET, fault_proxy.LOST])
@pytest.mark.parametrize("headers", [{"content-type": "image/jpeg"}, KEYED], ids=["without a key", "with a key"])
def test_the_first_prediction_after_a_quiet_time_is_kept(
    aws: Services, predict: Any, predictions: Any, fault: Fault, headers: dict[str, str]
) -> None:
    """A frozen function's connections are closed meanwhile. Whatever was written before the answer got lost, as the
    claim of a key, is this request's own."""
    aws.proxy.fail("PutItem", fault, times=1)
    assert predict(event(headers=headers))["statusCode"] == 200
    assert [item["id"] for item in items(predictions, PREDICTIONS)] == [REQUEST_ID]
    assert all("answer" in item for item in items(predictions, REQUESTS))


def test_an_upload_and_a_dicom_file_of_the_first_request_are_answered(aws: Services, predict: Any) -> None:
    aws.proxy.stand_in("Invoke", lambda _: {"png": base64.b64encode(PNG).decode()})
    aws.client("s3").put_object(Bucket="bucket", Key=f"uploads/{UPLOAD}", Body=JPEG)
    aws.proxy.fail("GetObject", fault_proxy.RESET, times=1)
    assert predict(in_json({"upload": UPLOAD}))["statusCode"] == 200
    aws.proxy.fail("Invoke", fault_proxy.RESET, times=1)
    assert predict(event(b"\0" * 128 + b"DICM", "application/dicom"))["statusCode"] == 200


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (fault_proxy.THROTTLING_EXCEPTION, 429, "throttled"),
        (fault_proxy.TOO_MANY, 429, "throttled"),
        (fault_proxy.UNAVAILABLE, 503, "model_not_ready"),
        (fault_proxy.OVERLOADED, 503, "model_not_ready"),
        (fault_proxy.RESET, 502, "model_error"),
        (fault_proxy.CUT, 502, "model_error"),
    ],
)
def test_an_endpoint_that_does_not_answer_has_a_code_of_its_own(
    aws: Services, predict: Any, predictions: Any, *, fault: Fault, status: int, code: str
) -> None:
    aws.proxy.fail("InvokeEndpoint", fault)
    answer = predict(event(headers=KEYED))
    problem(answer, status, code)
    assert "Try again" in json.loads(answer["body"])["detail"]
    assert items(predictions, PREDICTIONS) + items(predictions, REQUESTS) == []
    aws.proxy.mend()
    assert predict(event(headers=KEYED))["statusCode"] == 200, "the same key asks again"


@pytest.mark.parametrize("fault", [fault_proxy.RESET, fault_proxy.LOST, fault_proxy.CUT])
def test_a_connection_that_breaks_off_once_is_opened_again(aws: Services, predict: Any, fault: Fault) -> None:
    aws.proxy.fail("InvokeEndpoint", fault, times=1)
    assert predict(event())["statusCode"] == 200


def test_a_key_that_cannot_be_claimed_is_not_asked_for(aws: Services, predict: Any, capsys: Any) -> None:
    """Else a repetition would be another prediction, which the key was sent to prevent."""
    aws.proxy.fail("PutItem", fault_proxy.THROUGHPUT_EXCEEDED)
    problem(predict(event(headers=KEYED)), 429, "throttled")
    assert "InvokeEndpoint" not in aws.proxy.asked
    assert [line for line in logged(capsys) if line["level"] == "ERROR"] == [], "it is no fault of the function"


def test_an_upload_that_cannot_be_fetched_now_is_asked_for_later(aws: Services, predict: Any) -> None:
    aws.client("s3").put_object(Bucket="bucket", Key=f"uploads/{UPLOAD}", Body=JPEG)
    aws.proxy.fail("GetObject", fault_proxy.SLOW_DOWN, times=1)
    problem(predict(in_json({"upload": UPLOAD})), 429, "throttled")
    assert predict(in_json({"upload": UPLOAD}))["statusCode"] == 200


def test_the_health_of_an_endpoint_that_cannot_be_described_now(aws: Services, predict: Any) -> None:
    asked = event(method="GET", path="/v1/health", body=None)
    aws.proxy.fail("DescribeEndpoint", fault_proxy.THROTTLING_EXCEPTION, times=1)
    assert json.loads(predict(asked)["body"])["status"] == "no_model_released"
    assert aws.proxy.asked == ["DescribeEndpoint"] * 2


def test_health_says_so_where_nothing_else_is_known(aws: Services, predict: Any) -> None:
    aws.proxy.fail("DescribeEndpoint", fault_proxy.THROTTLING_EXCEPTION)
    problem(predict(event(method="GET", path="/v1/health", body=None)), 429, "throttled")


def test_a_kept_prediction_is_read_at_the_third_time(aws: Services, predict: Any) -> None:
    assert predict(event())["statusCode"] == 200
    read = aws.function("lambdas.api.predictions", PREDICTIONS_TABLE=PREDICTIONS)
    path = f"/v1/predictions/{REQUEST_ID}"
    asked = event(method="GET", path=path, body=None)
    aws.proxy.fail("GetItem", fault_proxy.THROUGHPUT_EXCEEDED, times=2)
    assert json.loads(read.handle(asked, None)["body"])["prediction"]["id"] == REQUEST_ID
    aws.proxy.fail("GetItem", fault_proxy.THROUGHPUT_EXCEEDED)
    problem(read.handle(asked, None), 429, "throttled")
