"""Temperature undoes over-confidence, a bias another prevalence; the threshold is Youden's."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from model_code.statistics.calibration import (
    Calibration,
    choose_threshold,
    fit_temperature,
    fit_temperature_and_bias,
)
from model_code.statistics.metrics import expected_calibration_error


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global roc_curve
    from sklearn.metrics import roc_curve


def overconfident(count: int, seed: int):
    """Labels drawn from known logits, and those logits three times too large."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0.5, 2, count)
    labels = (rng.random(count) < Calibration(1.0).probability(true)).astype(float)
    return 3 * true, labels


def test_the_temperature_is_found_and_lowers_calibration_error_on_new_data():
    fitted = fit_temperature(*overconfident(4000, 1))
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    assert fitted.bias == 0
    logits, labels = overconfident(4000, 2)
    raw, calibrated = (
        expected_calibration_error(labels, one.probability(logits), np.ones((1, 4000)))[0]
        for one in (Calibration(1.0), fitted)
    )
    assert calibrated < raw / 3


def elsewhere(count: int, seed: int):
    """The same network where pneumonia is rare and the machines are brighter: its logits are off by a constant."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-2, 2, count)
    labels = (rng.random(count) < Calibration(1.0).probability(true)).astype(float)
    return 3 * (true + 1.5), labels


def test_another_prevalence_and_another_exposure_take_a_bias_which_no_temperature_replaces():
    fitted = fit_temperature_and_bias(*elsewhere(8000, 1))
    assert (fitted.temperature, fitted.bias) == (pytest.approx(3, rel=0.1), pytest.approx(-1.5, abs=0.15))
    logits, labels = elsewhere(8000, 2)
    errors = [
        expected_calibration_error(labels, one.probability(logits), np.ones((1, 8000)))[0]
        for one in (fit_temperature(*elsewhere(8000, 1)), fitted)
    ]
    assert errors[1] < errors[0] / 5


def test_no_calibration_changes_which_image_ranks_above_which_even_where_the_ranking_is_wrong():
    """A fit that turned the order round would call that calibration what is another model."""
    logits, labels = overconfident(4000, 1)
    backwards = fit_temperature_and_bias(-logits, labels)
    assert backwards.temperature > 0
    found = backwards.probability(np.array([-3.0, 0.0, 3.0]))
    assert found[0] < found[1] < found[2]


def test_the_logit_of_a_probability_is_the_one_that_is_calibrated_to_it():
    calibration = Calibration(2.5, -0.7)
    assert calibration.probability(np.array([calibration.logit(0.3)]))[0] == pytest.approx(0.3)
    assert np.isfinite([calibration.logit(0.0), calibration.logit(1.0)]).all()


@pytest.mark.parametrize("fit", [fit_temperature, fit_temperature_and_bias])
def test_separable_validation_data_do_not_make_probabilities_certain(fit):
    logits = np.array([-3.0, -2, -2.5, 2, 2.5, 3])
    labels = np.array([0.0, 0, 0, 1, 1, 1])
    assert fit(logits, labels).probability(logits).max() < 0.95


def test_the_threshold_is_near_the_greatest_youden_index_of_many_images():
    logits, labels = overconfident(5000, 3)
    threshold = choose_threshold(logits, labels, Calibration(3.0))
    predicted = Calibration(3.0).probability(logits) >= threshold
    found = predicted[labels == 1].mean() - predicted[labels == 0].mean()
    false_positives, true_positives, _ = roc_curve(labels, logits)
    assert found == pytest.approx((true_positives - false_positives).max(), abs=0.015)


def test_a_hospitals_validation_split_needs_no_more_memory_than_its_logits():
    logits, labels = overconfident(10_000, 5)
    tracemalloc.start()
    try:
        choose_threshold(logits, labels, Calibration(3.0))
        assert tracemalloc.get_traced_memory()[1] < 20 * logits.nbytes
    finally:
        tracemalloc.stop()


def test_a_wide_gap_between_the_labels_is_parted_in_its_middle():
    threshold = choose_threshold(np.array([-4.0, -3.8, 4, 4.2]), np.array([0.0, 0, 1, 1]), Calibration(2.0))
    assert threshold == pytest.approx(Calibration(2.0).probability(np.array([0.1]))[0], abs=0.01)


def test_gaps_between_a_few_images_do_not_decide():
    """The plain index is greatest in the gap from 1.5 to 3.9, because one image without pneumonia got 1.4."""
    normal = [-3.2, -2.9, -2.7, -2.4, -2.2, -2.1, -1.8, -1.6, -1.3, 1.4]
    pneumonia = [1.5, 3.9, 4.1, 4.4, 4.6, 4.9, 5.2, 5.5]
    logits, labels = np.array(normal + pneumonia), np.repeat([0.0, 1.0], [10, 8])
    threshold = choose_threshold(logits, labels, Calibration(1.0))
    low, high = Calibration(1.0).probability(np.array([-0.5, 2.5]))
    assert low < threshold < high


@pytest.mark.parametrize("images", [52, 520])
def test_what_is_chosen_on_few_images_holds_on_others(images):
    """The worst of twenty trainings keeps what it keeps only because the threshold is not fitted to single images."""
    rng = np.random.default_rng(images)

    def drawn(count):
        labels = (rng.random(count) < 0.5).astype(float)
        return np.where(labels == 1, 4 - rng.gamma(2, 1.5, count), -4 + rng.gamma(2, 1.0, count)), labels

    def rates(cut):
        return float((logits[labels == 1] >= cut).mean()), float((logits[labels == 0] < cut).mean())

    logits, labels = drawn(20_000)
    smoothed, plain = [], []
    for _ in range(100):
        sample, given = drawn(images)
        chosen = choose_threshold(sample, given, Calibration(1.0))
        smoothed.append(rates(np.log(chosen / (1 - chosen))))
        false_positives, true_positives, cuts = roc_curve(given, sample)
        plain.append(rates(cuts[np.argmax(true_positives - false_positives)]))
    assert np.all(np.quantile(smoothed, 0.05, axis=0) > np.quantile(plain, 0.05, axis=0))
    assert np.sum(smoothed) > np.sum(plain)


@pytest.mark.parametrize("logits", [[1.0, 1.0], [0.0, 2.0], [-1e300, 1e300]])
def test_logits_without_a_spread_have_a_threshold(logits):
    threshold = choose_threshold(np.array(logits), np.array([0.0, 1.0]), Calibration(1.0))
    assert 0 <= threshold <= 1


def test_probability_does_not_overflow():
    assert Calibration(1.0).probability(np.array([-2000.0, 0.0, 2000.0])).tolist() == [0.0, 0.5, 1.0]
