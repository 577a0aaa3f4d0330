"""Worth of decisions: Bayes' rule, and net benefit as its source defines it."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.statistics.decisions import net_benefit, positive_predictive_value


def test_a_predictive_value_is_the_share_of_right_answers_in_a_population_of_that_prevalence() -> None:
    """Of 10,000 people 100 are ill, of whom 90 are found, and 990 of the healthy are taken for ill."""
    assert positive_predictive_value(0.9, 0.9, 0.01) == pytest.approx(90 / (90 + 990))
    assert positive_predictive_value(0.5, 1.0, 0.01) == 1
    assert positive_predictive_value(0.0, 1.0, 0.2) is None


def test_net_benefit_weighs_false_positives_by_the_odds_of_the_threshold() -> None:
    labels, probabilities = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.3, 0.6, 0.1])
    found = net_benefit(labels, probabilities, np.ones((1, 4)), np.array([0.2, 0.5, 0.95]))
    # Both ill and one healthy; one of each; nobody.
    assert found[0] == pytest.approx([(2 - 0.25) / 4, 0.0, 0.0])


def test_treating_all_is_worth_the_prevalence_less_the_odds_of_the_others() -> None:
    labels = np.array([1.0, 0.0, 0.0, 0.0])
    found = net_benefit(labels, np.ones(4), np.ones((1, 4)), np.array([0.01, 0.25, 0.5]))
    assert found[0] == pytest.approx([0.25 - 0.75 * 0.01 / 0.99, 0.0, -0.5])


def test_an_image_counts_as_often_as_its_patient_was_drawn() -> None:
    labels, probabilities = np.array([1.0, 0.0]), np.array([0.9, 0.9])
    found = net_benefit(labels, probabilities, np.array([[2.0, 1.0]]), np.array([0.5]))
    assert found[0] == pytest.approx([1 / 3])
