"""The network's functions as LiteRT models: `body.tflite`, `head.tflite` and `saliency.tflite`."""

from __future__ import annotations

import dataclasses
import tempfile
from typing import Any

import tensorflow as tf

from model_code.contract.job import JobError
from model_code.export.saved_model import FEATURE_MAPS, Scorer
from model_code.network import out_of_distribution
from model_code.network.attribution import Attribution
from model_code.network.feature_projection import Projection, projected
from model_code.network.saliency_overlay import OVERLAY_EDGE, coloured, enlarged

# Weights of the body. The first are taken where they are close enough; the second are close to any network.
EIGHT_BITS, SIXTEEN_BITS = "int8", "float16"


@dataclasses.dataclass(frozen=True)
class Answers:
    """Functions that turn feature maps into an answer.

    Attributes:
        detector: of out-of-distribution images; None where there were too few images for one.
        projection: None where there were too few images for one.
        attribution: None where there were too few images for one.
    """

    scorer: Scorer
    detector: out_of_distribution.Detector | None
    projection: Projection | None = None
    attribution: Attribution | None = None


def body(scorer: Scorer, weights: str) -> bytes:
    """Pixels to feature maps by name.

    Args:
        weights: `EIGHT_BITS` or `SIXTEEN_BITS`.

    Raises:
        JobError: as all three, when it cannot be converted.
    """

    def maps(pixels: Any) -> dict[str, Any]:
        return scorer.body(pixels)

    return _converted(scorer.tracked, tf.function(maps, input_signature=[_pixels(scorer)], autograph=False), weights)


def head(answers: Answers, moved: Any) -> bytes:
    """Pixels and the last feature maps to what is said of every image.

    Args:
        moved: what the body's rounding moves each channel of the feature maps by, float32 (c,).
    """
    scorer = answers.scorer

    def said(pixels: Any, feature_maps: Any) -> dict[str, Any]:
        maps = feature_maps - tf.constant(moved)
        logits, _ = scorer.head(maps)
        scores = out_of_distribution.score(answers.detector, pixels)
        return {"logit": logits, "out_of_distribution_score": scores, **projected(answers.projection, maps)}

    signature = [_pixels(scorer), _maps(scorer, FEATURE_MAPS)]
    return _converted(scorer.tracked, tf.function(said, input_signature=signature, autograph=False), None)


def saliency(answers: Answers, features: Any, places: Any) -> bytes:
    """Logit and feature maps to the map in cells and its picture.

    Args:
        features: what the body's rounding moves each channel of the last feature maps by.
        places: what it moves each place of the raw map by; not looked at without an attribution.
    """
    scorer = answers.scorer
    attribution = answers.attribution.moved(places) if answers.attribution else None
    names = scorer.stages if attribution else (FEATURE_MAPS,)

    def marked(inputs: dict[str, Any]) -> dict[str, Any]:
        activations, maps = None, inputs
        if attribution is None:
            maps = {FEATURE_MAPS: inputs[FEATURE_MAPS] - tf.constant(features)}
            _, activations = scorer.head(maps[FEATURE_MAPS])
        cells = scorer.cells(attribution, inputs.get("logit"), activations, maps)
        return {"cells": cells, "overlay": coloured(enlarged(cells, OVERLAY_EDGE))}

    signature = {name: _maps(scorer, name) for name in names}
    if attribution:
        signature["logit"] = tf.TensorSpec((1,), tf.float32, name="logit")
    # An attribution is constants: without the network's variables it is saved in a moment.
    variables = [] if attribution else scorer.tracked
    return _converted(variables, tf.function(marked, input_signature=[signature], autograph=False), None)


def _maps(scorer: Scorer, name: str) -> Any:
    """One image's feature maps of that name."""
    shape = scorer.look.get_concrete_function().output_shapes[2][name]
    return tf.TensorSpec((1, *shape[1:]), tf.float32, name=name)


def _pixels(scorer: Scorer) -> Any:
    return tf.TensorSpec((1, scorer.size, scorer.size, 1), tf.float32, name="pixels")


def _converted(variables: list[Any], function: Any, weights: str | None) -> bytes:
    """A function as a LiteRT model with one signature.

    Args:
        variables: that the function reads.
        function: tf.function with an input signature for one image.
        weights: `EIGHT_BITS`, `SIXTEEN_BITS` or None for float32.
    """
    # The scorer itself would bring its own functions along, which take longer to save than what is wanted.
    owner = tf.Module()
    owner.tracked = variables
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(owner, directory, signatures={"serving_default": function})
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=["serving_default"])
        if weights:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == SIXTEEN_BITS:
            converter.target_spec.supported_types = [tf.float16]
        try:
            return bytes(converter.convert())
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise JobError(
                f"The network cannot be converted for ServingEngine litert: {reason}. Train with ServingEngine "
                "tensorflow."
            ) from error
