"""What leaves training: the SavedModel, the request handlers and metadata.json, in TensorFlow Serving's layout."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from model_code import inference
from model_code.archive import LABELS
from model_code.image import batch_from_bytes
from model_code.model import BACKBONE, Classifier

VERSION_DIRECTORY = "1"


class Scorer(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """The network as one traced function from pixels to logits.

    Validation during training, `score_pixels` and `serving_default` of the export are calls of this one function: it
    is traced once, and they cannot differ.
    """

    def __init__(self, classifier: Classifier, size: int) -> None:
        super().__init__()
        network = classifier.network
        # The variables themselves, not the Keras model: its serialisation would bring its training functions along.
        self.tracked = [variable.value for variable in network.variables]
        self.size = size
        self.logits = tf.function(
            lambda pixels: tf.squeeze(network(pixels, training=False), axis=1),
            input_signature=[tf.TensorSpec((None, size, size, 1), tf.float32, name="pixels")],
        )


def save_servable(scorer: Scorer, temperature: float, directory: Path) -> None:
    """Write `<directory>/1`, a SavedModel with two signatures.

    - `serving_default`: `image_bytes`, string (n,), each an encoded JPEG or PNG.
    - `score_pixels`: `pixels`, uint8 (n, size, size, 1), as preprocessing wrote them.

    Both answer {"logit": (n,), "probability": (n,)}; the probability is sigmoid(logit / temperature).

    Args:
        scorer: the trained network.
        temperature: of the calibration, stored as a constant of the graph.
        directory: the model directory; becomes the root of model.tar.gz.
    """

    def outputs(pixels: Any) -> dict[str, Any]:
        logit = scorer.logits(tf.cast(pixels, tf.float32))
        return {"logit": logit, "probability": tf.sigmoid(logit / tf.constant(temperature, tf.float32))}

    def serving_default(image_bytes: Any) -> dict[str, Any]:
        return outputs(batch_from_bytes(image_bytes, scorer.size))

    def score_pixels(pixels: Any) -> dict[str, Any]:
        return outputs(pixels)

    tf.saved_model.save(
        scorer,
        str(directory / VERSION_DIRECTORY),
        signatures={
            "serving_default": tf.function(
                serving_default, input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")]
            ),
            "score_pixels": tf.function(
                score_pixels,
                input_signature=[tf.TensorSpec((None, scorer.size, scorer.size, 1), tf.uint8, name="pixels")],
            ),
        },
    )


def save_handlers(directory: Path) -> None:
    """Put the request handlers where the serving container looks for them, `code/inference.py`."""
    code = directory / "code"
    code.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(inference.__file__, code / "inference.py")


def save_metadata(
    directory: Path,
    *,
    card: dict[str, Any],
    threshold: float,
    temperature: float,
    backbone_weights: str,
    training: dict[str, Any],
) -> dict[str, Any]:
    """Write metadata.json, which serving and evaluation read, and return it.

    Args:
        directory: the model directory.
        card: the dataset card of preprocessing.
        threshold: probability at or above which the label is PNEUMONIA.
        temperature: of the calibration.
        backbone_weights: where the backbone's weights came from.
        training: hyperparameters and history, for the evaluation report.
    """
    metadata = {
        "labels": list(LABELS),
        "image_size": card["image_size"],
        "threshold": threshold,
        "temperature": temperature,
        "backbone": BACKBONE,
        "backbone_weights": backbone_weights,
        "dataset": {"sha256": card["sha256"], "archive_uri": card["archive_uri"], "splits": card["splits"]},
        "training": training,
        "source_revision": os.environ.get("SOURCE_REVISION") or "unknown",
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": importlib.metadata.version("keras"),
        },
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    (directory / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    return metadata
