"""Failures of the model become problems of their own; a connection that fails is opened again."""

import json

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from lambdas.api.documents import Health
from lambdas.predict.endpoint_invocation import Model
from lambdas.predict.endpoint_status import Endpoint
from tests.lambdas.predict.api_calls import (
    GUARANTEE,
    REQUEST_ID,
    SCORED,
    Raising,
    describes,
    event,
    fails,
    is_absent,
    made,
    problem,
    scores,
)


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
        ("code", "status"),
        [
            ("undecodable_image", 400),
            ("unsupported_media_type", 415),
            ("not_a_radiograph", 422),
            ("image_too_large", 413),
        ],
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
        monkeypatch.setattr("lambdas.predict.endpoint_invocation.time.monotonic", lambda: next(ticks))
        runtime = Raising(ConnectionClosedError(**URL))
        problem(over(runtime).answer(event()), 502, "model_error")
        assert runtime.calls == 1

    def test_unexpected_failure_is_logged_and_not_disclosed(self, capsys):
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
