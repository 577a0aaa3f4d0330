"""Proxy events and a service with its variables, for tests of the functions in lambdas/rest."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lambdas.api.service import logger

REQUEST_ID = "11111111-2222-4333-8444-555555555555"


def event(method: str, resource: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """An event of API Gateway; `prediction_id` fills the path, `headers` come on top."""
    prediction_id = more.pop("prediction_id", "")
    headers = {"Content-Type": "application/json", **more.pop("headers", {})}
    return {
        "resource": resource,
        "path": resource.replace("{prediction_id}", prediction_id),
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"prediction_id": prediction_id} if prediction_id else None,
        "requestContext": {"requestId": REQUEST_ID, "stage": "api", "identity": {"apiKeyId": "client"}},
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
        **more,
    }


def captured(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Log of the functions from here on, as Lambda would get it."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def problem(answer: dict[str, Any], status: int, code: str) -> dict[str, Any]:
    """The document of an answer that is this problem."""
    document: dict[str, Any] = json.loads(answer["body"])
    assert (answer["statusCode"], document.get("code")) == (status, code), document
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert document["request_id"] == answer["headers"]["x-request-id"] == REQUEST_ID
    assert document["detail"].endswith(".")
    return document
