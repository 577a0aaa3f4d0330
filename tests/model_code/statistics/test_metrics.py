"""Metrics agree with scikit-learn, and weights mean repetition."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.statistics import metrics
from model_code.statistics.chance import chance_calibration_error


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global reference
    from sklearn import metrics as reference


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
    predicted = (scores >= 0.5).astype(float)
    found = {name: values[0] for name, values in metrics.operating_point(labels, predicted, ONE).items()}
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert found["recall"] == found["true_positive_rate"] == pytest.approx(reference.recall_score(labels, predicted))
    assert found["true_negative_rate"] == pytest.approx(reference.recall_score(1 - labels, 1 - predicted))
    assert found["precision"] == pytest.approx(reference.precision_score(labels, predicted))
    assert found["negative_predictive_value"] == pytest.approx(reference.precision_score(1 - labels, 1 - predicted))
    for beta, name in ((0.5, "f0_5"), (1, "f1"), (2, "f2")):
        assert found[name] == pytest.approx(reference.fbeta_score(labels, predicted, beta=beta))


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
    low, high = metrics.reliability(labels, probabilities, np.ones((1, 6)))
    assert (low["members"].sum(), low["mean_probability"][0], low["observed"][0]) == (4, 0.25, 0.5)
    assert (high["members"].sum(), high["mean_probability"][0], high["observed"][0]) == (2, 0.85, 1.0)


def test_a_probability_of_one_has_a_bin():
    (row,) = metrics.reliability(np.array([1.0]), np.array([1.0]), np.ones((1, 1)))
    assert row["observed"] == 1.0


def test_chance_explains_the_calibration_error_of_perfect_probabilities_and_not_that_of_wrong_ones():
    rng = np.random.default_rng(5)
    probabilities = rng.random(400)
    labels = (rng.random(400) < probabilities).astype(float)
    one = np.ones((1, 400))
    chance = chance_calibration_error(probabilities, np.arange(400), seed=1, draws=500)
    assert chance.shape == (500,)
    assert metrics.expected_calibration_error(labels, probabilities, one)[0] < np.quantile(chance, 0.99)
    assert metrics.expected_calibration_error(labels, probabilities**3, one)[0] > 2 * chance.max()


def test_chance_is_greater_where_patients_have_many_images():
    probabilities = np.random.default_rng(6).random(40).repeat(10)
    alone = chance_calibration_error(probabilities, np.arange(400), seed=1, draws=500)
    together = chance_calibration_error(probabilities, np.arange(400) // 10, seed=1, draws=500)
    assert together.mean() > 1.5 * alone.mean()


def test_curves_run_from_corner_to_corner(data):
    labels, scores = data
    curve = metrics.roc_curve(labels, scores)
    x, y = curve["false_positive_rates"], curve["true_positive_rates"]
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(reference.roc_auc_score(labels, scores))
    precision, recall, _ = reference.precision_recall_curve(labels, scores)
    curve = metrics.precision_recall_curve(labels, scores, np.ones((1, len(labels))))
    assert curve["recalls"][-1] == recall[0] == 1
    assert curve["precisions"] == pytest.approx(precision[-2::-1][: len(curve["precisions"])])


def test_the_curves_of_a_resample_are_those_of_the_repeated_images(data):
    labels, scores = data
    weights = np.random.default_rng(1).integers(0, 3, (2, 300)).astype(float)
    found = metrics.curve_values(labels, scores, weights)
    for row, weight in enumerate(weights):
        repeated = np.repeat(np.arange(300), weight.astype(int))
        curve = metrics.roc_curve(labels[repeated], scores[repeated])
        expected = np.interp(found["grid"], curve["false_positive_rates"], curve["true_positive_rates"])
        assert found["sensitivity"][row] == pytest.approx(expected)
        curve = metrics.precision_recall_curve(labels[repeated], scores[repeated], np.ones((1, len(repeated))))
        half = next(p for p, r in zip(curve["precisions"], curve["recalls"], strict=True) if r >= 0.5)
        assert found["precision"][row, 50] == pytest.approx(half)


def test_a_resample_without_a_label_has_no_curve(data):
    labels, scores = data
    found = metrics.curve_values(labels, scores, labels[np.newaxis])
    assert np.isnan(found["sensitivity"]).all()
