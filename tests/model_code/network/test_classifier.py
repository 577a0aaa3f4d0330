"""The reference head on a backbone, trained as a whole, from a layer on, or not at all below the head."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_code.contract.job import JobError
from tests.model_code.conftest import SIZE, settle


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global keras, model
    import keras

    from model_code.network import classifier as model


ROOT = Path(__file__).resolve().parents[3]


def options(**changes):
    return model.Options(**{"image_size": SIZE, "backbone": "MobileNetV3Small", "backbone_weights": "none"} | changes)


@pytest.fixture(scope="module")
def initial():
    """Weights of a whole small network that tells images apart."""
    keras.utils.set_random_seed(1)
    network = model.build(options()).network
    settle(network, images(16))
    return network.get_weights()


@pytest.fixture
def pretrained(initial):
    return model.build(options(), initial=initial)


def images(count):
    return np.random.default_rng(3).uniform(0, 255, (count, SIZE, SIZE, 1)).astype("float32")


def normalisations(classifier):
    layers = classifier.trainee.get_layer("backbone").layers
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def test_the_head_is_the_references(classifier):
    names = [layer.name for layer in classifier.network.layers]
    assert names[-5:] == ["backbone", "pooling", "hidden", "dropout", "logit"]
    assert classifier.backbone.name == "ResNet50V2"
    hidden, dropout, logit = (classifier.network.get_layer(name) for name in ("hidden", "dropout", "logit"))
    assert (hidden.units, hidden.activation.__name__, dropout.rate, logit.units) == (128, "relu", 0.5, 1)


def test_from_scratch_everything_trains_and_averages_follow_quickly(classifier):
    assert not classifier.pretrained
    assert classifier.trainee is classifier.network
    assert {layer.momentum for layer in normalisations(classifier)} == {model.FROM_SCRATCH_MOMENTUM}
    classifier.freeze()
    assert classifier.unfreeze("none") == classifier.unfreeze("last-stage") == 23_519_360
    assert all(layer.trainable for layer in normalisations(classifier))


def test_a_pretrained_backbone_is_frozen_until_a_layer_is_chosen(pretrained):
    assert len(pretrained.trainee.trainable_weights) == len(pretrained.head.trainable_weights) == 4
    counts = [pretrained.unfreeze(word) for word in ("none", "last-stage", "last-two-stages", "all")]
    assert counts[0] == 0
    assert counts == sorted(set(counts))
    assert pretrained.unfreeze("expanded_conv_8_expand") == counts[1]
    backbone = pretrained.trainee.get_layer("backbone")
    assert not backbone.get_layer("expanded_conv_7_project").trainable
    assert backbone.get_layer("expanded_conv_8_project").trainable
    pretrained.freeze()
    assert len(pretrained.trainee.trainable_weights) == 4


def test_batch_normalisation_of_a_pretrained_backbone_never_changes(pretrained, initial):
    pretrained.unfreeze("all")
    assert not any(layer.trainable_weights for layer in normalisations(pretrained))
    pretrained.trainee.compile(keras.optimizers.SGD(0.01), keras.losses.BinaryCrossentropy(from_logits=True))
    pretrained.trainee.fit(images(8), np.tile([[0.0], [1.0]], (4, 1)), verbose=0)
    names = [variable.path for variable in pretrained.network.weights]
    changed = {
        name.rpartition("/")[2]
        for name, before, after in zip(names, initial, pretrained.network.get_weights(), strict=True)
        if not np.array_equal(before, after)
    }
    assert changed == {"kernel", "bias"}


def test_an_unknown_layer_is_refused_with_the_choices(pretrained):
    with pytest.raises(JobError) as refusal:
        pretrained.unfreeze("conv5_block1_preact_bn")
    sentence = str(refusal.value)
    assert "none, last-stage, last-two-stages, all or a layer of MobileNetV3Small" in sentence
    assert "'conv5_block1_preact_bn'" in sentence
    assert "expanded_conv_8_expand" in sentence


def test_mixed_precision_trains_a_copy_with_the_same_weights(initial):
    built = model.build(options(precision="mixed_bfloat16", dropout=0.2), initial=initial)
    assert built.pretrained
    assert keras.config.dtype_policy().name == "float32"
    assert built.trainee.get_layer("dropout").rate == 0.2
    assert built.trainee.get_layer("hidden").compute_dtype == "bfloat16"
    assert built.network.get_layer("hidden").compute_dtype == "float32"
    for network in (built.network, built.trainee):
        for ours, theirs in zip(network.get_weights(), initial, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    pooled = built.features(images(4), training=False)
    assert pooled.dtype == "float32"
    logits = built.trainee(images(4), training=False)
    np.testing.assert_array_equal(built.head(pooled, training=False), logits)
    # Eight bits of mantissa through fifty layers of random weights: near, and never the same.
    exact = np.asarray(built.network(images(4), training=False))
    assert 0 < np.abs(logits - exact).max() < 0.3 * np.ptp(exact)

    built.trainee.get_layer("logit").bias.assign([3.0])
    built.take_over()
    assert built.network.get_layer("logit").bias.numpy() == [3.0]
    built.take_over(initial)
    assert built.network.get_layer("logit").bias.numpy() == initial[-1]
    assert built.trainee.get_layer("logit").bias.numpy() == [3.0]
    built.restore(initial)
    assert built.trainee.get_layer("logit").bias.numpy() == initial[-1]


def test_weights_to_start_from_must_fit(initial):
    with pytest.raises(JobError, match=rf"does not fit: {len(initial) - 1} weights for {len(initial)}"):
        model.build(options(), initial=initial[1:])
    with pytest.raises(JobError, match=r"of which 2 have another shape"):
        model.build(options(), initial=[*initial[:-2], np.zeros((7, 1)), np.zeros(7)])


TWO_REPLICAS = """
import contextlib, json
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from model_code.contract.backbones import MINUS_ONE_TO_ONE
from model_code.network import backbones
from model_code.network import classifier as model

