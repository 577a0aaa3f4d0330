"""The classifier: ResNet50V2 with its own input scaling inside, and the reference's head on it."""

from __future__ import annotations

import dataclasses
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import keras
import tensorflow as tf

from model_code.job import JobError

BACKBONE = "ResNet50V2"
NOTOP_WEIGHTS_FILE = "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
# Keras' 0.99 remembers hundreds of batches. Trained from scratch the weights move fast and an epoch may have a dozen
# batches: the averages used at inference would still be near their initial values when training ends.
FROM_SCRATCH_MOMENTUM = 0.9
_DOWNLOAD_TIMEOUT_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The model in the arithmetic it is served with, and in the arithmetic it is trained with.

    Both networks map float32 (n, size, size, 1) grey values in 0..255 to logits (n, 1); the probability of PNEUMONIA is
    their sigmoid. The head's sigmoid is outside so that the loss is computed from logits, which is the same function
    without its overflow.

    Attributes:
        network: float32; validated, exported and saved.
        trainee: what the optimiser works on; `network` itself unless training is in mixed precision.
        pretrained: the backbone has pretrained weights, is frozen and stays in inference mode.
    """

    network: Any
    trainee: Any
    pretrained: bool

    def take_over(self) -> None:
        """Copy the trainee's weights, which are float32 in any policy, into the network."""
        if self.trainee is not self.network:
            self.network.set_weights(self.trainee.get_weights())

    def restore(self, weights: list[Any]) -> None:
        """Set the weights of both networks."""
        self.network.set_weights(weights)
        if self.trainee is not self.network:
            self.trainee.set_weights(weights)


def training_policy(cpu_information: Path = Path("/proc/cpuinfo")) -> str:
    """The Keras dtype policy that trains fastest here without a loss scale.

    With a processor that multiplies bfloat16 natively, mixed bfloat16 trains ResNet50V2 at 64 px 1.25 times (batch 32)
    to 1.4 times (batch 64) as fast as float32; without one it is slower. On a GPU the answer is float32.
    """
    if tf.config.list_physical_devices("GPU") or not cpu_information.is_file():
        return "float32"
    flags = set(cpu_information.read_text(encoding="ascii", errors="replace").split())
    return "mixed_bfloat16" if flags & {"avx512_bf16", "amx_bf16"} else "float32"


def build(size: int, weights: str, policy: str = "float32") -> Classifier:
    """Build the classifier.

    Args:
        size: edge of the images in pixels, at least 32.
        weights: `imagenet` (downloaded by Keras), `none` (random, everything trains), an s3:// URI or a local path of
            a ResNet50V2 weights file without top. With weights, the backbone is frozen and stays in inference mode.
        policy: Keras dtype policy of the trainee.

    Raises:
        JobError: when the weights cannot be had, with what to do instead.
    """
    pretrained = weights != "none"
    backbone = _imagenet_backbone(size) if weights == "imagenet" else _backbone(size)
    if pretrained and weights != "imagenet":
        with _weights_file(weights) as path:
            _load(backbone, path, weights)
    network = _assemble(backbone, size, pretrained)
    if policy == "float32":
        return Classifier(network, network, pretrained)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        trainee = _assemble(_backbone(size), size, pretrained)
    finally:
        keras.config.set_dtype_policy(before)
    trainee.set_weights(network.get_weights())
    return Classifier(network, trainee, pretrained)


def _assemble(backbone: Any, size: int, pretrained: bool) -> Any:
    if pretrained:
        backbone.trainable = False
    else:
        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = FROM_SCRATCH_MOMENTUM
    pixels = keras.Input((size, size, 1), name="pixels", dtype="float32")
    # ResNet50V2's own scaling (keras.applications.resnet_v2.preprocess_input): [-1, 1].
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scaling")(pixels)
    colour = keras.layers.Concatenate(name="three_channels")([scaled, scaled, scaled])
    features = backbone(colour, training=False) if pretrained else backbone(colour)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    hidden = keras.layers.Dense(128, activation="relu", name="hidden")(pooled)
    dropped = keras.layers.Dropout(0.5, name="dropout")(hidden)
    logit = keras.layers.Dense(1, dtype="float32", name="logit")(dropped)
    return keras.Model(pixels, logit, name="chest_xray")


def _backbone(size: int, weights: str | None = None) -> Any:
    return keras.applications.ResNet50V2(
        include_top=False, weights=weights, input_shape=(size, size, 3), name="resnet50v2"
    )


def _imagenet_backbone(size: int) -> Any:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_SECONDS)
    try:
        return _backbone(size, "imagenet")
    except Exception as error:
        raise JobError(
            f"The ImageNet weights could not be downloaded ({error}); put {NOTOP_WEIGHTS_FILE} into a bucket and set "
            "BackboneWeights to its s3:// URI, or to none to train from scratch."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


@contextmanager
def _weights_file(weights: str) -> Iterator[Path]:
    if weights.startswith("s3://"):
        with tempfile.TemporaryDirectory() as directory:
            yield _download(weights, Path(directory))
    elif Path(weights).is_file():
        yield Path(weights)
    else:
        raise JobError(f"BackboneWeights must be imagenet, none, an s3:// URI or an existing file, not {weights!r}.")


def _download(uri: str, directory: Path) -> Path:
    import boto3  # noqa: PLC0415 - only this way of getting weights needs it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    address = urlsplit(uri)
    target = directory / (Path(address.path).name or "weights")
    try:
        boto3.client("s3").download_file(address.netloc, address.path.lstrip("/"), str(target))
    except (BotoCoreError, ClientError, ValueError) as error:
        raise JobError(f"The backbone weights {uri} could not be downloaded: {error}.") from error
    return target


def _load(backbone: Any, path: Path, weights: str) -> None:
    try:
        backbone.load_weights(str(path))
    except Exception as error:
        raise JobError(
            f"The backbone weights {weights} do not fit ResNet50V2 without top "
            f"(expected a file like {NOTOP_WEIGHTS_FILE}): {error}"
        ) from error
