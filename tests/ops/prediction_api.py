"""The HTTPS API as far as its clients see it: a real HTTP server that answers by the last byte of an image."""

from __future__ import annotations

import base64
import io
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from tests.http_server import serving
from tests.ops.conftest import GROUP_ARN, Cloud

BAND = {"indeterminate": {"low": 0.3, "high": 0.5}}
JPEG = b"\xff\xd8\xff\xe0"
PNG = b"\x89PNG\r\n\x1a\n"


def png(image: Image.Image, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, format="PNG", **options)
    return content.getvalue()


# Red and opaque on the left, nothing on the right.
HEAT = png(Image.frombytes("RGBA", (2, 1), bytes([255, 0, 0, 255, 0, 0, 0, 0])))


def picture(content: bytes) -> dict[str, str]:
    return {"media_type": "image/png", "data": base64.b64encode(content).decode()}


class Api:
    """Answers POST /v1/predictions: queued answers first, then by the last byte of the image.

    Attributes:
        shows_radiographs: whether an overlay of a DICOM file comes with the radiograph below it.
    """

    shows_radiographs = False

    def __init__(self) -> None:
        self.queued: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with api.lock:
                    api.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                    status, headers, document = api.queued.pop(0) if api.queued else api.answer(body)
                if status == 200 and self.path.endswith("?explain=true"):
                    document["overlay"] = {**picture(HEAT), "cells": 14, "empty": document["label"] == "NORMAL"}
                    if api.shows_radiographs and body[128:132] == b"DICM":
                        document["radiograph"] = picture(png(Image.new("L", (64, 48), 90)))
                content = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/"

    @staticmethod
    def answer(body: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
        if body.endswith(b"!"):
            detail = "The image cannot be decoded."
            return 400, {}, {"title": "Bad", "status": 400, "detail": detail, "code": "undecodable_image"}
        probability = body[-1] / 100
        return (
            200,
            {},
            {
                "id": str(uuid.uuid4()),
                "probability": probability,
                "label": "PNEUMONIA" if probability >= 0.4 else "NORMAL",
                "indeterminate": 0.3 < probability < 0.5,
                "guarantee": {"predictive_value": 0.9} if probability >= 0.9 else None,
                "threshold": 0.4,
                "model": {
                    "package_arn": f"{GROUP_ARN}/3",
                    "version": 3,
                    "dataset_sha256": "0f" * 32,
                    "served_sha256": "5e" * 32,
                    **BAND,
                },
                "notice": "For research use only.",
            },
        )


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    with serving(made.server):
        yield made


@pytest.fixture
def deployed(cloud: Cloud, api: Api, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr("ops.base.deployment.Deployment.api_url", property(lambda _deployment: api.url))
    can_ask(cloud)
    return cloud


def can_ask(cloud: Cloud) -> None:
    """Once more: for the next command of a test."""
    cloud.has_stack("api")
    expected = {"apiKey": "key-1", "includeValue": True}
    cloud.answers("apigateway", "get_api_key", {"id": "key-1", "value": "secret"}, expected)
