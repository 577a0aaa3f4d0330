"""The float32 network that training saved, `model.keras` of its output.tar.gz: the reference of engine parity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from model_code.contract.job import JobError
from model_code.data.shards import examples, read_columns
from model_code.export.unpacking import UnpackError, unpack
from model_code.imaging.decoding import resize
from model_code.statistics.metrics import Array

NETWORK = "model.keras"


def reference_network(archive: Path, directory: Path) -> Any:
    """The float32 network of a training job.

    Args:
        archive: its output.tar.gz.
        directory: folder to unpack the network into.

    Raises:
        JobError: when the archive is damaged or has no network.
    """
    try:
        unpack(archive, directory)
        return keras.models.load_model(directory / NETWORK, compile=False)
    except (UnpackError, ValueError, OSError) as error:
        raise JobError(f"The training output {archive.name} has no network to compare with: {error}.") from error


def reference_logits(network: Any, test: Path, size: int) -> Array:
    """The network's logits for the test shards, float64 (n,), in the order of the shards.

    Args:
        network: of `reference_network`.
        test: directory with the test shards.
        size: edge in pixels of the images in the shards.
    """
    own = int(network.input_shape[1])

    def score(pixels: Any) -> Any:
        fitted = pixels if size == own else tf.cast(resize(tf.cast(pixels, tf.uint8), own), tf.float32)
        return network(fitted, training=False)[:, 0]

    traced = tf.function(score, input_signature=[tf.TensorSpec((None, size, size, 1), tf.float32)], autograph=False)
    batches = [traced(pixels).numpy() for pixels, _ in read_columns(examples(test, size), ())]
    return np.concatenate(batches).astype(np.float64)
