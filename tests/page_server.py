"""The reader's page served without a stack: Site's own answers, and an API whose answers a test chooses."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from PIL import Image

from lambdas.http.answers import Answers
from lambdas.http.problems import CONTENT_TYPE, Problem
from lambdas.site import handler
from lambdas.site.handler import Site

KEY = "the-key"
CLIENT = "the-page"
ARN = "arn:aws:sagemaker:eu-west-1:111111111111:model-package/cxr-dev/3"
NOTICE = "For research use only. Not a medical device: not for diagnosis or any decision about a patient's care."
_BAND = {"low": 0.31, "high": 0.62}
_THRESHOLD = 0.47


def png(image: Image.Image) -> str:
    """A PNG in base64, as answers have it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def overlay(*, empty: bool = False) -> dict[str, Any]:
    """A map that marks its upper left quarter as strongly as maps do, and the rest hardly."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 4, 0) if empty else (147, 38, 103, 30))
    if not empty:
        picture.paste((252, 255, 164, 153), (0, 0, 32, 32))
    return {"media_type": "image/png", "data": png(picture), "cells": 16, "empty": empty}


def prediction(probability: float, **members: Any) -> dict[str, Any]:
    """An answer of the API with this probability."""
    indeterminate = _BAND["low"] <= probability < _BAND["high"]
    guarantee = None if indeterminate else {"predictive_value": 0.95, "confidence": 0.95, "prevalence": 0.47}
    return {
        "id": f"prediction-{probability:.3f}",
        "probability": probability,
        "label": "PNEUMONIA" if probability >= _THRESHOLD else "NORMAL",
        "indeterminate": indeterminate,
        "guarantee": guarantee,
        "threshold": _THRESHOLD,
        "model": {
            "package_arn": ARN,
            "group": "cxr-dev",
            "version": 3,
            "indeterminate": _BAND,
            "image_size": 220,
            "dataset_sha256": "0e" * 32,
            "served_sha256": "5e" * 32,
            "engine": "litert",
        },
        "notice": NOTICE,
        "overlay": overlay(empty=probability < _BAND["low"]),
        **members,
    }


def _metric(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def serving_model() -> dict[str, Any]:
    """Answer of `GET /v1/model`, with one site's evaluation."""
    return {
        "package_arn": ARN,
        "group": "cxr-dev",
        "version": 3,
        "registered_at": "2026-11-20T09:00:00Z",
        "approval": {"status": "Approved", "changed_at": "2026-11-21T09:00:00Z"},
        "threshold": _THRESHOLD,
        "indeterminate": _BAND,
        "guarantee": None,
        "population": {"ages": ["18-39", "40-64"], "views": ["PA"], "modalities": ["DX"]},
        "engine": {"name": "litert", "weights": "int8"},
        "metrics": {
            **{name: _metric(0.9) for name in ("auroc", "sensitivity", "specificity")},
            "calibration_error": _metric(0.03),
            "images": 620,
            "patients": 600,
        },
        "site_evaluations": [
            {
                "evaluated_at": "2026-11-28T09:00:00Z",
                "verdict": "not_usable",
                "images": 600,
                "patients": 580,
                "refused_share": _metric(0.05),
                **{name: _metric(0.71) for name in ("auroc", "sensitivity", "specificity")},
            }
        ],
        "unreadable_site_evaluations": 0,
        "dataset_sha256": "0e" * 32,
        "artifact_sha256": "a1" * 32,
        "served_sha256": "5e" * 32,
        "calibrated_from": None,
        "notice": NOTICE,
    }


