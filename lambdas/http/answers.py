"""HTTP answers of all functions: request id, security headers and CORS headers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.aws.errors import is_throttled
from lambdas.http.problems import CONTENT_TYPE, Problem

NOTICE = "For research use only. Not a medical device: not for diagnosis or any decision about a patient's care."

_SAFETY = {
    # Answers are about patients: nothing between here and the caller may keep them.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
}
# What a script of another origin may read beside the headers that are always safe.
_EXPOSED = "x-request-id, Retry-After, Idempotency-Replayed, Allow, ETag"


@dataclass(frozen=True)
class Reply:
    """Makes answers to one REST API proxy event (payload 1.0).

    Attributes:
        request_id: its id.
        cors: headers by which a page of another origin may read the answer.
    """

    request_id: str
    cors: Mapping[str, str]

    def of(self, status: int, body: str, headers: Mapping[str, str], *, binary: bool = False) -> dict[str, Any]:
        """An answer; `headers` go before those that all answers have.

        The body of a `binary` one is in base64, which the gateway decodes where Accept names a binary media type first.
        """
        return {
            "statusCode": status,
            "headers": {**_SAFETY, **self.cors, **headers, "x-request-id": self.request_id},
            "body": body,
            "isBase64Encoded": binary,
        }

    def document(self, document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """An answer with a JSON document."""
        content = {"Content-Type": "application/json", **(headers or {})}
        return self.of(status, json.dumps(document, allow_nan=False), content)

    def problem(self, problem: Problem) -> dict[str, Any]:
        """An error's answer."""
        headers = {**problem.headers, "Content-Type": CONTENT_TYPE}
        return self.document(problem.document(self.request_id), status=problem.kind.status, headers=headers)


@dataclass(frozen=True)
class Answers:
    """Answers of a deployment.

    Args:
        origins: whose pages may call the API from a browser, besides its own.
    """

    origins: frozenset[str] = frozenset()

    def to(self, event: Mapping[str, Any]) -> Reply:
        """The reply to a request."""
        return Reply(request_id(event), self._cors(event))

    def _cors(self, event: Mapping[str, Any]) -> dict[str, str]:
        if not self.origins:
            return {}
        origin = header(event, "origin")
        # A cache has to know that the answer depends on the origin also where this one is not allowed.
        if origin not in self.origins:
            return {"Vary": "Origin"}
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED, "Vary": "Origin"}


def origins(variable: str) -> frozenset[str]:
    """The origins of the environment variable ALLOWED_ORIGINS, which spaces separate."""
    return frozenset(variable.split())


def request_id(event: Mapping[str, Any]) -> str:
    """The gateway's own id, so that its access log, the functions' logs and the answer name the same request."""
    return str((event.get("requestContext") or {}).get("requestId") or uuid.uuid4())


def header(event: Mapping[str, Any], name: str) -> str:
    """A header's value, whatever the case of its name; empty where there is none."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None) or ""


def has_header(event: Mapping[str, Any], name: str) -> bool:
    """Whether a header is there, be it empty."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return any(key.lower() == name.lower() for key in headers)


def path(event: Mapping[str, Any]) -> str:
    """The route: the declared resource, or behind `{proxy+}` the path asked for."""
    resource = str(event.get("resource") or "")
    found = str(event.get("path") or "/") if not resource or "{proxy+}" in resource else resource
    return found.rstrip("/") or "/"


def unexpected(error: BaseException, request_id: str) -> Problem:
    """Problem for an unexpected exception: a service at its limit, or an internal error to report."""
    if is_throttled(error):
        return Problem("throttled", "A service that this one asks is at its limit of requests. Try again in a moment.")
    return Problem(
        "internal_error", f"Something went wrong on our side. Quote request {request_id} when you report it."
    )
