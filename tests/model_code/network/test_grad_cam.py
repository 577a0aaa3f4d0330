"""The closed form is Grad-CAM: the same maps as with gradients."""

from __future__ import annotations

import numpy as np
import pytest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global enlarged, grad_cam, tf
    import tensorflow as tf

    from model_code.network.grad_cam import grad_cam
    from model_code.network.saliency_overlay import enlarged


IMAGES, EDGE, CHANNELS, UNITS, SIZE = 5, 4, 6, 7, 33


@pytest.fixture
def head():
    rng = np.random.default_rng(4)
    draw = lambda *shape: tf.constant(rng.normal(size=shape).astype("float32"))  # noqa: E731
    return tf.nn.relu(draw(IMAGES, EDGE, EDGE, CHANNELS)), draw(CHANNELS, UNITS), draw(UNITS), draw(UNITS, 1)


def hidden_of(maps, kernel, bias):
    return tf.nn.relu(tf.reduce_mean(maps, axis=(1, 2)) @ kernel + bias)


def test_maps_are_those_of_the_gradient(head):
    maps, kernel, bias, logit_kernel = head
    with tf.GradientTape() as tape:
        tape.watch(maps)
        logits = hidden_of(maps, kernel, bias) @ logit_kernel
    gradients = tape.gradient(logits, maps)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    coarse = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True))
    expected = tf.image.resize(coarse, (SIZE, SIZE), method="bilinear")[..., 0].numpy()
    peaks = expected.max(axis=(1, 2), keepdims=True)
    found = enlarged(grad_cam(maps, hidden_of(maps, kernel, bias), kernel, logit_kernel), SIZE).numpy()
    assert found.shape == (IMAGES, SIZE, SIZE)
    spoken = peaks[:, 0, 0] > 0
    assert spoken.sum() >= 2
    np.testing.assert_allclose(found[spoken], (expected / np.where(peaks, peaks, 1))[spoken], atol=1e-5)
    np.testing.assert_allclose(found[spoken].max(axis=(1, 2)), 1.0)
    assert found.min() >= 0


def test_nothing_is_marked_where_nothing_speaks_for_pneumonia(head):
    maps, kernel, bias, _ = head
    cells = grad_cam(maps, hidden_of(maps, tf.abs(kernel), bias), tf.abs(kernel), -tf.ones((UNITS, 1)))
    found = enlarged(cells, SIZE)
    np.testing.assert_array_equal(found, np.zeros((IMAGES, SIZE, SIZE)))


def test_the_mark_is_where_the_feature_is():
    maps = np.zeros((1, EDGE, EDGE, 1), "float32")
    maps[0, 0, 3, 0] = 5.0
    cells = grad_cam(tf.constant(maps), tf.ones((1, 1)), tf.ones((1, 1)), tf.ones((1, 1)))
    found = enlarged(cells, 4 * EDGE)[0].numpy()
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert row < 4
    assert column >= 12
    assert found[8:].max() == found[:, :8].max() == 0
