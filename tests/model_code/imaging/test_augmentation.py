"""Each change does what its name says, within its range, and the same again for the same image and view."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Augmentation, NONE, tf
    import tensorflow as tf

    from model_code.imaging.augmentation import Augmentation

    NONE = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0)


SIZE = 32


def draws(count: int, augmentation: Augmentation | None = None, *, seed: int = 1, view: int = 0) -> tf.Tensor:
    chosen = augmentation or NONE
    return tf.stack([chosen.draw(seed, tf.constant(view, tf.int64), tf.constant(n, tf.int64)) for n in range(count)])


def ramp(count: int) -> tf.Tensor:
    """Images that rise from 10 at the left edge to 250 at the right."""
    one = np.tile(np.linspace(10, 250, SIZE, dtype=np.float32), (SIZE, 1))
    return tf.repeat(one[np.newaxis, :, :, np.newaxis], count, axis=0)


def applied(count: int, **changes: float) -> np.ndarray:
    augmentation = dataclasses.replace(NONE, **changes)
    return augmentation.apply(ramp(count), draws(count)).numpy()[..., 0]


def test_without_changes_an_image_stays_as_it_is():
    np.testing.assert_allclose(applied(3), ramp(3).numpy()[..., 0], atol=1e-3)


def test_half_of_the_images_are_mirrored():
    images = applied(64, horizontal_flip=0.5)
    rising = images[:, 16, -1] > images[:, 16, 0]
    assert 16 < rising.sum() < 48
    np.testing.assert_allclose(images[~rising][0], ramp(1).numpy()[0, :, ::-1, 0], atol=1e-3)


def test_a_zoom_keeps_the_centre_and_invents_no_grey_value():
    images = applied(64, zoom_range=0.3)
    assert images.min() >= 10
    assert images.max() <= 250.001
    spans = np.abs(images[:, 16, -1] - images[:, 16, 0]) / 240
    assert spans.min() == pytest.approx(0.7, abs=0.05)  # zoomed in: the ramp's ends are outside
    assert spans.max() == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(images[:, 15:17, 15:17].mean(axis=(1, 2)), 130, atol=1)


def test_a_rotation_turns_about_the_centre_within_its_range():
    images = applied(64, rotation_degrees=20.0)
    # Inside, a turned ramp rises along another direction; its slope per pixel stays.
    down, right = np.gradient(images[:, 10:22, 10:22], axis=(1, 2))
    angles = np.degrees(np.arctan2(down.mean(axis=(1, 2)), right.mean(axis=(1, 2))))
    assert np.abs(angles).max() == pytest.approx(20, abs=2)
    assert angles.min() < -10
    assert angles.max() > 10
    np.testing.assert_allclose(images[:, 15:17, 15:17].mean(axis=(1, 2)), 130, atol=1)


def test_a_shift_moves_by_up_to_its_share_of_the_edge():
    images = applied(64, shift_range=0.25)
    moved = (images[:, 16, 16] - ramp(1).numpy()[0, 16, 16, 0]) / (240 / (SIZE - 1))
    assert np.abs(moved).max() == pytest.approx(0.25 * SIZE, abs=0.7)
    assert moved.min() < -4
    assert moved.max() > 4


def test_contrast_spreads_grey_values_about_the_mean_and_stays_in_range():
    images = applied(64, contrast_range=0.5)
    spans = images[:, 16, 20] - images[:, 16, 11]
    expected = ramp(1).numpy()[0, 16, 20, 0] - ramp(1).numpy()[0, 16, 11, 0]
    assert spans.min() == pytest.approx(0.5 * expected, rel=0.1)
    assert spans.max() == pytest.approx(1.5 * expected, rel=0.1)
    assert images.min() >= 0
    assert images.max() <= 255


def test_draws_depend_on_seed_view_and_image_and_on_nothing_else():
    first = draws(4).numpy()
    np.testing.assert_array_equal(first, draws(4).numpy())
    assert not np.array_equal(first, draws(4, view=1).numpy())
    assert not np.array_equal(first, draws(4, seed=2).numpy())
    assert len(np.unique(first)) == first.size
