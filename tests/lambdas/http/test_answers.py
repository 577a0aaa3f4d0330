"""Every answer names its request, is kept by nobody, and can be read by pages of the allowed origins only."""

from __future__ import annotations

import json
import uuid

import pytest

from lambdas.http import answers
from lambdas.http.answers import Answers, origins
from lambdas.http.problems import KINDS, Problem

PAGE = "https://reader.example"


def answer(origin=None, allowed=""):
    event = {"headers": {"Origin": origin} if origin else {}, "requestContext": {"requestId": "id"}}
    return Answers(origins(allowed)).to(event).document({"x": 1})["headers"]


def test_what_all_answers_say():
    headers = answer()
    assert headers["x-request-id"] == "id"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Content-Type"] == "application/json"


def test_without_allowed_origins_nothing_is_said_about_them():
    headers = answer(PAGE)
    assert not [name for name in headers if name.startswith("Access-Control") or name == "Vary"]


def test_a_page_of_an_allowed_origin_may_read_the_answer():
    headers = answer(PAGE, f"https://other.example {PAGE}")
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert "x-request-id" in headers["Access-Control-Expose-Headers"]
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [None, "https://evil.example", f"{PAGE}.evil.example", "null"])
def test_a_page_of_another_origin_may_not(origin):
    headers = answer(origin, PAGE)
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Vary"] == "Origin", "a cache must not give this answer to an allowed page"


def test_credentials_of_a_browser_are_never_asked_for():
    assert "Access-Control-Allow-Credentials" not in answer(PAGE, PAGE)


@pytest.mark.parametrize("code", KINDS)
def test_a_problem_says_the_same_in_its_status_and_its_document(code):
    found = Answers().to({"requestContext": {"requestId": "id"}}).problem(Problem(code, "A sentence."))
    document = json.loads(found["body"])
    assert found["statusCode"] == document["status"] == KINDS[code].status
    assert found["headers"]["Content-Type"] == "application/problem+json"
    assert (document["code"], document["request_id"], document["detail"]) == (code, "id", "A sentence.")


def test_a_request_without_an_id_gets_one():
    assert uuid.UUID(answers.request_id({}))
    assert answers.request_id({"requestContext": {"requestId": "given"}}) == "given"


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (
            {"resource": "/v1/predictions/{prediction_id}", "path": "/v1/predictions/7"},
            "/v1/predictions/{prediction_id}",
        ),
        ({"resource": "/{proxy+}", "path": "/nowhere/"}, "/nowhere"),
        ({"path": "/v1/health"}, "/v1/health"),
        ({}, "/"),
    ],
)
def test_a_route_is_the_resource_or_behind_the_proxy_the_path(event, path):
    assert answers.path(event) == path