class Small(backbones.Backbone):
    def build(self, size, weights=None):
        pixels = keras.Input((size, size, 3))
        maps = keras.layers.Conv2D(8, 3, strides=2, name="first")(pixels)
        maps = keras.layers.ReLU()(keras.layers.BatchNormalization()(maps))
        return keras.Model(pixels, keras.layers.Conv2D(8, 3, strides=2, name="second")(maps), name="backbone")

small = Small("Small", "small.h5", None, MINUS_ONE_TO_ONE, ("first", "second"), ("first", "second"), False)
backbones.BACKBONES = {"Small": small}
keras.utils.set_random_seed(1)
options = model.Options(image_size=32, backbone="Small", backbone_weights="none", dropout=0.0)
rng = np.random.default_rng(2)
pixels = rng.uniform(0, 255, (8, 32, 32, 1)).astype("float32")
labels = rng.integers(0, 2, (8, 1)).astype("float32")
weights = rng.uniform(0.5, 2.0, 8).astype("float32")
initial = model.build(options).network.get_weights()
trained = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    classifier = model.build(options, devices=devices, initial=initial)
    classifier.unfreeze("all")
    with classifier.strategy.scope() if classifier.strategy else contextlib.nullcontext():
        classifier.trainee.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    batches = tf.data.Dataset.from_tensor_slices((pixels, labels, weights)).batch(8)
    classifier.trainee.fit(batches, verbose=0, shuffle=False)
    classifier.take_over()
    trained.append(classifier.network.get_weights())
step, difference = (
    [float(np.abs(one - other).max()) for one, other in zip(trained[0], others, strict=True)]
    for others in (initial, trained[1])
)
print(json.dumps({
    "replicas": classifier.strategy.num_replicas_in_sync,
    "first_kernel": step[0],
    "step": max(step),
    "difference": max(difference),
}))
"""


def test_a_step_of_two_replicas_is_a_step_of_one_device():
    """In a process of its own: a CPU can be divided into devices only before TensorFlow uses it."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["replicas"] == 2
    assert result["first_kernel"] > 1e-4
    assert result["difference"] < 1e-4 * result["step"]


def test_one_device_needs_no_strategy(classifier):
    assert classifier.strategy is None
