"""The API's paths, and the one place where results and exceptions become HTTP answers.

Two paths need no framework: Powertools' APIGatewayRestResolver adds 170 ms to a cold start (see `handler`).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.predict import image, log
from lambdas.predict.endpoint import Endpoint
from lambdas.predict.model import Model
from lambdas.predict.problems import CONTENT_TYPE, Problem

NOTICE = "For research use only. Not a medical device: not for diagnosis or any decision about a patient's care."

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
}

# Takes the event, the request's id and the fields to log, which it may add to; returns the answer's document.
_Operation = Callable[[dict[str, Any], str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Api:
    """Answers REST API proxy events (payload 1.0)."""

    model: Model
    endpoint: Endpoint
    max_image_bytes: int

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """One request's answer; never raises, so the gateway never answers for this function."""
        started = time.perf_counter()
        # The gateway's own id, so that its access log, this function's log and the answer name the same request.
        request_id = (event.get("requestContext") or {}).get("requestId") or str(uuid.uuid4())
        fields: dict[str, Any] = {"request_id": request_id, "method": event.get("httpMethod"), "path": _path(event)}
        headers = {"Content-Type": "application/json"}
        try:
            status, body = 200, self._route(event)(event, request_id, fields)
        except Problem as problem:
            status, body = problem.kind.status, problem.document(request_id)
            headers = {"Content-Type": CONTENT_TYPE, **problem.headers}
            fields["code"] = problem.code
            if status >= 500 and problem.__cause__ is not None:
                log.error("the endpoint failed", problem.__cause__, **fields)
        except Exception as exception:  # noqa: BLE001 - the caller gets an answer, the log the reason
            failure = Problem(
                "internal_error", f"Something went wrong on our side. Quote request {request_id} when you report it."
            )
            status, body = failure.kind.status, failure.document(request_id)
            headers = {"Content-Type": CONTENT_TYPE}
            fields["code"] = failure.code
            log.error("unexpected failure", exception, **fields)
        log.write("INFO", "answered", status=status, ms=round((time.perf_counter() - started) * 1000, 1), **fields)
        return {
            "statusCode": status,
            "headers": {**_HEADERS, **headers, "x-request-id": request_id},
            "body": json.dumps(body, allow_nan=False),
            "isBase64Encoded": False,
        }

    def _route(self, event: dict[str, Any]) -> _Operation:
        routes: dict[str, dict[str, _Operation]] = {
            "/v1/predictions": {"POST": self._predict},
            "/v1/health": {"GET": self._health},
        }
        path = _path(event)
        methods = routes.get(path)
        if methods is None:
            raise Problem("not_found", f"There is nothing at {path}. Known paths: {', '.join(routes)}.")
        method = str(event.get("httpMethod", ""))
        if method not in methods:
            allowed = ", ".join(methods)
            raise Problem("method_not_allowed", f"{path} takes {allowed}, not {method}.", headers={"Allow": allowed})
        return methods[method]

    def _predict(self, event: dict[str, Any], request_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        radiograph = image.read(event, self.max_image_bytes)
        fields.update(image_bytes=len(radiograph.data), content_type=radiograph.content_type)
        asked = time.perf_counter()
        prediction = self.model.predict(radiograph)
        fields.update(
            model_ms=round((time.perf_counter() - asked) * 1000, 1), model_version=prediction.model["version"]
        )
        return {
            "id": request_id,
            "probability": prediction.probability,
            "label": prediction.label,
            "threshold": prediction.threshold,
            "model": prediction.model,
            "notice": NOTICE,
        }

    def _health(self, _event: dict[str, Any], _request_id: str, _fields: dict[str, Any]) -> dict[str, Any]:
        """200 whatever the endpoint's state: the API itself is up, and before a first release that is not a fault."""
        return {"status": self.endpoint.health(), "endpoint_status": self.endpoint.status(), "notice": NOTICE}


def _path(event: dict[str, Any]) -> str:
    """The route: the declared resource, or behind `{proxy+}` the path asked for."""
    resource = str(event.get("resource") or "")
    path = str(event.get("path") or "/") if not resource or "{" in resource else resource
    return path.rstrip("/") or "/"
