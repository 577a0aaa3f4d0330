"""A map is what hiding does to the score: where a network's answer is a sum over places, its parts."""

from __future__ import annotations

import numpy as np
import pytest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global attribution, tf
    import tensorflow as tf

    from model_code.network import attribution


SIZE, CELLS = 64, 16


def stages(pixels):
    """A network: what is brighter than 160 on average in a cell speaks for PNEUMONIA. Its stages see the brightness."""
    fine = tf.nn.avg_pool2d(pixels / 255.0, SIZE // CELLS, SIZE // CELLS, "VALID")
    excess = tf.nn.relu(fine - 160 / 255)
    coarse = tf.nn.avg_pool2d(fine, 2, 2, "VALID")
    return 400 * tf.reduce_mean(excess, axis=(1, 2, 3)) - 8.2, [tf.concat([fine, excess], -1), coarse]


def radiographs(count, seed=1):
    """Noise under a bright band that all have, and in every second image a bright spot somewhere below it."""
    rng = np.random.default_rng(seed)
    images = rng.normal(100, 10, (count, SIZE, SIZE))
    images[:, 4:12] += 100
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    places = rng.uniform(22, SIZE - 8, (count, 2))
    for number in range(1, count, 2):
        row, column = places[number]
        images[number] += 140 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 4.0**2))
    return np.clip(images, 0, 255).astype(np.uint8)[..., np.newaxis], np.arange(count) % 2, places


@pytest.fixture(scope="module")
def fitted():
    images, labels, _ = radiographs(240)
    return attribution.fit(stages, zip(images, labels, strict=True), count=240, floor=0.0)


def maps_of(fitted, images):
    logits, maps = stages(tf.constant(images, tf.float32))
    return logits.numpy(), fitted.maps(maps, logits).numpy()


def test_the_maximum_lies_on_what_tells_the_labels_apart_and_not_on_what_all_have(fitted):
    images, labels, places = radiographs(60, seed=2)
    logits, maps = maps_of(fitted, images)
    assert maps.shape == (60, CELLS, CELLS)
    shown = (labels == 1) & (logits >= 0)
    assert shown.sum() > 20
    for one, place in zip(maps[shown], places[shown], strict=True):
        found = (np.asarray(np.unravel_index(one.argmax(), one.shape)) + 0.5) * SIZE / CELLS
        assert np.hypot(*(found - place)) <= 2 * SIZE / CELLS


def test_cells_add_up_to_what_the_logit_is_above_a_normal_ones(fitted):
    images, labels, _ = radiographs(60, seed=3)
    logits, maps = stages(tf.constant(images, tf.float32))
    normal = np.median(logits.numpy()[labels == 0])
    total = fitted.raw(maps).numpy().mean(axis=(1, 2))
    assert np.corrcoef(total, logits.numpy() - normal)[0, 1] > 0.9


def test_nothing_is_marked_below_the_floor(fitted):
    images, _, _ = radiographs(60, seed=4)
    logits, maps = maps_of(fitted, images)
    assert 0 < (logits < 0).sum() < 60
    np.testing.assert_array_equal(maps.any(axis=(1, 2)), logits >= 0)


def test_what_an_engine_moves_maps_by_is_taken_out(fitted):
    images, _, _ = radiographs(20, seed=5)
    logits, maps = stages(tf.constant(images, tf.float32))
    by = np.linspace(-1, 1, CELLS * CELLS).reshape(CELLS, CELLS)
    shifted = attribution.Attribution(fitted.kernels, (fitted.usual - by).astype(np.float32), fitted.floor)
    np.testing.assert_allclose(shifted.moved(by).maps(maps, logits), fitted.maps(maps, logits), atol=1e-4)


@pytest.mark.parametrize(("normal", "positive"), [(19, 40), (40, 19)])
def test_too_few_images_of_a_label_make_none(normal, positive):
    images, labels, _ = radiographs(2 * max(normal, positive))
    kept = np.concatenate([np.flatnonzero(labels == 0)[:normal], np.flatnonzero(labels == 1)[:positive]])
    examples = zip(images[kept], labels[kept], strict=True)
    assert attribution.fit(stages, examples, count=len(kept), floor=0.0) is None
