"""Temperature undoes over-confidence; the threshold is Youden's."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn

from model_code.statistics.calibration import (
    TAIL_SHARE,
    choose_threshold,
    fit_temperature,
    indeterminate_band,
    probability,
)
from model_code.statistics.metrics import expected_calibration_error


def overconfident(count: int, seed: int):
    """Labels drawn from known logits, and those logits three times too large."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0.5, 2, count)
    labels = (rng.random(count) < probability(true, 1.0)).astype(float)
    return 3 * true, labels


def test_the_temperature_is_found_and_lowers_calibration_error_on_new_data():
    temperature = fit_temperature(*overconfident(4000, 1))
    assert temperature == pytest.approx(3, rel=0.1)
    logits, labels = overconfident(4000, 2)
    raw, calibrated = (
        expected_calibration_error(labels, probability(logits, value), np.ones((1, 4000)))[0]
        for value in (1.0, temperature)
    )
    assert calibrated < raw / 3


def test_separable_validation_data_do_not_make_probabilities_certain():
    logits = np.array([-3.0, -2, -2.5, 2, 2.5, 3])
    labels = np.array([0.0, 0, 0, 1, 1, 1])
    assert probability(logits, fit_temperature(logits, labels)).max() < 0.95


def test_the_threshold_has_the_greatest_youden_index():
    logits, labels = overconfident(500, 3)
    threshold = choose_threshold(logits, labels, 3.0)
    called = probability(logits, 3.0) >= threshold
    found = called[labels == 1].mean() - called[labels == 0].mean()
    false_positives, true_positives, _ = sklearn.metrics.roc_curve(labels, logits)
    assert found == pytest.approx((true_positives - false_positives).max())


def test_among_equal_thresholds_the_middle_of_the_widest_gap_is_taken():
    threshold = choose_threshold(np.array([-4.0, -2, 4, 5]), np.array([0.0, 0, 1, 1]), 2.0)
    assert threshold == pytest.approx(probability(np.array([1.0]), 2.0)[0])


def test_probability_does_not_overflow():
    assert probability(np.array([-2000.0, 0.0, 2000.0]), 1.0).tolist() == [0.0, 0.5, 1.0]


def test_outside_the_indeterminate_band_few_images_of_each_label_are_on_the_wrong_side():
    logits, labels = overconfident(2000, 4)
    threshold = choose_threshold(logits, labels, 3.0)
    low, high = indeterminate_band(logits, labels, 3.0, threshold)
    probabilities = probability(logits, 3.0)
    assert low < threshold < high
    assert (probabilities[labels == 1] < low).mean() <= TAIL_SHARE
    assert (probabilities[labels == 0] >= high).mean() <= TAIL_SHARE
    # And it is no wider than that takes: one image more on either side would be one too many.
    inside = (probabilities >= low) & (probabilities < high)
    nearest_positive = probabilities[(labels == 1) & inside].min()
    nearest_negative = probabilities[(labels == 0) & inside].max()
    assert (probabilities[labels == 1] <= nearest_positive).mean() > TAIL_SHARE
    assert (probabilities[labels == 0] >= nearest_negative).mean() > TAIL_SHARE


def test_where_the_labels_separate_nothing_is_indeterminate():
    logits, labels = np.array([-3.0, -2, -2.5, 2, 2.5, 3]), np.array([0.0, 0, 0, 1, 1, 1])
    threshold = choose_threshold(logits, labels, 1.0)
    assert indeterminate_band(logits, labels, 1.0, threshold) == (threshold, threshold)