@dataclass
class PageServer:
    """Requests that the API and the issuer received, and the answers that they give.

    Attributes:
        answers: by a file's bytes, one answer after the other: a document, or a Problem; the last stays.
        keys: Idempotency-Key of each prediction that was asked for.
        labels: (prediction's id, label) in the order of their arrival.
        most_at_once: how many predictions were asked for at the same time.
        seconds: that a prediction takes.
        tokens: that the issuer gives, one after the other: each for a code or for the token to renew the last with.
        valid: the token that the API takes, where it takes tokens.
    """

    url: str = ""
    answers: dict[bytes, list[dict[str, Any] | Problem]] = field(default_factory=dict)
    keys: list[str | None] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[float, bytes]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    most_at_once: int = 0
    seconds: float = 0.02
    model: dict[str, Any] = field(default_factory=serving_model)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    valid: str = ""
    grants: list[str] = field(default_factory=list)
    _challenges: dict[str, str] = field(default_factory=dict)
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def predict(self, body: bytes) -> dict[str, Any] | Problem:
        """The next answer about these bytes."""
        with self._lock:
            self.asked.append((time.monotonic(), body))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            answers = self.answers.get(body) or [prediction(0.05)]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
        return answer

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any] | Problem:
        """An answer of the API."""
        if headers.get("x-api-key") != KEY and headers.get("authorization") != f"Bearer {self.valid}":
            problem = Problem("not_found", "Send a key.").document("request-1")
            return {**problem, "status": 403, "code": "api_key_required", "title": "A valid API key is needed"}
        if (method, path) == ("POST", "/v1/predictions"):
            self.keys.append(headers.get("idempotency-key"))
            return self.predict(body)
        if (method, path) == ("GET", "/v1/model"):
            return self.model
        identifier = path.split("/")[3]
        label = json.loads(body)["label"]
        self.labels.append((identifier, label))
        return {"id": identifier, "label": label, "received_at": "2026-11-28T09:00:00Z"}

    def authorize(self, query: str) -> str:
        """URL to which the issuer sends a person who has signed in (RFC 6749, 4.1.2): back, with a code."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "cxr/predict cxr/upload cxr/feedback")
        self._challenges["the-code"] = asked["code_challenge"]
        return f"{asked['redirect_uri']}?{urlencode({'code': 'the-code', 'state': asked['state']})}"

    def token(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """A token for a code whose verifier is known (RFC 7636, 4.6), or in place of an earlier one."""
        given = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.grants.append(given["grant_type"])
        if given["grant_type"] == "authorization_code":
            digest = hashlib.sha256(given["code_verifier"].encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self._challenges.pop(given["code"], ""):
                return 400, {"error": "invalid_grant"}
        if not self.tokens:
            return 400, {"error": "invalid_grant", "error_description": "your session has ended"}
        token = self.tokens.pop(0)
        self.valid = token["access_token"]
        return 200, {"token_type": "Bearer", **token}


@contextmanager
def served(authentication: str = "api_key") -> Iterator[PageServer]:
    """The page at an address of this machine; with `jwt` an issuer of tokens is at another origin."""
    document = json.loads((Path(handler.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
    state = PageServer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Requests are nobody's concern."""

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if path.startswith("/v1/"):
                self._send(*_as_http(state.answer(method, path, headers, body)))
                return
            if path == "/authorize":
                self._send(302, {"Location": state.authorize(query)}, b"")
                return
            if path == "/token":
                status, answer = state.token(body)
                allowed = {"Access-Control-Allow-Origin": state.url.rstrip("/"), "Content-Type": "application/json"}
                self._send(status, allowed, json.dumps(answer).encode())
                return
            context = {"path": path, "requestId": "request-1"}
            event = {"httpMethod": method, "path": path, "headers": headers, "requestContext": context}
            answered = site.answer(event)
            content = answered["body"].encode()
            state.sent[path] = len(content)
            self._send(answered["statusCode"], answered["headers"], content)

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/"
    issuer = f"http://localhost:{server.server_port}"
    sign_in = {
        "client_id": CLIENT,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "scope": "cxr/predict cxr/upload cxr/feedback",
    }
    site = Site(
        document,
        authentication=authentication,
        answers=Answers(),
        max_image_bytes=5_000_000,
        sign_in=json.dumps(sign_in) if authentication == "jwt" else "",
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _as_http(answer: dict[str, Any] | Problem) -> tuple[int, dict[str, str], bytes]:
    if isinstance(answer, Problem):
        headers = {**answer.headers, "Content-Type": CONTENT_TYPE, "x-request-id": "request-7"}
        return answer.kind.status, headers, json.dumps(answer.document("request-7")).encode()
    headers = {"Content-Type": "application/json", "x-request-id": "request-7"}
    return int(answer.get("status", 200)), headers, json.dumps(answer).encode()
