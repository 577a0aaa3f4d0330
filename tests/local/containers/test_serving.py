"""A handler written for SageMaker's TensorFlow Serving container finds here what it finds there."""

from __future__ import annotations

import io
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from local.containers.serving import load_handler, parse_context
from tests.http_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    return tmp_path


@pytest.fixture
def rest_port() -> Iterator[int]:
    """A TensorFlow Serving that says which path it was asked and with what."""

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            body = json.dumps({"path": self.path, "asked": asked}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    with serving(server):
        yield server.server_address[1]


def test_the_context_has_the_containers_fields() -> None:
    context = parse_context({"Content-Type": "image/jpeg"}, 8501, 7)
    assert context._fields == (
        *("model_name", "model_version", "method", "rest_uri", "grpc_port", "channel"),
        *("custom_attributes", "request_content_type", "accept_header", "content_length", "timeout"),
    )
    assert context.rest_uri == "http://127.0.0.1:8501/v1/models/model:predict"
    assert (context.request_content_type, context.accept_header) == ("image/jpeg", "application/json")


def test_custom_attributes_choose_the_model_its_version_and_the_method() -> None:
    attributes = "tfs-model-name=other,tfs-model-version=3,tfs-method=classify,trace=1"
    context = parse_context({"X-Amzn-SageMaker-Custom-Attributes": attributes}, 8501, 0)
    assert context.rest_uri == "http://127.0.0.1:8501/v1/models/other/versions/3:classify"
    assert context.custom_attributes == attributes


@pytest.mark.parametrize("attributes", ["tfs-model-name=a/b", "tfs-model-version=x", "tfs-method=delete"])
def test_custom_attributes_that_would_change_the_path_are_refused(attributes: str) -> None:
    with pytest.raises(ValueError, match="invalid tfs-"):
        parse_context({"X-Amzn-SageMaker-Custom-Attributes": attributes}, 8501, 0)


def test_input_and_output_handlers_stand_around_a_request_to_the_model(artifact: Path, rest_port: int) -> None:
    (artifact / "code" / "inference.py").write_text(
        "def input_handler(data, context):\n"
        "    return data.read().upper()\n"
        "def output_handler(response, context):\n"
        "    return response.content, context.accept_header\n"
    )
    handler = load_handler(artifact)
    assert handler is not None
    answer, accept = handler(io.BytesIO(b"image"), parse_context({"Accept": "application/json"}, rest_port, 5))
    assert json.loads(answer) == {"path": "/v1/models/model:predict", "asked": "IMAGE"}
    assert accept == "application/json"


def test_a_handler_alone_replaces_the_request_to_the_model(artifact: Path) -> None:
    (artifact / "code" / "inference.py").write_text(
        "def handler(data, context):\n    return data.read(), 'text/plain'\n"
    )
    handler = load_handler(artifact)
    assert handler is not None
    assert handler(io.BytesIO(b"x"), parse_context({}, 1, 1)) == (b"x", "text/plain")


def test_a_script_with_half_of_the_pair_does_not_start(artifact: Path) -> None:
    (artifact / "code" / "inference.py").write_text("def input_handler(data, context):\n    return data\n")
    with pytest.raises(NotImplementedError, match="Handlers are not implemented correctly in user script"):
        load_handler(artifact)


def test_an_artifact_without_a_script_has_no_handler(artifact: Path) -> None:
    assert load_handler(artifact) is None
