"""Site: unauthenticated routes of the API, and answers to wrong paths and methods.

`GET /`, the page for a person with a browser; `GET /openapi.json` and `GET /docs`; preflight requests; and everything
that no other method of the API takes, which API Gateway sends to `{proxy+}` and would otherwise call a missing token.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lambdas.http import answers
from lambdas.http.answers import Answers, Reply, header, origins
from lambdas.http.problems import Problem
from lambdas.site import page

# What scripts of other origins may send: keys, tokens, what signature version 4 adds, and an Accept with a quoted
# parameter, which needs leave (Fetch Standard, CORS-unsafe request-header byte, read 2026-11).
_ALLOWED_HEADERS = (
    "accept, authorization, content-type, idempotency-key, x-api-key, x-amz-content-sha256, x-amz-date, "
    "x-amz-security-token"
)
_STATIC = Path(__file__).parent / "static"
_STATIC_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".txt": "text/plain",
}
_PREFLIGHT_SECONDS = 7200  # the most that Chromium remembers
_FRESH_SECONDS = 300


class Site:
    """Answers of the unauthenticated routes.

    Args:
        document: the OpenAPI document with every way to authenticate.
        authentication: the one of them that this deployment has.
        max_image_bytes: largest image in a request; the page sends larger ones to the bucket first.
        upload_origin: where the page may send large images besides its own origin; empty for nowhere.
        sign_in: JSON with `client_id`, `authorization_endpoint`, `token_endpoint` and `scope`, by which a person at
            the page gets a token; empty where nobody does.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        *,
        authentication: str,
        answers: Answers,
        max_image_bytes: int,
        upload_origin: str = "",
        sign_in: str = "",
    ) -> None:
        described = narrowed(document, authentication)
        self._answers = answers
        token_origin = origin(json.loads(sign_in)["token_endpoint"]) if sign_in else ""
        self._pages = {
            "/openapi.json": (json.dumps(described), "application/json", {}),
            "/docs": (
                page.render(described, max_image_bytes=max_image_bytes, sign_in=sign_in),
                "text/html; charset=utf-8",
                {"Content-Security-Policy": page.policy(token_origin), "X-Frame-Options": "DENY"},
            ),
        }
        connect = " ".join(filter(None, ["'self'", upload_origin, token_origin]))
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; "
            f"connect-src {connect}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        for file in sorted(path for path in _STATIC.rglob("*") if path.is_file()):
            content = file.read_text(encoding="utf-8")
            if file.suffix == ".html":
                content = content.replace("{{max_image_bytes}}", str(max_image_bytes))
                content = content.replace("{{authentication}}", authentication)
                content = content.replace("{{sign_in}}", escape(sign_in))
            path = file.relative_to(_STATIC).as_posix()
            self._pages["/" if path == "index.html" else f"/{path}"] = (
                content,
                f"{_STATIC_TYPES[file.suffix]}; charset=utf-8",
                {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"},
            )
        methods = {path: [method.upper() for method in taken] for path, taken in described["paths"].items()}
        methods |= {path: ["GET", "HEAD"] for path in self._pages}
        # Literal paths come first, as in API Gateway.
        self._methods = {
            re.compile(
                "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/"))
            ): taken
            for path, taken in sorted(methods.items(), key=lambda item: "{" in item[0])
        }

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """One request's answer."""
        started, reply = time.perf_counter(), self._answers.to(event)
        try:
            answer = self._answered(event, reply)
        except Problem as problem:
            answer = reply.problem(problem)
        line = {
            "level": "INFO",
            "message": "answered",
            "service": "site",
            "request_id": reply.request_id,
            "status": answer["statusCode"],
            "ms": round((time.perf_counter() - started) * 1000, 1),
        }
        print(json.dumps(line), flush=True)
        return answer

    def _answered(self, event: dict[str, Any], reply: Reply) -> dict[str, Any]:
        path, method = answers.path(event), str(event.get("httpMethod", ""))
        allowed = next((methods for pattern, methods in self._methods.items() if pattern.fullmatch(path)), None)
        if allowed is None:
            raise Problem("not_found", "There is nothing at this path: /docs lists those that there are.")
        if method == "OPTIONS":
            return self._preflight(event, [*allowed, "OPTIONS"], reply)
        if method not in allowed:
            named = ", ".join([*allowed, "OPTIONS"])
            raise Problem("method_not_allowed", f"This path takes {named}.", headers={"Allow": named})
        if path not in self._pages:
            # Only a gateway that forgot a method would send this here.
            raise Problem("not_found", "This path is not answered here.")
        found = self._page(event, path, reply)
        # To HEAD, what GET says of it (RFC 9110, 9.3.2). API Gateway sends it here where a path has only GET.
        return found | {"body": ""} if method == "HEAD" else found

    def _page(self, event: dict[str, Any], path: str, reply: Reply) -> dict[str, Any]:
        full = str((event.get("requestContext") or {}).get("path") or path)
        if (path == "/") != full.endswith("/"):
            # Pages name their parts relative to themselves: the stage is a folder, and nothing below it is one.
            place = f"{full}/" if path == "/" else f"../{path.rpartition('/')[2]}"
            return reply.of(308, "", {"Location": place})
        body, content_type, more = self._pages[path]
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": f"public, max-age={_FRESH_SECONDS}", **more}
        if tag in (part.strip().removeprefix("W/") for part in header(event, "if-none-match").split(",")):
            return reply.of(304, "", headers)
        return reply.of(200, body, {**headers, "Content-Type": content_type})

    def _preflight(self, event: dict[str, Any], allowed: list[str], reply: Reply) -> dict[str, Any]:
        headers = {"Allow": ", ".join(allowed)}
        if header(event, "origin") in self._answers.origins:
            headers |= {
                "Access-Control-Allow-Methods": ", ".join(allowed),
                "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
                "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            }
        return reply.of(204, "", headers)


def upload_origin(variables: Mapping[str, str]) -> str:
    """Origin that presigned forms are posted to.

    Args:
        variables: with UPLOAD_ORIGIN, the bucket's address; where the SDK's own variables name another endpoint for S3,
            as on the laptop, the forms are signed for that.
    """
    endpoint = variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return variables.get("UPLOAD_ORIGIN", "")
    return origin(endpoint)


def origin(address: str) -> str:
    """The origin of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def narrowed(document: Mapping[str, Any], authentication: str) -> dict[str, Any]:
    """The OpenAPI document with one way to authenticate.

    Raises:
        KeyError: the document knows no such way.
    """
    schemes = document["components"]["securitySchemes"]
    components = {**document["components"], "securitySchemes": {authentication: schemes[authentication]}}
    return {**document, "security": [{authentication: []}], "components": components}


_DOCUMENT = json.loads((Path(__file__).parent / "openapi.json").read_text(encoding="utf-8"))
site = Site(
    _DOCUMENT,
    authentication=os.environ.get("AUTHENTICATION", "api_key"),
    answers=Answers(origins(os.environ.get("ALLOWED_ORIGINS", ""))),
    # Without a limit everything goes to the bucket first, which any image may.
    max_image_bytes=int(os.environ.get("MAX_IMAGE_BYTES", "0")),
    upload_origin=upload_origin(os.environ),
    sign_in=os.environ.get("SIGN_IN", ""),
)


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return site.answer(event)
