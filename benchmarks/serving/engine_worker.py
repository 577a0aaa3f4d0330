"""One process of `benchmarks.serving.engine`: what answers about one radiograph. An engine's imports no TensorFlow."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def main(kind: str, directory: Path) -> None:
    """Answer once, then as often as asked."""
    encoded = (directory / "radiograph.jpeg").read_bytes()
    answer = _answering(kind, directory, encoded)
    answer()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            started = time.perf_counter()
            answer()
            seconds.append(time.perf_counter() - started)
        print(json.dumps(seconds), flush=True)


def _answering(kind: str, directory: Path, encoded: bytes) -> Callable[[], Any]:
    name, _, explained = kind.partition(", ")
    if name == "engine":
        return _handler(directory / "engine", encoded, explained=bool(explained))
    import tensorflow as tf  # noqa: PLC0415 - an engine's process has none

    if name == "graph":
        loaded = tf.saved_model.load(str(directory / "graph" / "1"))
        signature = loaded.signatures["explain" if explained else "serving_default"]

        def ask() -> Any:
            return signature(image_bytes=tf.constant([encoded]))["logit"].numpy()

        return ask
    import keras  # noqa: PLC0415

    from model_code.imaging.decoding import pixels_from_bytes  # noqa: PLC0415

    network = keras.models.load_model(directory / "model.keras", compile=False)
    pixels = pixels_from_bytes(encoded, int(network.input_shape[1])).numpy()[np.newaxis].astype(np.float32)
    return lambda: network.predict(pixels, verbose=0)


def _handler(model: Path, encoded: bytes, *, explained: bool) -> Callable[[], Any]:
    """The handler of code/inference.py, found and called as the container does."""
    sys.path.insert(0, str(model / "code"))
    specification = importlib.util.spec_from_file_location("inference", model / "code" / "inference.py")
    assert specification is not None  # noqa: S101 - the file is there
    assert specification.loader is not None  # noqa: S101
    inference = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(inference)
    context = types.SimpleNamespace(
        request_content_type="image/jpeg", custom_attributes="explain=true" if explained else None
    )
    return lambda: inference.handler(io.BytesIO(encoded), context)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
