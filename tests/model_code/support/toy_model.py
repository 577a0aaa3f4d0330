"""Model archives of one formula each, for tests in which no network is needed: brightness tells the label."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.model_code.support.evaluated import made_metadata


class Brightness(tf.Module):
    """Logit = gain * (mean grey value - 125) / 10; what speaks for PNEUMONIA is what is bright."""

    def __init__(self, size: int, gain: float, score_name: str) -> None:
        super().__init__()
        specification = [tf.TensorSpec((None, size, size, 1), tf.uint8, name="pixels")]

        def score(pixels: Any) -> dict[str, Any]:
            logit = gain * (tf.reduce_mean(tf.cast(pixels, tf.float32), axis=(1, 2, 3)) - 125.0) / 10.0
            return {"logit": logit, score_name: tf.fill(tf.shape(logit), 0.25)}

        def explain(pixels: Any) -> dict[str, Any]:
            return {**score(pixels), "saliency": tf.cast(pixels[..., 0], tf.float32) / 255.0}

        self.score_pixels = tf.function(score, input_signature=specification)
        self.explain_pixels = tf.function(explain, input_signature=specification)


def write_archive(
    path: Path,
    *,
    size: int,
    gain: float = 1.0,
    dataset: str = "ab" * 32,
    explains: bool = True,
    score_name: str = "out_of_distribution_score",
) -> Path:
    """A model.tar.gz as training leaves it, without handlers; a negative gain makes a model that is always wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = made_metadata(dataset) | {"image_size": size}
    module = Brightness(size, gain, score_name)
    signatures = {"score_pixels": module.score_pixels}
    if explains:
        signatures["explain_pixels"] = module.explain_pixels
    saved, described = path.parent / "1", path.parent / "metadata.json"
    tf.saved_model.save(module, str(saved), signatures=signatures)
    described.write_text(json.dumps(metadata))
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        for part in (saved, described):
            file.add(part, part.name)
    return path
