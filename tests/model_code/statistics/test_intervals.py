"""Intervals resample patients, keep to 0 and 1, cover what they promise, and are never certain."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from model_code.statistics import metrics
from model_code.statistics.intervals import (
    estimate,
    estimate_difference,
    patient_numbers,
    resample_patients,
    resamples_in_parts,
    wilson,
)


def test_resamples_in_parts_are_those_at_once():
    """Or a metric would depend on how much memory it is given."""
    patients = [str(number % 31) for number in range(100)]
    parts = list(resamples_in_parts(patients, seed=5, resamples=120, rows=50))
    assert [len(part) for part in parts] == [1, 50, 50, 20]
    np.testing.assert_array_equal(np.concatenate(parts), resample_patients(patients, seed=5, resamples=120))


def test_images_of_one_patient_are_drawn_together():
    weights = resample_patients(["a", "b", "a", "c"], seed=1, resamples=200)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert (weights[1:, [0, 1, 3]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(patient_numbers(["a", "b", "a", "c"]), [0, 1, 0, 2])


def test_intervals_grow_with_patients_of_many_images():
    rng = np.random.default_rng(3)
    labels = np.repeat((rng.random(30) < 0.5).astype(float), 10)
    scores = np.repeat(labels[::10] + rng.normal(0, 0.8, 30), 10)  # ten images of a patient score alike

    def interval(patients):
        found = estimate(
            metrics.auroc(labels, scores, resample_patients(patients, seed=1)), images=300, patients=len(set(patients))
        )
        assert 0 < found.low <= found.value <= found.high <= 1
        return found.high - found.low

    by_patient = interval([f"p{number // 10}" for number in range(300)])
    by_image = interval([f"i{number}" for number in range(300)])
    assert by_patient > 2 * by_image


def test_with_one_image_a_patient_a_share_has_wilsons_interval():
    hits = np.repeat([1.0, 0.0], [90, 10])
    weights = resample_patients([str(number) for number in range(100)], seed=1, resamples=20_000)
    found = estimate(weights @ hits / weights.sum(axis=1), images=100, patients=100)
    # Wilson's interval of 90 in 100, from its formula.
    z = scipy.stats.norm.ppf(0.975)
    centre, half = (0.9 + z**2 / 200) / (1 + z**2 / 100), z * np.sqrt(0.09 / 100 + z**2 / 40_000) / (1 + z**2 / 100)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=0.002)


def test_no_error_in_the_test_split_is_not_certainty():
    found = estimate(np.ones(101), images=50, patients=40)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(40 / (40 + scipy.stats.norm.ppf(0.975) ** 2)), "Wilson's interval of 40 in 40"
    assert 0.9 < found.next_low <= found.low


def test_few_errors_are_no_reason_for_more_certainty_than_the_images_give():
    values = np.random.default_rng(1).normal(0.99, 0.001, 1001)  # as 9,900 independent images would vary
    values[0] = 0.99
    assert estimate(values, images=100, patients=90).low < 0.96
    assert estimate(values, images=100_000, patients=90).low > 0.987


def test_another_test_split_varies_more_than_the_interval():
    values = np.random.default_rng(1).normal(0.9, 0.02, 1001)
    values[0] = 0.9
    found = estimate(values, images=400, patients=100)
    assert found.next_low < found.low < found.value < found.high < found.next_high < 1


def test_an_undefined_metric_counts_as_0_and_is_said_to_be_anything():
    labels, predicted = np.array([0.0, 1.0]), np.zeros(2)
    weights = resample_patients(["a", "b"], seed=1, resamples=20)
    found = estimate(metrics.operating_point(labels, predicted, weights)["precision"], images=2, patients=2)
    assert (found.value, found.low, found.high, found.next_low, found.next_high) == (0.0, 0.0, 1.0, 0.0, 1.0)


def test_intervals_hold_what_they_promise_where_percentiles_do_not():
    """A sensitivity of 0.98, forty patients with three images each, measured in 400 test splits."""
    rng = np.random.default_rng(11)
    truth, patients = 0.98, [str(number // 3) for number in range(120)]
    weights = resample_patients(patients, seed=1, resamples=300)
    held = {"interval": 0, "percentiles": 0, "another split": 0}

    def measured():
        ill = rng.normal(size=40).repeat(3) * np.sqrt(0.5) + rng.normal(size=120) * np.sqrt(0.5)
        return (scipy.stats.norm.cdf(ill) < truth).astype(float)

    for _ in range(400):
        values = weights @ measured() / weights.sum(axis=1)
        found = estimate(values, images=120, patients=40)
        low, high = np.quantile(values[1:], (0.025, 0.975))
        held["interval"] += found.low <= truth <= found.high
        held["percentiles"] += low <= truth <= high
        held["another split"] += found.next_low <= measured().mean() <= found.next_high
    assert held["interval"] / 400 > 0.92
    assert held["another split"] / 400 > 0.9
    assert held["percentiles"] / 400 < 0.9


def test_a_difference_has_the_percentiles_and_may_be_negative():
    values = np.random.default_rng(1).normal(-0.03, 0.01, 1001)
    values[0] = -0.03
    found = estimate_difference(values)
    assert [found.low, found.high] == pytest.approx(np.quantile(values[1:], (0.025, 0.975)))
    assert found.next_low < found.low < found.high < 0
    assert found.next_high - found.next_low == pytest.approx(np.sqrt(2) * (found.high - found.low))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_interval_holds_the_share_that_it_is_of(share):
    """Rounding once put the upper end of 1 below it: who reads `low <= value <= high` found a contradiction."""
    for size in range(1, 2_000):
        low, high = wilson(share, size)
        assert low <= share <= high, size
