"""Figures at another prevalence are those of a population of that prevalence, drawn as a judge."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from model_code.statistics import metrics
from model_code.statistics.calibration import Calibration, fit_temperature
from model_code.statistics.chance import chance_calibration_error
from model_code.statistics.intervals import estimate, resample_patients
from model_code.statistics.prevalence import (
    at_prevalence,
    effective_size,
    predictive_values,
    rarer_images,
    weighted,
)

# Distance of the two labels' normal scores, of variance 1: log odds at even prevalence are DISTANCE * score.
DISTANCE = 2.5


def population(count: int, prevalence: float, seed: int):
    """Labels of so many patients and the true log odds at even prevalence, which look the same whoever is ill."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < prevalence).astype(float)
    return labels, DISTANCE * (DISTANCE * (labels - 0.5) + rng.normal(size=count))


def log_odds(share: float) -> float:
    return float(scipy.special.logit(share))


def test_weighted_images_have_the_prevalence_and_each_resample_keeps_its_sum():
    labels = np.r_[np.ones(30), np.zeros(10)]
    drawn = np.random.default_rng(1).integers(0, 3, (5, 40)).astype(float)
    found = weighted(drawn, labels, 0.05)
    assert found.sum(axis=1) == pytest.approx(drawn.sum(axis=1))
    assert (found @ labels) / found.sum(axis=1) == pytest.approx(np.full(5, 0.05))
    # Images of one label keep their proportions.
    assert found[0, :30] / found[0, :30].sum() == pytest.approx(drawn[0, :30] / drawn[0, :30].sum())


def test_a_resample_that_lacks_a_label_stays_as_it_is():
    drawn = np.array([[1.0, 2, 1, 0], [0.0, 2, 1, 1]])
    found = weighted(drawn, np.array([1.0, 0, 0, 0]), 0.5)
    assert found.tolist() == [[2, 4 / 3, 2 / 3, 0], [0, 2, 1, 1]]


def test_weighted_figures_are_those_of_a_population_of_that_prevalence():
    """Judge: 200,000 patients of whom one in ten is ill; the images that are weighted are of three ill in four."""
    (there, its_scores), (here, own_scores) = population(200_000, 0.1, 1), population(200_000, 0.75, 2)
    probability = Calibration(1.0, log_odds(0.2)).probability
    one, weights = np.ones((1, 200_000)), weighted(np.ones((1, 200_000)), here, 0.1)
    for figure in (metrics.brier_score, metrics.expected_calibration_error):
        expected = figure(there, probability(its_scores), one)[0]
        assert figure(here, probability(own_scores), weights)[0] == pytest.approx(expected, abs=0.003)
        assert abs(figure(here, probability(own_scores), one)[0] - expected) > 0.03, "weights make the difference"
    precision = metrics.average_precision(here, own_scores, weights)[0]
    assert precision == pytest.approx(metrics.average_precision(there, its_scores, one)[0], abs=0.01)
    assert metrics.auroc(here, own_scores, weights)[0] == pytest.approx(metrics.auroc(here, own_scores, one)[0])


def test_an_interval_at_a_rarer_prevalence_is_no_surer_than_the_few_images_with_much_weight():
    """Half of 50 images are ill, of those asked about one in twenty: each normal one weighs as much as 19 that are."""
    there, its_scores = population(200_000, 0.05, 1)
    truth = metrics.average_precision(there, its_scores, np.ones((1, 200_000)))[0]
    missed = missed_by_those_at_hand = 0
    for seed in range(40):
        labels, scores = population(50, 0.5, seed)
        weights = weighted(resample_patients([*map(str, range(50))], seed=seed, resamples=100), labels, 0.05)
        values, rarer = metrics.average_precision(labels, scores, weights), rarer_images(labels, weights[0], 0.05)
        found, at_hand = (estimate(values, images=count, patients=count) for count in (rarer, 25))
        missed += not found.low <= truth <= found.high
        missed_by_those_at_hand += not at_hand.low <= truth <= at_hand.high
    assert missed <= 2
    assert missed_by_those_at_hand > 6, "40 draws of 0.05 are so many in one of two hundred runs"


