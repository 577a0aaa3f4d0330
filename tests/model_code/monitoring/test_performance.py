"""A drop is found when there is one, and by chance in at most one of a hundred."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.monitoring import performance
from model_code.statistics import intervals
from model_code.statistics.calibration import Calibration


def evaluated(value, images=300):
    return {"value": value, "confidence_interval": [value - 0.03, value + 0.03], "effective_images": images}


REFERENCE = {
    "threshold": 0.5,
    "indeterminate": {"low": 0.4, "high": 0.6},
    "guarantee": None,
    "target_prevalence": None,
    "evaluation": {
        "sensitivity": evaluated(0.95),
        "specificity": evaluated(0.9),
        "auc": evaluated(0.97),
        "calibration_error": evaluated(0.03),
    },
}


@pytest.mark.parametrize("images", [20, 100, 400])
@pytest.mark.parametrize("share", [0.8, 0.95])
def test_without_a_drop_one_is_found_in_at_most_one_of_a_hundred(images, share):
    # The evaluation is a sample too.
    rng = np.random.default_rng(5)
    then, now = rng.binomial(300, share, 4000) / 300, rng.binomial(images, share, 4000) / images
    alarms = [performance.drop(one, images, evaluated(other))["dropped"]
              for one, other in zip(now, then, strict=True)]  # fmt: skip
    # Each of the two figures has 0.5 %; 4,000 samples show 0.8 % by chance in less than one of a hundred runs.
    assert np.mean(alarms) < 0.008


def test_a_drop_of_fifteen_points_is_found_among_a_hundred_labels():
    rng = np.random.default_rng(5)
    alarms = [performance.drop(one / 100, 100, evaluated(0.95))["dropped"] for one in rng.binomial(100, 0.8, 500)]
    assert np.mean(alarms) > 0.8


def test_a_drop_that_is_certain_but_too_small_to_matter_is_none():
    found = performance.drop(0.945, 1e6, evaluated(0.95, 1e6))
    assert found["p_value"] < performance.SIGNIFICANCE
    assert not found["dropped"]


def test_a_rise_is_no_drop():
    assert not performance.drop(0.99, 500, evaluated(0.8))["dropped"]


def test_the_interval_is_newcombe_s():
    # Newcombe 1998, table II, example (a): 56/70 less 48/80, method 10, 95 %: 0.0524 to 0.3339.
    low, high = intervals.wilson(56 / 70, 70)
    other_low, other_high = intervals.wilson(48 / 80, 80)
    difference = 56 / 70 - 48 / 80
    assert difference - np.hypot(56 / 70 - low, other_high - 0.6) == pytest.approx(0.0524, abs=1e-4)
    assert difference + np.hypot(high - 56 / 70, 0.6 - other_low) == pytest.approx(0.3339, abs=1e-4)


def test_without_labels_nothing_is_said():
    found = performance.assess(np.zeros(0), np.zeros(0), REFERENCE)
    assert found["labels"] == {"NORMAL": 0, "PNEUMONIA": 0}
    assert [found[name] for name in ("sensitivity", "specificity", "auc", "calibration_error")] == [None] * 4
    assert not found["dropped"]


def test_a_figure_rests_on_ten_labels_of_its_kind():
    labels = np.repeat([0.0, 1.0], [9, 30])
    found = performance.assess(labels, np.where(labels == 1, 0.9, 0.1), REFERENCE)
    assert found["sensitivity"]["value"] == 1
    assert found["specificity"] is None
    assert found["auc"] is None


def test_labels_that_contradict_the_calls_show_the_drop():
    rng = np.random.default_rng(6)
    labels = np.repeat([0.0, 1.0], 100)
    probabilities = np.where(labels == 1, rng.uniform(0.2, 1.0, 200), rng.uniform(0.0, 0.45, 200))
    found = performance.assess(labels, probabilities, REFERENCE)
    assert found["dropped"]
    assert found["sensitivity"]["dropped"]
    assert not found["specificity"]["dropped"]
    assert found["calibration_error"]["value"] > found["calibration_error"]["by_chance"]["percentile_95"]
    assert sum(row["count"] for row in found["reliability"]) == 200


GUARANTEEING = {
    **REFERENCE,
    "guarantee": {
        "confidence": 0.95,
        "prevalence": 0.5,
        "patients": 300,
        "negative_predictive_value": 0.95,
        "positive_predictive_value": 0.9,
        "sentence": "For patients like these …",
    },
}


def test_a_guarantee_that_holds_just_so_is_called_broken_in_at_most_one_of_two_hundred():
    rng = np.random.default_rng(8)
    alarms = []
    for _ in range(1500):
        labels = (rng.random(150) >= 0.95).astype(float)
        found = performance.guaranteed(labels, np.full(150, 0.1), GUARANTEEING)
        alarms.append(found["negative_predictive_value"]["broken"])
    # 1,500 draws of 0.005 are more than 0.011 in less than one of a hundred runs.
    assert 0 < np.mean(alarms) < 0.011


def test_where_only_the_prevalence_fell_the_share_at_the_guarantee_s_own_still_keeps_it():
    """Sensitivity and specificity 0.95 on either side; pneumonia in one of ten, where it was in one of two."""
    labels = np.repeat([1.0, 0.0], [100, 900])
    probabilities = np.r_[np.full(95, 0.9), np.full(5, 0.1), np.full(45, 0.9), np.full(855, 0.1)]
    found = performance.guaranteed(labels, probabilities, GUARANTEEING)
    positive = found["positive_predictive_value"]
    assert positive["broken"]
    assert positive["value"] == pytest.approx(95 / 140)
    assert positive["prevalence"] == pytest.approx(0.1)
    assert positive["value_at_own_prevalence"] == pytest.approx(0.95)
    assert not found["negative_predictive_value"]["broken"]


def test_indeterminate_answers_and_fewer_than_ten_labels_say_nothing_about_a_guarantee():
    assert performance.guaranteed(np.ones(100), np.full(100, 0.5), GUARANTEEING) == {}
    assert performance.guaranteed(np.ones(9), np.full(9, 0.1), GUARANTEEING) == {}
    assert performance.guaranteed(np.ones(100), np.full(100, 0.1), REFERENCE) == {}


def test_a_broken_guarantee_is_a_drop():
    labels = np.repeat([0.0, 1.0], [80, 20])
    found = performance.assess(labels, np.full(100, 0.1), GUARANTEEING)
    assert found["guaranteed"]["negative_predictive_value"]["broken"]
    assert found["dropped"]


def test_readers_who_label_both_kinds_do_not_make_probabilities_for_a_target_prevalence_wrong():
    """One in twenty is ill there, and half of those whom readers chose to label."""
    labels = np.repeat([0.0, 1.0], 200)
    logits = 3 * (3 * (labels - 0.5) + np.random.default_rng(2).normal(size=400))
    probabilities = Calibration(1.0).at_prevalence(0.5, 0.05).probability(logits)
    here, there = (
        performance.assess(labels, probabilities, REFERENCE | {"target_prevalence": target})["calibration_error"]
        for target in (None, 0.05)
    )
    assert here["value"] > here["by_chance"]["percentile_95"]
    assert there["value"] < there["by_chance"]["percentile_95"]
