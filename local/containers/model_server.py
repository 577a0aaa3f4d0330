"""The part of TensorFlow Serving's REST API a SageMaker container uses: status, metadata-free predict, errors as 400.

Source: https://www.tensorflow.org/tfx/serving/api_rest (row format `instances`, column format `inputs`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorflow as tf

MODEL_NAME = "model"
_ROUTE = re.compile(r"^/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+))?(?::(?P<verb>\w+))?$")


class ModelServerError(Exception):
    """A request TensorFlow Serving refuses, with the HTTP status it answers."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SavedModelServer:
    """One SavedModel, answering predict requests through its signatures.

    Args:
        directory: holds the version directories, such as `1/saved_model.pb`; the highest is served.

    Raises:
        FileNotFoundError: when there is no version directory.
    """

    def __init__(self, directory: Path) -> None:
        versions = sorted((int(entry.name), entry) for entry in directory.iterdir() if entry.name.isdigit())
        if not versions:
            raise FileNotFoundError(
                f"The model archive has no version directory such as 1/saved_model.pb; it has "
                f"{sorted(entry.name for entry in directory.iterdir())}."
            )
        self.version, path = versions[-1]
        # Kept: the variables of the signatures live as long as this object.
        self._model = tf.saved_model.load(str(path))
        self._signatures = dict(self._model.signatures)

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """Answer `GET /v1/models/model` or `POST /v1/models/model:predict`, with or without `/versions/<n>`.

        Raises:
            ModelServerError: for another path, model or version, and for what `predict` refuses.
        """
        route = _ROUTE.match(path)
        if route is None or (method, route["verb"]) not in {("GET", None), ("POST", "predict")}:
            raise ModelServerError(f"Malformed request: {method} {path}", 404)
        if route["model"] != MODEL_NAME or route["version"] not in (None, str(self.version)):
            raise ModelServerError(f"Servable not found for request: {path}", 404)
        return self.predict(body) if method == "POST" else self.status()

    def status(self) -> dict[str, Any]:
        """The state of the model version, as TensorFlow Serving reports it."""
        version = {"version": str(self.version), "state": "AVAILABLE", "status": {"error_code": "OK"}}
        return {"model_version_status": [version]}

    def predict(self, body: bytes) -> dict[str, Any]:
        """Answer a predict request.

        Args:
            body: JSON with `instances` (one entry per row) or `inputs` (one array per input).

        Raises:
            ModelServerError: for a request that does not fit the signature, or an error inside the graph.
        """
        request = _decode_json(body)
        signature_name = request.get("signature_name", "serving_default")
        if signature_name not in self._signatures:
            raise ModelServerError(f'Serving signature name: "{signature_name}" not found in signature def', 404)
        signature = self._signatures[signature_name]
        specification: dict[str, tf.TensorSpec] = signature.structured_input_signature[1]
        if ("instances" in request) == ("inputs" in request):
            raise ModelServerError('JSON Value must have exactly one of "instances" and "inputs".')
        rows = "instances" in request
        columns = _columns_of_rows(request["instances"], specification) if rows else request["inputs"]
        if not rows and not (isinstance(columns, dict) and set(columns) == set(specification)):
            columns = {_only(specification, "inputs"): columns}
        tensors = {name: _tensor(columns.get(name), spec, name) for name, spec in specification.items()}
        try:
            outputs = signature(**tensors)
        except tf.errors.OpError as error:
            raise ModelServerError(str(error.message)) from error
        values = {name: _jsonable(name, output.numpy()) for name, output in outputs.items()}
        return {"predictions": _rows_of_columns(values)} if rows else {"outputs": _alone(values)}


def _decode_json(body: bytes) -> dict[str, Any]:
    def revive(value: dict[str, Any]) -> Any:
        if set(value) == {"b64"}:
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, TypeError, ValueError) as error:
                raise ModelServerError("JSON Value: b64 is not valid base64") from error
        return value

    try:
        request = json.loads(body, object_hook=revive)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelServerError(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise ModelServerError("JSON Value is not an object")
    return request


def _only(names: Iterable[str], what: str) -> str:
    names = list(names)
    if len(names) != 1:
        raise ModelServerError(f"{what} must name each of the inputs {sorted(names)}")
    return names[0]


def _columns_of_rows(instances: Any, specification: dict[str, Any]) -> dict[str, list[Any]]:
    if not isinstance(instances, list) or not instances:
        raise ModelServerError('"instances" must be a list with at least one entry')
    if all(isinstance(row, dict) for row in instances):
        for row in instances:
            if set(row) != set(specification):
                raise ModelServerError(f"Each instance must have the inputs {sorted(specification)}, not {sorted(row)}")
        return {name: [row[name] for row in instances] for name in specification}
    return {_only(specification, "instances"): instances}


def _tensor(value: Any, specification: tf.TensorSpec, name: str) -> tf.Tensor:
    try:
        tensor = tf.constant(value, dtype=specification.dtype)
    except (TypeError, ValueError) as error:
        raise ModelServerError(f"Failed to convert input {name} to {specification.dtype.name}: {error}") from error
    if not specification.shape.is_compatible_with(tensor.shape):
        raise ModelServerError(f"Input {name} has shape {tensor.shape}, the model expects {specification.shape}")
    return tensor


def _jsonable(name: str, array: np.ndarray[Any, Any]) -> list[Any]:
    if array.dtype != np.object_:
        return cast("list[Any]", array.tolist())
    # A string output is text unless its name says that it is bytes.
    text: Callable[[bytes], Any] = (
        (lambda value: {"b64": base64.b64encode(value).decode()}) if name.endswith("_bytes") else (bytes.decode)
    )
    return cast("list[Any]", np.vectorize(text, otypes=[object])(array).tolist())


def _rows_of_columns(values: dict[str, list[Any]]) -> list[Any]:
    if len(values) == 1:
        return next(iter(values.values()))
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _alone(values: dict[str, list[Any]]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def request_handler(server: SavedModelServer) -> type[BaseHTTPRequestHandler]:
    """The HTTP face of a model server, for `http.server`."""

    class RestApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            # TensorFlow Serving writes NaN and Infinity as they are, and so does Python.
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                self._answer(200, server.answer(self.command, self.path, body))
            except ModelServerError as error:
                self._answer(error.status, {"error": str(error)})

        do_GET = _handle  # noqa: N815 - the names http.server looks for
        do_POST = _handle  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
            """TensorFlow Serving logs no requests."""

    return RestApi
