"""Inference engine LiteRT: answers in place of TensorFlow Serving, in a tenth of the time.

Travels beside inference.py in model.tar.gz, as code/model_code/engine.py, and imports what that archive carries in
code/lib (LiteRT and Pillow) and what the serving image has (numpy). The network is three files in `engine/`, as
`export.litert` made them: `body.tflite`, the backbone with weights of eight or sixteen bits, `head.tflite`, what
answers, in float32, and `saliency.tflite`, what explains. An older model has that in its head.
"""

from __future__ import annotations

import base64
import io
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

with warnings.catch_warnings():
    # Protocol buffers and the interpreter announce their own plans while they are imported.
    warnings.simplefilter("ignore")
    from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from model_code.serving.engine_decoding import ImageError, Pixels, pixels_from_bytes

__all__ = ["Engine", "ImageError", "own_threads", "runner"]

NAME = "litert"
DIRECTORY = "engine"
BODY, HEAD, SALIENCY = "body.tflite", "head.tflite", "saliency.tflite"


class Engine:
    """The network of one model.

    Args:
        directory: directory of the unpacked model.tar.gz.
        threads: that share one image's work.

    Raises:
        ValueError: when a file is missing or damaged.
    """

    def __init__(self, directory: Path, threads: int) -> None:
        files = directory / DIRECTORY
        self._body, self._head = (runner(files / name, threads) for name in (BODY, HEAD))
        self._saliency = runner(files / SALIENCY, threads) if (files / SALIENCY).exists() else None
        # An interpreter computes in memory of its own: one image at a time.
        self._busy = threading.Lock()
        self.size = int(self._body.get_input_details()["pixels"]["shape"][1])

    def outputs(self, pixels: Pixels, *, explain: bool = True) -> dict[str, Any]:
        """Outputs of the graph for one image, and the overlay's pixels.

        Args:
            pixels: uint8 (size, size, 1), as preprocessing decodes.
            explain: whether to make a map.

        Returns:
            By name arrays without a batch axis: `logit` and `out_of_distribution_score` (), where the model has one
            `projection` (k,); with a map `cells` (cells, cells) and `overlay`, uint8 (edge, edge, 4). An older
            model without cells has `saliency` (size, size) instead, and always makes a map; an older one with the
            calibration in its graph has a `probability`, which nothing reads.
        """
        batch = pixels[np.newaxis].astype(np.float32)
        with self._busy:
            maps = self._body(pixels=batch)
            found = self._head(pixels=batch, feature_maps=maps["feature_maps"])
            if explain and self._saliency:
                given = maps | found
                found |= self._saliency(**{name: given[name] for name in self._saliency.get_input_details()})
        return {name: value[0] for name, value in found.items()}

    def answer(self, encoded: bytes, *, overlay: bool) -> dict[str, Any]:
        """One image's row of TensorFlow Serving's answer: numbers for each output, and the overlay where it is wanted.

        Args:
            encoded: a JPEG or PNG.
            overlay: whether to add `overlay_bytes`, a PNG in base64, and `overlay_empty`, whether it marks nothing.

        Raises:
            ImageError: when it cannot be decoded.
        """
        outputs = self.outputs(pixels_from_bytes(encoded, self.size), explain=overlay)
        row: dict[str, Any] = {name: float(value) for name, value in outputs.items() if value.ndim == 0}
        if "projection" in outputs:
            row["projection"] = outputs["projection"].tolist()
        if overlay:
            buffer = io.BytesIO()
            # The least compression: more would take half as long as the network, for some kilobytes.
            Image.fromarray(outputs["overlay"]).save(buffer, "PNG", compress_level=1)
            row["overlay_bytes"] = {"b64": base64.b64encode(buffer.getvalue()).decode("ascii")}
            row["overlay_empty"] = not outputs["cells" if self._saliency else "saliency"].any()
        return row


def runner(model: Path, threads: int) -> Any:
    """A LiteRT model's one signature as a function of named arrays.

    Raises:
        ValueError: when the file is missing or damaged.
    """
    return Interpreter(model_path=str(model), num_threads=threads).get_signature_runner()


def own_threads() -> int:
    """Processors for this process: an even share where the container runs several of its kind."""
    workers = int(os.environ.get("SAGEMAKER_GUNICORN_WORKERS", "1"))
    return max(1, len(os.sched_getaffinity(0)) // max(1, workers))