@pytest.mark.parametrize(
    ("ill", "normal", "prevalence", "expected"),
    [(10, 90, 0.1, 10), (50, 50, 0.5, 50), (50, 50, 0.05, 2), (100, 100, 0.001, 1), (10, 90, 0.5, 10)],
    ids=["as they are", "as many of each", "rarer", "hardly any", "more frequent than among them"],
)
def test_images_that_weigh_much_count_as_few(ill: int, normal: int, prevalence: float, expected: int):
    labels = np.r_[np.ones(ill), np.zeros(normal)]
    weights = weighted(np.ones((1, ill + normal)), labels, prevalence)[0]
    assert rarer_images(labels, weights, prevalence) == expected


def test_a_calibration_for_another_prevalence_is_right_there_and_ranks_as_before():
    """Fitted where three in four are ill; asked where one in twenty is."""
    labels, true = population(20_000, 0.75, 3)
    network = 2 * (true + log_odds(0.75))
    fitted = fit_temperature(network, labels)
    there, scores = population(20_000, 0.05, 4)
    asked = 2 * (scores + log_odds(0.75))
    moved = fitted.at_prevalence(0.75, 0.05)
    errors = [metrics.calibration_error_of(there, one.probability(asked)) for one in (fitted, moved)]
    assert errors[0] > 0.1
    assert errors[1] < 0.01
    assert moved.temperature == fitted.temperature
    assert moved.at_prevalence(0.05, 0.75).bias == pytest.approx(fitted.bias)


def test_chance_explains_the_error_of_perfect_probabilities_for_a_prevalence_that_the_images_do_not_have():
    """400 images, half of them ill, and probabilities that are right where one in ten is."""
    beyond = 0
    for seed in range(100):
        labels, scores = population(400, 0.5, seed)
        probabilities = Calibration(1.0, log_odds(0.1)).probability(scores)
        weights = weighted(np.ones((1, 400)), labels, 0.1)
        error = metrics.expected_calibration_error(labels, probabilities, weights)[0]
        chance = chance_calibration_error(
            probabilities, np.arange(400), seed=1, draws=200, prevalences=(float(labels.mean()), 0.1)
        )
        beyond += error > np.quantile(chance, 0.95)
    # 100 draws of 0.05 are more than 11 in less than one of a hundred runs.
    assert beyond <= 11
    # What chance makes of it must not contain the model's own error.
    wrong = Calibration(1.0, log_odds(0.1) + 1).probability(scores)
    error = metrics.expected_calibration_error(labels, wrong, weights)[0]
    chance = chance_calibration_error(wrong, np.arange(400), seed=1, draws=200, prevalences=(0.5, 0.1))
    assert error > 1.5 * np.quantile(chance, 0.95)


def test_another_prevalence_changes_a_predictive_value_by_bayes():
    """Of 10,000 patients answered with sensitivity 0.8 and specificity 0.9."""

    def share(prevalence, label):
        right = prevalence * 0.8 if label == 1 else (1 - prevalence) * 0.9
        wrong = (1 - prevalence) * 0.1 if label == 1 else prevalence * 0.2
        return right / (right + wrong)

    for label in (0, 1):
        assert at_prevalence(share(0.5, label), 0.5, 0.1, label=label) == pytest.approx(share(0.1, label))
    assert at_prevalence(0.95, 0.5, 0.1, label=0) > 0.95 > at_prevalence(0.95, 0.5, 0.1, label=1)

    labels = np.r_[np.ones(100), np.zeros(100)]
    predicted = np.r_[np.repeat([True, False], [80, 20]), np.repeat([True, False], [10, 90])]
    for label, answered in enumerate((~predicted, predicted)):
        found = predictive_values(labels, answered, np.ones((1, 200)), prevalence=0.1, label=label)
        assert found[0] == pytest.approx(share(0.1, label))


def test_images_of_equal_weight_count_each_and_one_that_outweighs_the_others_alone():
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_size(np.r_[1000.0, np.ones(9)]) == pytest.approx(1, abs=0.05)
