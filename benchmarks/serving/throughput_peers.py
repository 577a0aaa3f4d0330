"""ONNX Runtime and OpenVINO for `benchmarks.serving.throughput`: the network at eight bits, and a handler that asks it.

    python -m benchmarks.serving.throughput_peers FOLDER     # in the environment of the peers

FOLDER has `logits/`, a SavedModel of pixels to a logit, and `calibration.npy`, decoded radiographs. Weights and
activations become eight-bit integers, weights with a scale for each output channel, activations with the ranges of the
calibration images (static quantisation; NNCF's defaults for OpenVINO, minima and maxima for ONNX Runtime). The decoding
is the product's own, and the answer has the logit alone.
"""

from __future__ import annotations

import functools
import importlib
import json
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from model_code.serving.engine_decoding import pixels_from_bytes

KINDS = {
    "onnxruntime, 1 x 2 threads": (1, 2),
    "onnxruntime, 2 x 1 thread": (2, 1),
    "openvino, 1 x 2 threads": (1, 2),
    "openvino, 2 x 1 thread": (2, 1),
}
"""Images that are computed side by side, and threads of each."""

_FLOAT, _ONNX, _OPENVINO = "float.onnx", "eight.onnx", "eight.xml"


def prepare(directory: Path) -> None:
    """Write the network at eight bits for both."""
    images = np.load(directory / "calibration.npy")
    subprocess.run(  # noqa: S603 - the converter
        [
            *(sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(directory / "logits")),
            *("--output", str(directory / _FLOAT), "--opset", "17"),
        ],
        check=True,
    )
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    base: Any = quantization.CalibrationDataReader

    class Reader(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Any] = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self._left, None)
            return None if image is None else {"pixels": image[np.newaxis]}

    quantization.shape_inference.quant_pre_process(
        str(directory / _FLOAT), str(directory / "prepared.onnx"), skip_symbolic_shape=True
    )
    quantization.quantize_static(
        str(directory / "prepared.onnx"), str(directory / _ONNX), Reader(), per_channel=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    openvino: Any = importlib.import_module("openvino")
    nncf: Any = importlib.import_module("nncf")
    network = openvino.Core().read_model(directory / _FLOAT)
    quantised = nncf.quantize(network, nncf.Dataset([image[np.newaxis] for image in images]), subset_size=len(images))
    openvino.save_model(quantised, directory / _OPENVINO)


def handler(kind: str, directory: Path) -> Callable[[IO[bytes], Any], tuple[str | bytes, str]]:
    """A JPEG to JSON with its logit."""
    side_by_side, threads = KINDS[kind]
    size = int(np.load(directory / "calibration.npy", mmap_mode="r").shape[1])
    free: queue.SimpleQueue[Callable[[Any], float]] = queue.SimpleQueue()
    make = _of_onnxruntime if kind.startswith("onnxruntime") else _of_openvino
    for request in make(directory, side_by_side, threads):
        free.put(request)

    def answer(data: IO[bytes], _context: Any) -> tuple[str | bytes, str]:
        pixels = pixels_from_bytes(data.read(), size)[np.newaxis].astype(np.float32)
        network = free.get()
        try:
            logit = network(pixels)
        finally:
            free.put(network)
        return json.dumps({"logit": logit}), "application/json"

    return answer


def _of_onnxruntime(directory: Path, side_by_side: int, threads: int) -> Iterator[Callable[[Any], float]]:
    """One session, which several threads may ask, each with so many threads."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(directory / _ONNX), options, providers=["CPUExecutionProvider"])
    for _ in range(side_by_side):
        yield lambda pixels: float(np.squeeze(session.run(None, {"pixels": pixels})[0]))


def _of_openvino(directory: Path, side_by_side: int, threads: int) -> Iterator[Callable[[Any], float]]:
    """One compiled network with a stream for each image that is computed beside others."""
    openvino: Any = importlib.import_module("openvino")
    compiled = openvino.Core().compile_model(
        directory / _OPENVINO,
        "CPU",
        {"NUM_STREAMS": str(side_by_side), "INFERENCE_NUM_THREADS": str(side_by_side * threads)},
    )

    def ask(own: Any, pixels: Any) -> float:
        return float(np.squeeze(own.infer({"pixels": pixels})[compiled.output(0)]))

    for _ in range(side_by_side):
        yield functools.partial(ask, compiled.create_infer_request())


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
