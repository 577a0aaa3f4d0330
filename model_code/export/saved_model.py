"""Export of a trained network: SavedModel, request handlers and metadata.json, in TensorFlow Serving's layout."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import model_code
from model_code.contract import documents, population
from model_code.contract.labels import LABELS
from model_code.imaging.decoding import batch_from_bytes
from model_code.network import attribution as attributions
from model_code.network import out_of_distribution
from model_code.network.attribution import Attribution
from model_code.network.backbones import Backbone
from model_code.network.classifier import Classifier
from model_code.network.feature_projection import Projection, projected
from model_code.network.grad_cam import grad_cam
from model_code.network.saliency_overlay import enlarged, overlay
from model_code.serving import inference
from model_code.statistics.calibration import Calibration
from model_code.statistics.indeterminate import Band

VERSION_DIRECTORY = "1"
# Name of the last feature maps, which the head pools.
FEATURE_MAPS = "feature_maps"
# What inference.py imports, for both engines.
_BESIDE_THE_HANDLERS = (
    "__init__.py",
    "contract/__init__.py",
    "contract/answer.py",
    "contract/documents.py",
    "contract/images.py",
    "contract/labels.py",
    "contract/served_files.py",
)


class Scorer(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """The network as one traced function from pixels to logits, feature maps and saliency maps.

    Validation during training and all signatures of the export are calls of this one function, `inspect`: the network
    is traced once, and they cannot differ. An explanation is computed from what the same forward pass leaves behind.

    Attributes:
        tracked: the network's variables, in its order; `warm_start.load_package` reads them by this name.
        size: edge of the images in pixels.
        body: the backbone, float32 pixels (n, size, size, 1) in 0..255 to feature maps (n, h, w, c) by name, those of
            `stages` and `feature_maps`, the last.
        stages: names of the feature maps that an attribution is made of, the finest first.
        head: what follows it, feature maps to logits (n,) and the hidden layer (n, k). `export.litert` converts the two
            by themselves.
        look: float32 pixels (n, size, size, 1) in 0..255 to logits (n,), the hidden layer (n, k) and what `body` gives.
        inspect: the same pixels to logits (n,), the last feature maps (n, h, w, c) and the hidden layer (n, k).
        logits: the same pixels to logits (n,).
    """

    def __init__(self, classifier: Classifier, size: int) -> None:
        super().__init__()
        network = classifier.network
        # The variables themselves, not the Keras model: its serialisation would bring its training functions along.
        self.tracked = [variable.value for variable in network.variables]
        self.size = size
        hidden, logit = (network.get_layer(name) for name in ("hidden", "logit"))
        pooling = network.get_layer("pooling")
        self.stages, backbone = _staged(network, classifier.backbone)

        def body(pixels: Any) -> dict[str, Any]:
            return dict(backbone(pixels, training=False))

        self.body = body
        self.kernels = hidden.kernel.value, logit.kernel.value
        specification = [tf.TensorSpec((None, size, size, 1), tf.float32, name="pixels")]

        def head(feature_maps: Any) -> tuple[Any, Any]:
            activations = hidden(pooling(feature_maps))
            return tf.squeeze(logit(activations), axis=1), activations

        self.head = head

        def look(pixels: Any) -> tuple[Any, Any, dict[str, Any]]:
            maps = self.body(pixels)
            logits, activations = self.head(maps[FEATURE_MAPS])
            return logits, activations, maps

        def inspect(pixels: Any) -> tuple[Any, Any, Any]:
            logits, activations, maps = self.look(pixels)
            return logits, maps[FEATURE_MAPS], activations

        self.look = tf.function(look, input_signature=specification)
        self.inspect = tf.function(inspect, input_signature=specification)
        self.logits = tf.function(lambda pixels: self.look(pixels)[0], input_signature=specification)

    def staged(self, pixels: Any) -> tuple[Any, list[Any]]:
        """Input of `attribution.fit`: logits (n,) and the feature maps of `stages`."""
        logits, _, maps = self.look(pixels)
        return logits, [maps[name] for name in self.stages]

    def cells(self, attribution: Attribution | None, logits: Any, activations: Any, maps: dict[str, Any]) -> Any:
        """Saliency maps, float32 (n, cells, cells), of what `look` found: Grad-CAM without an attribution."""
        if attribution is None:
            return grad_cam(maps[FEATURE_MAPS], activations, *self.kernels)
        return attribution.maps([maps[name] for name in self.stages], logits)


def _staged(network: Any, described: Backbone) -> tuple[tuple[str, ...], Any]:
    """Names of the feature maps for an attribution, and the model from pixels to these and the last, by name."""
    backbone = network.get_layer("backbone")
    points = [backbone.get_layer(name).output for name in described.points]
    fine = sum(point.shape[1] >= attributions.FEWEST_CELLS for point in points)
    # The last one that is fine enough, and what comes after it.
    named = {f"stage_{number}": point for number, point in enumerate(points[max(0, fine - 1) :])}
    if backbone.output.shape[1] >= attributions.FEWEST_CELLS:
        named = {}
    names = (*named, FEATURE_MAPS)[: attributions.STAGES]
    outputs = {**{name: named[name] for name in names if name in named}, FEATURE_MAPS: backbone.output}
    return names, keras.Model(network.input, keras.Model(backbone.input, outputs)(network.get_layer("scaling").output))


def save_servable(
    scorer: Scorer,
    directory: Path,
    detector: out_of_distribution.Detector | None = None,
    projection: Projection | None = None,
    *,
    attribution: Attribution | None = None,
) -> None:
    """Write `<directory>/1`, a SavedModel whose signatures all answer logit, out_of_distribution_score and projection.

    What makes a probability of the logit is in metadata.json, so that another calibration is no other graph.

    Of encoded JPEGs or PNGs, `image_bytes`, string (n,):

    - `serving_default`.
    - `explain`: also `overlay_bytes`, string (n,), the saliency map of the upright image (`saliency_overlay`): as
      numbers in JSON it would cost more than the network; and `overlay_empty`, bool (n,), whether it marks nothing.
    - `features`: also `features`, float32 (n, c), what the backbone found, averaged over the positions.

    Of images as preprocessing wrote them, `pixels`, uint8 (n, size, size, 1):

    - `score_pixels`.
    - `explain_pixels`: also `saliency`, float32 (n, size, size), see `saliency_overlay.enlarged`.

    Args:
        directory: the model directory; becomes the root of model.tar.gz.
        detector: of out-of-distribution images; without one, their score is 0.
        projection: says what the network sees in a few numbers, float32 (n, k); without one, there is no such output.
        attribution: makes the saliency maps; without one, Grad-CAM does.
    """
    made = _Signatures(scorer, detector, projection, attribution)
    of_bytes = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
    of_pixels = [tf.TensorSpec((None, scorer.size, scorer.size, 1), tf.uint8, name="pixels")]
    takes: dict[Any, list[Any]] = {made.serving_default: of_bytes, made.explain: of_bytes, made.features: of_bytes}
    takes |= {made.score_pixels: of_pixels, made.explain_pixels: of_pixels}
    tf.saved_model.save(
        scorer,
        str(directory / VERSION_DIRECTORY),
        signatures={
            function.__name__: tf.function(function, input_signature=specification)
            for function, specification in takes.items()
        },
    )


class _Signatures:
    """The functions that `save_servable` writes, with its arguments and under its names."""

    def __init__(
        self,
        scorer: Scorer,
        detector: out_of_distribution.Detector | None,
        projection: Projection | None,
        attribution: Attribution | None,
    ) -> None:
        self._scorer, self._projection, self._attribution = scorer, projection, attribution
        # Traced once, like the network, so that its statistics are in the file once.
        self._unlike = tf.function(
            lambda pixels: out_of_distribution.score(detector, pixels),
            input_signature=[tf.TensorSpec((None, scorer.size, scorer.size, 1), tf.float32, name="pixels")],
        )

    def serving_default(self, image_bytes: Any) -> dict[str, Any]:
        return self.score_pixels(self._decoded(image_bytes))

    def explain(self, image_bytes: Any) -> dict[str, Any]:
        said, cells = self._explained(self._decoded(image_bytes))
        return {"overlay_bytes": overlay(cells), "overlay_empty": tf.reduce_max(cells, axis=(1, 2)) <= 0, **said}

    def features(self, image_bytes: Any) -> dict[str, Any]:
        said, feature_maps = self._scored(self._decoded(image_bytes))
        return {**said, "features": tf.reduce_mean(feature_maps, axis=(1, 2))}

    def score_pixels(self, pixels: Any) -> dict[str, Any]:
        return self._scored(pixels)[0]

    def explain_pixels(self, pixels: Any) -> dict[str, Any]:
        said, cells = self._explained(pixels)
        return {**said, "saliency": enlarged(cells, self._scorer.size)}

    def _decoded(self, image_bytes: Any) -> Any:
        return batch_from_bytes(image_bytes, self._scorer.size)

    def _scored(self, pixels: Any) -> tuple[dict[str, Any], Any]:
        """Answer of every signature, and the feature maps."""
        pixels = tf.cast(pixels, tf.float32)
        logit, feature_maps, _ = self._scorer.inspect(pixels)
        return self._answers(logit, feature_maps, pixels), feature_maps

    def _explained(self, pixels: Any) -> tuple[dict[str, Any], Any]:
        """Answer of every signature, and the cells of the saliency maps."""
        pixels = tf.cast(pixels, tf.float32)
        logit, activations, maps = self._scorer.look(pixels)
        cells = self._scorer.cells(self._attribution, logit, activations, maps)
        return self._answers(logit, maps[FEATURE_MAPS], pixels), cells

    def _answers(self, logit: Any, feature_maps: Any, pixels: Any) -> dict[str, Any]:
        score = self._unlike(pixels)
        return {"logit": logit, "out_of_distribution_score": score, **projected(self._projection, feature_maps)}


def describe_saliency(attribution: Attribution | None, scorer: Scorer) -> dict[str, Any]:
    """Method of the saliency maps, and the places along each edge that they tell apart, for metadata.json."""
    if attribution is None:
        places = scorer.inspect.get_concrete_function().output_shapes[1][1]
        return {"method": "Grad-CAM", "cells": int(places)}
    return {"method": "attribution", "cells": attribution.cells}


def save_handlers(directory: Path) -> None:
    """Put the request handlers where the serving container looks for them, `code/inference.py`.

    They are the same for both engines: metadata.json says which it is.
    """
    code, source = directory / "code", Path(model_code.__file__).parent
    for module in _BESIDE_THE_HANDLERS:
        target = code / "model_code" / module
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / module, target)
    shutil.copyfile(inference.__file__, code / "inference.py")


def save_metadata(
    directory: Path,
    *,
    card: dict[str, Any],
    threshold: float,
    calibration: Calibration,
    target_prevalence: float | None = None,
    band: Band,
    detector: dict[str, Any],
    saliency: dict[str, Any],
    engine: dict[str, Any] | None = None,
    backbone: str,
    backbone_weights: str,
    training: dict[str, Any],
) -> dict[str, Any]:
    """Write metadata.json, which serving and evaluation read, and return it.

    Args:
        threshold: probability at or above which the label is PNEUMONIA.
        calibration: makes probabilities of the network's logits.
        target_prevalence: that these are for; None where it is that of the training images.
        band: around the threshold, where the model does not decide, and what is guaranteed outside of it.
        detector: of `out_of_distribution.fit`, where the limit of its score comes from.
        saliency: of `describe_saliency`.
        engine: what `engine_export.save_models` says; None where TensorFlow Serving computes the answers.
        backbone_weights: where the backbone's weights came from.
        training: hyperparameters and history, for the evaluation report.
    """
    metadata = {
        "schema": documents.METADATA,
        "labels": list(LABELS),
        "image_size": card["image_size"],
        "threshold": threshold,
        **dataclasses.asdict(calibration),
        "target_prevalence": target_prevalence,
        "indeterminate": {"low": band.low, "high": band.high},
        "guarantee": band.guarantee,
        "population": population.of_subgroups(card.get("subgroups", {})),
        "calibrated_from": None,
        "out_of_distribution": detector,
        "saliency": saliency,
        **(engine or {"engine": "tensorflow"}),
        "backbone": backbone,
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
