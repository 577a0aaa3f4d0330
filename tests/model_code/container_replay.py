"""What SageMaker's TensorFlow Serving container does with a request, replayed under the TensorFlow of its image.

    PYTHONPATH=.venv/serving:. python tests/model_code/container_replay.py MODEL_DIRECTORY

Follows python_service.py and tfs_utils.py of aws/deep-learning-containers line by line where a request passes, with
the standard library in place of gunicorn and falcon: how the script is found and imported, what the context holds, how
the model is asked, and what becomes of an exception. The SavedModel behind it is read by TensorFlow 2.20, as in the
image. Prints the port it listens on.
"""

from __future__ import annotations

import collections
import importlib.util
import io
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from local.containers import model_server

CUSTOM_ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
DEFAULT_TYPE = "application/json"
Context = collections.namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, "
    "custom_attributes, request_content_type, accept_header, content_length",
)


def parse_request(headers: Any, rest_port: int, length: int) -> Context:
    """tfs_utils.parse_request."""
    found = re.findall(r"(tfs-[a-z\-]+=[^,]+)", headers.get(CUSTOM_ATTRIBUTES_HEADER) or "")
    attributes = dict(attribute.split("=") for attribute in found)
    uri = f"http://localhost:{rest_port}/v1/models/{attributes.get('tfs-model-name', 'model')}"
    if attributes.get("tfs-model-version"):
        uri += "/versions/" + attributes["tfs-model-version"]
    uri += ":" + attributes.get("tfs-method", "predict")
    return Context(
        attributes.get("tfs-model-name"),
        attributes.get("tfs-model-version"),
        attributes.get("tfs-method"),
        uri,
        "9000",
        None,
        headers.get(CUSTOM_ATTRIBUTES_HEADER),
        headers.get("Content-Type") or DEFAULT_TYPE,
        headers.get("Accept") or DEFAULT_TYPE,
        length,
    )


def import_handlers(script: Path) -> Any:
    """PythonServiceResource._import_handlers and _make_handler."""
    library = script.parent / "lib"
    if library.exists():
        sys.path.append(str(library))
    # serve.py starts the service with both in PYTHONPATH.
    sys.path[:0] = [str(path) for path in (script.parent, library) if path.exists()]
    specification = importlib.util.spec_from_file_location("inference", script)
    inference = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(inference)
    if hasattr(inference, "handler"):
        return inference.handler
    if not (hasattr(inference, "input_handler") and hasattr(inference, "output_handler")):
        raise NotImplementedError("Handlers are not implemented correctly in user script.")

    def handler(data: Any, context: Any) -> Any:
        processed_input = inference.input_handler(data, context)
        response = requests.post(context.rest_uri, data=processed_input)  # noqa: S113 - as the container does
        return inference.output_handler(response, context)

    return handler


def service(handlers: Any, rest_port: int) -> type[BaseHTTPRequestHandler]:
    """PythonServiceResource._handle_invocation_post and PingResource."""

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200 if self.path == "/ping" else 404, DEFAULT_TYPE, b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            data = io.BytesIO(self.rfile.read(length))
            try:
                body, content_type = handlers(data, parse_request(self.headers, rest_port, length))
                status = 200
            except Exception as error:  # noqa: BLE001 - as the container does
                status, content_type = 500, DEFAULT_TYPE
                body = json.dumps({"error": str(error)})
            self._answer(status, content_type, body.encode() if isinstance(body, str) else body)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Standard output is read by who started this."""

    return Service


def main(directory: Path) -> None:
    """Serve until standard input ends."""
    handlers = import_handlers(directory / "code" / "inference.py")
    model = model_server.SavedModelServer(directory)
    rest = ThreadingHTTPServer(("127.0.0.1", 0), model_server.request_handler(model))
    container = ThreadingHTTPServer(("127.0.0.1", 0), service(handlers, rest.server_address[1]))
    for server in (rest, container):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(model_server.tf.__version__, container.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
