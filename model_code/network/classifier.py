"""The classifier: a backbone with its own input scaling inside, and the reference's head on it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from model_code.contract.backbones import FINE_TUNE_STAGES
from model_code.contract.job import JobError
from model_code.network import backbones, pretrained_weights
from model_code.network.backbones import Backbone

HIDDEN_UNITS = 128
# Keras' 0.99 remembers hundreds of batches. Trained from scratch the weights move fast and an epoch may have a dozen
# batches: the averages used at inference would still be near their initial values when training ends.
FROM_SCRATCH_MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a classifier: backbone, weights, image size, head, arithmetic; named as in `contract.parameters`.

    Attributes:
        image_size: edge of the images in pixels, at least 32.
        backbone: a name in `backbones.BACKBONES`.
        backbone_weights: `imagenet`, `none` (random, everything trains), an s3:// URI or a local path of a
            weights file without top; URI and path may end in `#sha256=<hex>`.
        dropout: share of the hidden units dropped in training; 0.5 is the reference's.
        precision: Keras dtype policy of the trainee.
    """

    image_size: int
    backbone: str
    backbone_weights: str
    dropout: float = 0.5
    precision: str = "float32"


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The model in the arithmetic it is served with, and in the arithmetic and on the devices it is trained with.

    Both networks map float32 (n, size, size, 1) grey values in 0..255 to logits (n, 1); the probability of PNEUMONIA is
    their sigmoid. The head's sigmoid is outside so that the loss is computed from logits, which is the same function
    without its overflow.

    Attributes:
        network: float32; validated, exported and saved.
        trainee: what the optimiser works on; `network` itself in float32 on one device.
        features: the trainee from pixels to pooled features, float32 (n, c).
        head: the trainee from pooled features to logits. `features` and `head` share the trainee's layers.
        backbone: which one it is built on.
        pretrained: the backbone has pretrained weights, begins frozen and stays in inference mode.
        strategy: what spreads the trainee over several devices; None with one. Compile and train in its scope.
    """

    network: Any
    trainee: Any
    features: Any
    head: Any
    backbone: Backbone
    pretrained: bool
    strategy: Any = None

    def freeze(self) -> None:
        """Stop training the backbone; from scratch, where there is nothing to preserve, do nothing."""
        if self.pretrained:
            self._trained_backbone.trainable = False

    def unfreeze(self, fine_tune_from: str) -> int:
        """Train the end of the backbone too; compile afterwards.

        Batch normalisation is never trained in a pretrained backbone: its averages and factors stay as they were
        learned, because small batches of another kind of image would spoil them. From scratch everything trains
        already, and nothing changes.

        Args:
            fine_tune_from: `last-stage`, `last-two-stages`, `all`, the name of the backbone's first layer to train, or
                `none`.

        Returns:
            How many numbers in the backbone's weights are trained.

        Raises:
            JobError: when the backbone has no such layer.
        """
        backbone = self._trained_backbone
        if self.pretrained and fine_tune_from == "none":
            self.freeze()
        elif self.pretrained:
            names = [layer.name for layer in backbone.layers]
            first = self.backbone.first_layer(fine_tune_from)
            if first not in names:
                raise JobError(
                    f"FineTuneFrom must be none, {', '.join(FINE_TUNE_STAGES)} or a layer of "
                    f"{self.backbone.name}, not {fine_tune_from!r}; its stages begin at "
                    f"{', '.join(self.backbone.stages)}."
                )
            backbone.trainable = True
            for index, layer in enumerate(backbone.layers):
                layer.trainable = index >= names.index(first) and not _normalises(layer)
        return sum(math.prod(variable.shape) for variable in backbone.trainable_weights)

    def take_over(self, weights: list[Any] | None = None) -> None:
        """Copy the trainee's weights, which are float32 in any policy, or the given ones into the network."""
        if weights is not None:
            self.network.set_weights(weights)
        elif self.trainee is not self.network:
            self.network.set_weights(self.trainee.get_weights())

    def restore(self, weights: list[Any]) -> None:
        """Set the weights of both networks."""
        self.network.set_weights(weights)
        if self.trainee is not self.network:
            self.trainee.set_weights(weights)

    @property
    def _trained_backbone(self) -> Any:
        return self.trainee.get_layer("backbone")


