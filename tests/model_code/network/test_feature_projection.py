"""Features for monitoring are standardised, uncorrelated, and the same wherever they are fitted."""

from __future__ import annotations

import numpy as np
import pytest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global feature_projection, Projection, tf
    import tensorflow as tf

    from model_code.network import feature_projection
    from model_code.network.feature_projection import Projection


RNG = np.random.default_rng(3)
FEATURES = RNG.normal(size=(200, 12)) @ np.diag(np.arange(1.0, 13.0)) + 5.0


def projected(found: Projection, features: np.ndarray) -> np.ndarray:
    return found.project(tf.constant(features[:, np.newaxis, np.newaxis], tf.float32)).numpy()


def test_training_images_have_mean_0_and_deviation_1_and_no_correlation() -> None:
    numbers = projected(Projection.of(FEATURES), FEATURES)
    assert numbers.shape == (200, feature_projection.COMPONENTS)
    np.testing.assert_allclose(numbers.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(numbers.T, bias=True), np.eye(feature_projection.COMPONENTS), atol=1e-3)


def test_the_order_of_the_images_changes_nothing() -> None:
    other = Projection.of(FEATURES[::-1])
    np.testing.assert_allclose(
        projected(other, FEATURES[:5]), projected(Projection.of(FEATURES), FEATURES[:5]), atol=1e-3
    )


def test_directions_without_variation_are_left_out() -> None:
    flat = np.c_[FEATURES[:, :2], np.full((200, 3), 7.0)]
    assert Projection.of(flat).axes.shape == (5, 2)


def test_positions_are_averaged() -> None:
    found = Projection.of(FEATURES)
    maps = tf.constant(FEATURES[:4].reshape(1, 2, 2, 12), tf.float32)
    np.testing.assert_allclose(found.project(maps), projected(found, FEATURES[:4].mean(axis=0)[np.newaxis]), atol=1e-4)


def test_images_are_taken_from_the_whole_split() -> None:
    taken: list[float] = []

    def inspect(pixels: tf.Tensor) -> tuple[None, tf.Tensor, None]:
        taken.extend(pixels.numpy()[:, 0, 0, 0].tolist())
        return None, pixels, None

    count = feature_projection.MOST_IMAGES * 3 - 1
    images = (np.full((1, 1, 1), number) for number in range(count))
    assert feature_projection.fit(inspect, images, count=count) is not None
    assert len(taken) <= feature_projection.MOST_IMAGES
    assert taken == list(range(0, count, 3))


@pytest.mark.parametrize("count", [0, 19])
def test_too_few_images_give_none(count: int) -> None:
    assert feature_projection.fit(None, [], count=count) is None
