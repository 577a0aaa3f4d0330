"""The serving container of a laptop endpoint: `python -m local.containers.serving`, one process for one model artifact.

It keeps the contract of SageMaker's TensorFlow Serving images: `GET /ping`, `POST /invocations`, and a script
`code/inference.py` that defines `handler`, or `input_handler` and `output_handler`. A handler gets the same context
and really reaches the model through TensorFlow Serving's REST API, over HTTP, at `context.rest_uri`. Other than there,
each request has a thread of its own, so that a handler that computes does not keep `/ping` from being answered.
Source: python_service.py, tfs_utils.py and tensorflowServing.js of the 2.20 images (aws/deep-learning-containers
e0ecede, scripts/docker/tensorflow/inference/sagemaker, read 2026-11).

The listening socket is inherited, so the port is known before the process exists and requests wait for it.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import logging
import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import requests

logger = logging.getLogger("serving")

_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_JSON = "application/json"
# What a request may say about the model to ask (tfs_utils.py).
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_METHODS = frozenset({"predict", "classify", "regress"})
_TIMEOUT_SECONDS = 60
# What TensorFlow Serving itself understands, all that is accepted when there is no script.
_DEFAULT_CONTENT_TYPES = frozenset({_JSON, "application/jsonlines", "application/jsons", "text/csv"})


class Context(NamedTuple):
    """Request context of a handler; the fields and their order are the container's."""

    model_name: str | None
    model_version: str | None
    method: str | None
    rest_uri: str
    grpc_port: str | None
    channel: None
    custom_attributes: str | None
    request_content_type: str
    accept_header: str
    content_length: int
    timeout: int