def build(
    options: Options, *, devices: Sequence[str] | None = None, initial: Sequence[Any] | None = None
) -> Classifier:
    """Build the classifier.

    Args:
        options: backbone, head and training options.
        devices: to train on, as TensorFlow names them; None means all GPUs.
        initial: all weights, in the order of `network.get_weights()`, as `training.warm_start` has them. They count as
            pretrained, and `options.backbone_weights` is not looked at.

    Raises:
        JobError: when the weights cannot be had or do not fit, with what to do instead.
    """
    architecture = backbones.named(options.backbone)
    pretrained = initial is not None or options.backbone_weights != "none"
    if initial is None and pretrained:
        backbone = pretrained_weights.pretrained_backbone(architecture, options.image_size, options.backbone_weights)
    else:
        backbone = architecture.build(options.image_size)
    network = _assemble(backbone, architecture, options, pretrained=pretrained)
    if initial is not None:
        _set_checked(network, initial)
    names = devices if devices is not None else [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
    strategy = tf.distribute.MirroredStrategy(list(names)) if len(names) > 1 else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        trainee = network
        if strategy or options.precision != "float32":
            with _dtype_policy(options.precision):
                trainee = _assemble(
                    architecture.build(options.image_size), architecture, options, pretrained=pretrained
                )
            trainee.set_weights(network.get_weights())
        features = keras.Model(trainee.input, trainee.get_layer("pooling").output, name="features")
        pooled = keras.Input(features.output.shape[1:], name="pooled_features", dtype="float32")
        head = keras.Model(pooled, _classify(pooled, [trainee.get_layer(name) for name in _HEAD]), name="head")
    return Classifier(network, trainee, features, head, architecture, pretrained, strategy)


_HEAD = ("hidden", "dropout", "logit")


def _assemble(backbone: Any, architecture: Backbone, options: Options, *, pretrained: bool) -> Any:
    if pretrained:
        backbone.trainable = False
    else:
        for layer in backbone.layers:
            if _normalises(layer):
                layer.momentum = FROM_SCRATCH_MOMENTUM
    pixels = keras.Input((options.image_size, options.image_size, 1), name="pixels", dtype="float32")
    colour = keras.layers.Concatenate(name="three_channels", dtype="float32")([pixels, pixels, pixels])
    scaled = keras.layers.Rescaling(
        list(architecture.scaling.scale), list(architecture.scaling.offset), dtype="float32", name="scaling"
    )(colour)
    maps = backbone(scaled, training=False) if pretrained else backbone(scaled)
    # In float32, so that cached features are what the head sees in the plain loop, to the last bit.
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling", dtype="float32")(maps)
    layers = [
        keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="hidden"),
        keras.layers.Dropout(options.dropout, name="dropout"),
        keras.layers.Dense(1, dtype="float32", name="logit"),
    ]
    return keras.Model(pixels, _classify(pooled, layers), name="chest_xray")


def _classify(pooled: Any, layers: Sequence[Any]) -> Any:
    outputs = pooled
    for layer in layers:
        outputs = layer(outputs)
    return outputs


def _normalises(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _set_checked(network: Any, initial: Sequence[Any]) -> None:
    expected = [tuple(variable.shape) for variable in network.weights]
    found = [tuple(array.shape) for array in initial]
    if found != expected:
        differing = sum(shape != other for shape, other in zip(found, expected, strict=False))
        raise JobError(
            f"The model to start from does not fit: {len(found)} weights for {len(expected)}, of which {differing} "
            "have another shape."
        )
    network.set_weights(list(initial))


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
