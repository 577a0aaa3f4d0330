"""Metrics agree with scikit-learn, weights mean repetition, intervals resample patients."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from model_code import metrics


@pytest.fixture
def data():
    rng = np.random.default_rng(7)
    labels = (rng.random(300) < 0.6).astype(float)
    probabilities = np.clip(np.round(0.5 + 0.2 * (labels - 0.5) + rng.normal(0, 0.2, 300), 2), 0, 1)  # with ties
    return labels, probabilities


ONE = np.ones((1, 300))


def test_discrimination_agrees_with_scikit_learn(data):
    labels, scores = data
    assert metrics.auroc(labels, scores, ONE)[0] == pytest.approx(reference.roc_auc_score(labels, scores))
    expected = reference.average_precision_score(labels, scores)
    assert metrics.average_precision(labels, scores, ONE)[0] == pytest.approx(expected)
    assert metrics.brier_score(labels, scores, ONE)[0] == pytest.approx(reference.brier_score_loss(labels, scores))


def test_decisions_agree_with_scikit_learn(data):
    labels, scores = data
    called = (scores >= 0.5).astype(float)
    found = {name: values[0] for name, values in metrics.operating_point(labels, called, ONE).items()}
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, called))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(labels, called))
    assert found["recall"] == found["true_positive_rate"] == pytest.approx(reference.recall_score(labels, called))
    assert found["true_negative_rate"] == pytest.approx(reference.recall_score(1 - labels, 1 - called))
    assert found["precision"] == pytest.approx(reference.precision_score(labels, called))
    assert found["negative_predictive_value"] == pytest.approx(reference.precision_score(1 - labels, 1 - called))
    for beta, name in ((0.5, "f0_5"), (1, "f1"), (2, "f2")):
        assert found[name] == pytest.approx(reference.fbeta_score(labels, called, beta=beta))


def test_a_weight_of_two_is_the_image_twice(data):
    labels, scores = data
    weights = np.random.default_rng(1).integers(0, 3, 300)
    repeated = np.repeat(np.arange(300), weights)
    row = weights[np.newaxis].astype(float)
    for function in (metrics.auroc, metrics.average_precision, metrics.expected_calibration_error):
        plain = function(labels[repeated], scores[repeated], np.ones((1, len(repeated))))
        assert function(labels, scores, row) == pytest.approx(plain)


def test_calibration_error_of_a_known_case():
    # Two bins: 0.25 says 25 % and half are positive; 0.85 says 85 % and all are.
    labels = np.array([1.0, 0, 1, 0, 1, 1])
    probabilities = np.array([0.25, 0.25, 0.25, 0.25, 0.85, 0.85])
    assert metrics.expected_calibration_error(labels, probabilities, np.ones((1, 6)))[0] == pytest.approx(
        4 / 6 * 0.25 + 2 / 6 * 0.15
    )
    assert [row["count"] for row in metrics.reliability(labels, probabilities)] == [4, 2]


def test_a_probability_of_one_has_a_bin():
    assert metrics.reliability(np.array([1.0]), np.array([1.0]))[0]["upper"] == 1.0


def test_images_of_one_patient_are_drawn_together():
    weights = metrics.resample_patients(["a", "b", "a", "c"], seed=1, resamples=200)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert (weights[1:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_intervals_cover_and_grow_with_patients_of_many_images():
    rng = np.random.default_rng(3)
    labels = (rng.random(300) < 0.5).astype(float)
    scores = np.repeat(labels[::10] + rng.normal(0, 0.8, 30), 10)  # ten images of a patient score alike
    labels = np.repeat(labels[::10], 10)

    def interval(patients):
        found = metrics.estimate(metrics.auroc(labels, scores, metrics.resample_patients(patients, seed=1)))
        assert found.low <= found.value <= found.high
        return found.high - found.low

    by_patient = interval([f"p{number // 10}" for number in range(300)])
    by_image = interval([f"i{number}" for number in range(300)])
    assert by_patient > 2 * by_image


def test_an_undefined_metric_is_zero_never_nan():
    labels, called = np.array([0.0, 1.0]), np.zeros(2)
    weights = metrics.resample_patients(["a", "b"], seed=1, resamples=20)
    found = metrics.estimate(metrics.operating_point(labels, called, weights)["precision"])
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_curves_run_from_corner_to_corner(data):
    labels, scores = data
    roc = metrics.curves(labels, scores)["receiver_operating_characteristic_curve"]
    x, y = roc["false_positive_rates"], roc["true_positive_rates"]
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(reference.roc_auc_score(labels, scores))
