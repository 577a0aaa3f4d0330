"""An epoch's images, order and changes follow from the seed and its number alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model_code.statistics.calibration import Calibration
from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Augmentation, ClassWeights, Order, tf, TrainingImages, UNWEIGHTED
    import tensorflow as tf

    from model_code.imaging.augmentation import Augmentation
    from model_code.training.batches import UNWEIGHTED, ClassWeights, Order, TrainingImages


SIZE = 32
COUNT = 23


def images(directory, *, seed: int = 5, weights: ClassWeights | None = None) -> TrainingImages:
    return TrainingImages(directory, SIZE, Augmentation(0.5, 0.3, 5.0, 0.05, 0.1), seed, weights or UNWEIGHTED)


def order(epoch: int, *, seed: int = 5) -> Order:
    return Order.of(COUNT, SIZE, batch_size=8, seed=seed, epoch=epoch)


@pytest.fixture
def shards(tmp_path):
    write_split(tmp_path, "train", COUNT, SIZE)
    return tmp_path


def pixels(data) -> np.ndarray:
    return np.concatenate([batch[0].numpy() for batch in data])


def test_batches_are_whole_and_carry_labels_and_weights(shards):
    found = list(images(shards, weights=ClassWeights(0.5, 2.0)).shuffled(order(0), 0))
    assert [batch[0].shape for batch in found] == [(8, SIZE, SIZE, 1)] * 2
    for _, labels, weights in found:
        assert labels.shape == (8, 1)
        np.testing.assert_array_equal(weights, np.where(labels[:, 0] == 1, 2.0, 0.5))


def test_an_epoch_can_be_repeated_and_differs_from_every_other(shards):
    first = pixels(images(shards).shuffled(order(3), 3))
    np.testing.assert_array_equal(first, pixels(images(shards).shuffled(order(3), 3)))
    for other in (
        images(shards).shuffled(order(4), 3),  # another order
        images(shards).shuffled(order(3), 4),  # other changes
        images(shards, seed=6).shuffled(order(3, seed=6), 3),
    ):
        assert not np.array_equal(first, pixels(other))


def test_an_image_of_a_view_is_changed_the_same_way_in_every_epoch_and_in_order(shards):
    source = images(shards)
    in_order = pixels(source.in_order(1, 8))
    assert len(in_order) == COUNT
    index = np.concatenate(list(order(7).batches(tf.data.Dataset.range(COUNT)).as_numpy_iterator()))
    assert len(set(index)) == 16
    np.testing.assert_array_equal(pixels(source.shuffled(order(7), 1)), in_order[index])


def test_balanced_weights_count_both_labels_the_same_and_keep_the_sum():
    weights = ClassWeights.balanced({"NORMAL": 25, "PNEUMONIA": 75})
    assert 25 * weights.normal == pytest.approx(75 * weights.pneumonia)
    assert 25 * weights.normal + 75 * weights.pneumonia == pytest.approx(100)


def test_the_logit_shift_is_that_of_the_prevalence_the_weights_make_up():
    weights = ClassWeights.balanced({"NORMAL": 25, "PNEUMONIA": 75})
    # Where images say nothing, the best constant logit is that of the prevalence: 3 in 4, or 1 in 2 when weighted.
    assert weights.logit_shift == pytest.approx(math.log(0.5 / 0.5) - math.log(0.75 / 0.25))
    assert Calibration(1.0).probability(np.array([0.0 - weights.logit_shift]))[0] == pytest.approx(0.75)
    assert UNWEIGHTED.logit_shift == 0