class ServingError(Exception):
    """An answer of TensorFlow Serving other than 200, which the container passes on with its status."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(f"TensorFlow Serving answered {status}")
        self.status = status
        self.content = content


Handler: TypeAlias = Callable[[IO[bytes], Context], tuple[str | bytes, str]]


def load_handler(model_directory: Path) -> Handler | None:
    """Import the handlers of `code/inference.py`.

    Args:
        model_directory: the unpacked `model.tar.gz`.

    Returns:
        The handler, or None when the artifact has no script.

    Raises:
        NotImplementedError: when the script defines neither `handler` nor both of the other two.
    """
    script = model_directory / "code" / "inference.py"
    if not script.exists():
        return None
    # The container puts both on the path: the script's own modules and the libraries that travel with it.
    sys.path[:0] = [str(script.parent), str(script.parent / "lib")]
    specification = importlib.util.spec_from_file_location("inference", script)
    if specification is None or specification.loader is None:
        raise ImportError(f"{script} cannot be imported.")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    if hasattr(module, "handler"):
        handler: Handler = module.handler
        return handler
    if not (hasattr(module, "input_handler") and hasattr(module, "output_handler")):
        raise NotImplementedError("Handlers are not implemented correctly in user script.")

    def piped(data: IO[bytes], context: Context) -> tuple[str | bytes, str]:
        processed = module.input_handler(data, context)
        response = requests.post(context.rest_uri, data=processed, timeout=_TIMEOUT_SECONDS)
        if response.status_code != 200:
            # As falcon writes an HTTPError whose status is a bare number; output_handler is not asked.
            status, text = response.status_code, response.content.decode("utf-8", "replace")
            raise ServingError(status, json.dumps({"title": str(status), "description": text}).encode())
        answer: tuple[str | bytes, str] = module.output_handler(response, context)
        return answer

    return piped


def default_handler(data: IO[bytes], context: Context) -> tuple[str | bytes, str]:
    """Send a JSON request to TensorFlow Serving as it is, and its answer back.

    Raises:
        ServingError: when the answer's status is not 200.
    """
    body = data.read().decode("utf-8")
    if context.request_content_type.startswith("text/csv"):
        rows = [[float(cell) for cell in line.split(",")] for line in body.splitlines() if line]
        body = json.dumps({"instances": rows})
    response = requests.post(context.rest_uri, data=body.encode(), timeout=_TIMEOUT_SECONDS)
    if response.status_code != 200:
        raise ServingError(response.status_code, response.content)
    return response.content, context.accept_header


def parse_context(headers: Any, rest_port: int, content_length: int) -> Context:
    """The context of a request.

    Args:
        headers: the HTTP headers; `X-Amzn-SageMaker-Custom-Attributes` may hold tfs-model-name, -version and -method.
        rest_port: port that TensorFlow Serving listens on.
        content_length: bytes of the body.

    Raises:
        ValueError: when one of the attributes cannot be part of TensorFlow Serving's path.
    """
    custom = headers.get(_CUSTOM_ATTRIBUTES)
    attributes = dict(found.split("=", 1) for found in re.findall(r"(tfs-[a-z\-]+=[^,]+)", custom or ""))
    name, version = attributes.get("tfs-model-name", "model"), attributes.get("tfs-model-version")
    method = attributes.get("tfs-method", "predict")
    if _MODEL_NAME.fullmatch(name) is None:
        raise ValueError("invalid tfs-model-name")
    if version is not None and re.fullmatch(r"\d+", version) is None:
        raise ValueError("invalid tfs-model-version: must be a positive integer")
    if method not in _METHODS:
        raise ValueError("invalid tfs-method: must be one of predict|classify|regress")
    uri = f"http://127.0.0.1:{rest_port}/v1/models/{name}"
    if version is not None:
        uri += f"/versions/{version}"
    return Context(
        model_name=attributes.get("tfs-model-name"),
        model_version=version,
        method=attributes.get("tfs-method"),
        rest_uri=f"{uri}:{method}",
        grpc_port=None,
        channel=None,
        custom_attributes=custom,
        request_content_type=headers.get("Content-Type") or _JSON,
        accept_header=headers.get("Accept") or _JSON,
        content_length=content_length,
        timeout=_TIMEOUT_SECONDS,
    )


def request_handler(handler: Handler | None, rest_port: int) -> type[BaseHTTPRequestHandler]:
    """The HTTP face of the container, for `http.server`."""

    class ContainerApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer(200 if self.path == "/ping" else 404, _JSON, b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if self.path != "/invocations":
                self._answer(404, _JSON, b"")
                return
            try:
                context = parse_context(self.headers, rest_port, length)
            except ValueError as error:
                self._answer(400, _JSON, json.dumps({"error": str(error)}).encode())
                return
            content_type = context.request_content_type.partition(";")[0].strip()
            if handler is None and content_type not in _DEFAULT_CONTENT_TYPES:
                self._answer(415, _JSON, json.dumps({"error": f"Unsupported Media Type: {content_type}"}).encode())
                return
            try:
                answer, accept = (handler or default_handler)(io.BytesIO(body), context)
                self._answer(200, accept, answer.encode() if isinstance(answer, str) else answer)
            except ServingError as error:
                self._answer(error.status, _JSON, error.content)
            except Exception as error:
                # Whatever the script raises is the container's answer: its text, with status 500.
                logger.exception("exception handling request")
                self._answer(500, _JSON, json.dumps({"error": str(error)}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
            logger.info("%s", format % args)

    return ContainerApi


class _InheritedSocketServer(ThreadingHTTPServer):
    """An HTTP server on a socket that already listens."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()[:2]


def _watch_parent() -> None:
    # Standard input is a pipe from the endpoint that owns this process: when that is gone, so is the reason to run.
    def wait() -> None:
        # Not through sys.stdin: a thread inside its buffer makes the interpreter abort when the main thread ends first.
        while os.read(0, 1):
            continue
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Serve one unpacked model artifact until stopped."""
    parser = argparse.ArgumentParser(description="Serve a model artifact under SageMaker's container contract.")
    parser.add_argument("--model-dir", type=Path, required=True, help="the unpacked model.tar.gz")
    parser.add_argument("--fd", type=int, required=True, help="an inherited listening socket")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    # It is asked every few seconds (local/containers/liveness.py).
    logger.addFilter(lambda record: "GET /ping " not in record.getMessage())
    _watch_parent()
    # TensorFlow announces its CPU features and missing GPUs on import; an operator reads these logs for other reasons.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    handler = load_handler(arguments.model_dir)

    from local.containers import model_server  # noqa: PLC0415 - imports TensorFlow, which reads the variables set above

    server = model_server.SavedModelServer(arguments.model_dir)
    rest = ThreadingHTTPServer(("127.0.0.1", 0), model_server.request_handler(server))
    rest.daemon_threads = True
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    logger.info("model version %d is loaded", server.version)
    container = _InheritedSocketServer(
        socket.socket(fileno=arguments.fd), request_handler(handler, rest.server_address[1])
    )
    container.serve_forever()


if __name__ == "__main__":
    main()
