"""A saliency map marks what the score rests on: hiding it lowers the score more than hiding as much elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.model_code.conftest import settle


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global attribution, classifier, keras, saved_model, tf, training_loop
    import keras
    import tensorflow as tf

    from model_code.export import saved_model
    from model_code.network import attribution, classifier
    from model_code.training import training_loop


pytestmark = pytest.mark.slow

SIZE, PART = 128, 16


def shadows(count: int, seed: int) -> tuple[Any, Any]:
    """Noise, and in every second image a soft bright spot somewhere: all that tells the two labels apart.

    Returns:
        uint8 (n, size, size, 1) and labels (n,).
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    images = rng.normal(110, 18, (count, SIZE, SIZE))
    labels = np.arange(count) % 2
    for position in np.flatnonzero(labels):
        row, column = rng.uniform(20, SIZE - 20, 2)
        images[position] += 90 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 9.0**2))
    return np.clip(images, 0, 255).astype(np.uint8)[..., np.newaxis], labels


@pytest.fixture(scope="module")
def signatures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small network that has learned it, exported and loaded."""
    training_loop.prepare(3)
    network = classifier.build(
        classifier.Options(image_size=SIZE, backbone="MobileNetV3Small", backbone_weights="none", dropout=0.0)
    )
    network.network.trainable = True
    images, labels = shadows(160, 1)
    network.network.compile(
        keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False
    )
    network.network.fit(images.astype("float32"), labels.astype("float32"), batch_size=16, epochs=4, verbose=0)
    # Keras holds every layer's answer until the last has answered: 160 images at once took six gigabytes.
    settle(network.network, images[:32].astype("float32"))
    directory = tmp_path_factory.mktemp("faithful")
    scorer = saved_model.Scorer(network, SIZE)
    marks = attribution.fit(scorer.staged, zip(images, labels, strict=True), count=len(images), floor=-1e9)
    assert marks is not None
    assert marks.cells == 16
    saved_model.save_servable(scorer, directory, attribution=marks)
    return tf.saved_model.load(str(directory / "1")).signatures


def answers(signature: Any, images: Any) -> dict[str, Any]:
    """Answers of a signature to pixels (n, size, size, 1), asked in parts for memory's sake."""
    parts = [signature(pixels=tf.constant(images[start : start + PART])) for start in range(0, len(images), PART)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def hide(images: Any, where: Any) -> Any:
    """Pixels (n, size, size, 1) with the chosen places (n, size, size) replaced by noise as it is in all of them."""
    noise = np.random.default_rng(9).normal(110, 18, images.shape).clip(0, 255).astype(np.uint8)
    return np.where(where[..., np.newaxis], noise, images)


def test_hiding_what_the_map_marks_lowers_the_score_more_than_hiding_as_much_elsewhere(signatures):
    images, labels = shadows(80, 2)
    explained = answers(signatures["explain_pixels"], images)
    logits, saliency = explained["logit"], explained["saliency"]
    assert logits[labels == 1].mean() - logits[labels == 0].mean() > 2, "the network has learned nothing to explain"
    predicted = (logits > 0) & (labels == 1)
    images, logits, saliency = images[predicted], logits[predicted], saliency[predicted]
    assert len(images) >= 30
    marked = saliency >= np.quantile(saliency, 0.9, axis=(1, 2), keepdims=True)
    # The same shape at another place.
    elsewhere = np.roll(marked, (SIZE // 2, SIZE // 2), axis=(1, 2))
    falls = [
        logits - answers(signatures["score_pixels"], hide(images, where))["logit"] for where in (marked, elsewhere)
    ]
    assert np.median(falls[0]) > 3 * max(np.median(falls[1]), 0.1)
    assert np.mean(falls[0] > falls[1]) > 0.9
