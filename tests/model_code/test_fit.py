"""The schedule, the choice of the best epoch and early stopping, on a model of one layer."""

from __future__ import annotations

import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from model_code import fit
from model_code.model import Classifier


@pytest.fixture
def small() -> Classifier:
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    return Classifier(network, network, pretrained=False)


@pytest.fixture
def batches():
    pixels = np.random.default_rng(1).random((12, 4, 4, 1)).astype("float32")
    labels = (pixels.mean(axis=(1, 2, 3)) > 0.5).astype("float32")[:, np.newaxis]
    return tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(4)


def validation(auc_like: float) -> fit.Validation:
    """Validation scores with an AUROC of 1, 0.5 or 0."""
    labels = np.array([0.0, 1.0])
    return fit.Validation(np.array([0.5, auc_like]), labels)


def test_the_learning_rate_warms_up_to_its_greatest_value_and_decays():
    phase = fit.Phase(epochs=1, learning_rate=0.1)
    rates = [fit.learning_rate(phase, 100, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1) == rates[9]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert 0.002 <= rates[-1] < 0.0022


def test_the_best_epoch_is_restored_with_its_scores(small, batches, capsys):
    bias = small.network.layers[-1].bias
    scores = iter([0.4, 0.9, 0.5, 0.3])  # AUROC 0, 1, 0.5, 0
    seen = []

    def score():
        seen.append(float(bias.numpy()[0]))
        return validation(next(scores))

    history, best = fit.train(small, batches, score, [fit.Phase(4, 0.05)], steps_per_epoch=3, patience=5)
    assert [line.val_auc for line in history] == [0.0, 1.0, 0.5, 0.0]
    assert best.auc == 1.0
    assert float(bias.numpy()[0]) == seen[1] != seen[3]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(r"epoch=2 loss=\d+\.\d{4} val_loss=\d+\.\d{4} val_auc=1\.0000", lines[1])


def test_of_equal_aurocs_the_least_loss_wins(small, batches):
    scores = iter([0.6, 3.0, 0.7])
    _, best = fit.train(
        small, batches, lambda: validation(next(scores)), [fit.Phase(3, 0.01)], steps_per_epoch=3, patience=5
    )
    assert best.logits[1] == 3.0


def test_a_phase_ends_early_and_the_next_begins_from_the_best_weights(small, batches):
    scores = iter([0.9, 0.1, 0.2, 0.3, 0.4])
    history, _ = fit.train(
        small,
        batches,
        lambda: validation(next(scores)),
        [fit.Phase(10, 0.05), fit.Phase(2, 0.01)],
        steps_per_epoch=3,
        patience=2,
    )
    assert [line.epoch for line in history] == [1, 2, 3, 4, 5]
    assert history[3].learning_rate <= 0.01


def test_validation_loss_is_the_cross_entropy():
    found = fit.Validation(np.array([-1.0, 2.0, 0.5]), np.array([0.0, 1.0, 0.0]))
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(found.labels, found.logits)
    assert found.loss == pytest.approx(float(expected), rel=1e-5)
