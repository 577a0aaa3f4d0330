"""Guarantees hold as often as they say, are withheld where patients are few, and say for whom they are."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from model_code.statistics.calibration import Calibration
from model_code.statistics.indeterminate import (
    CONFIDENCE,
    PREDICTIVE_VALUES,
    TAIL_SHARE,
    carried,
    decide,
    fewest,
)

RISK = 0.025


def drawn(patients, area, seed):
    """Labels of patients, half of them ill, and the logits of a calibrated model with this AUROC."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(patients) < 0.5).astype(float)
    distance = np.sqrt(2) * scipy.stats.norm.ppf(area)
    return labels, distance * (labels * distance + rng.normal(size=patients) - distance / 2)


def band_of(labels, logits, value=0.95, patients=None, target_prevalence=None):
    """With the threshold 0.5, which is Youden's for these models."""
    return decide(
        Calibration(1.0).probability(logits),
        labels,
        np.arange(len(labels)) if patients is None else patients,
        threshold=0.5,
        negative_value=value,
        positive_value=value,
        target_prevalence=target_prevalence,
    )


@pytest.mark.parametrize(("value", "patients"), [(0.95, 72), (0.98, 183), (0.9, 36)])
def test_the_fewest_answers_that_show_a_value_are_as_many_without_an_error(value, patients):
    """0.95 ** 72 is the first power below 0.025."""
    assert fewest(value) == patients
    assert carried(np.zeros(patients - 1, dtype=bool), value, RISK) == 0
    assert carried(np.zeros(patients, dtype=bool), value, RISK) == patients


def test_each_error_costs_what_the_exact_bound_says():
    """With one error 110 answers show 95 %, and 109 do not."""
    wrong = np.zeros(109, dtype=bool)
    wrong[90] = True
    assert carried(wrong, 0.95, RISK) == 72
    assert carried(np.append(wrong, False), 0.95, RISK) == 110
    assert scipy.stats.binom.cdf(1, 110, 0.05) <= RISK < scipy.stats.binom.cdf(1, 109, 0.05)


@pytest.mark.parametrize("patients", [100, 300, 1200])
def test_answers_that_are_just_not_good_enough_are_taken_for_it_as_seldom_as_is_said(patients):
    rng = np.random.default_rng(patients)
    mistaken = np.mean([carried(rng.random(patients) < 0.05, 0.95, RISK) > 0 for _ in range(2000)])
    # 2,000 draws of 0.025 lie above 0.034 in less than one of a hundred runs.
    assert mistaken < 0.034


def test_a_wrong_label_among_the_most_certain_does_not_spoil_a_large_split():
    """One sequence of tests ends at it, the other begins behind it."""
    wrong = np.zeros(1200, dtype=bool)
    wrong[3] = True
    assert carried(wrong, 0.95, RISK) > 1100
    assert carried(wrong[:300], 0.95, RISK) == 0


@pytest.mark.parametrize(("value", "target", "ill"), [(0.95, None, 0.5), (0.9, 0.4, 0.4)])
def test_at_most_one_site_of_twenty_does_not_reach_what_it_guarantees(value, target, ill):
    """Each site's true values are computed, not sampled: a normal and an ill population at the same distance.

    Half of a site's patients are ill; with a target, others are asked about, of whom that share is.
    """
    area = 0.97
    distance = np.sqrt(2) * scipy.stats.norm.ppf(area)
    missed = guaranteed = 0
    for seed in range(120):
        labels, logits = drawn(400, area, seed)
        band = band_of(labels, logits, value=value, target_prevalence=target)
        assert band.guarantee["prevalence"] == (labels.mean() if target is None else target)
        failed = False
        for label, (name, end) in enumerate(zip(PREDICTIVE_VALUES, (band.low, band.high), strict=True)):
            if band.guarantee[name] is None:
                continue
            sides = scipy.stats.norm.cdf(np.log(end / (1 - end)) / distance, [-distance / 2, distance / 2])
            answered = (sides if label == 0 else 1 - sides) * [1 - ill, ill]
            guaranteed += 1
            failed |= answered[label] / answered.sum() < value
        missed += failed
    assert guaranteed > 120
    # 120 draws of 0.05 are more than 12 in less than one of a hundred runs.
    assert missed <= 12


def test_where_pneumonia_is_rare_more_answers_normal_are_guaranteed_and_hardly_any_pneumonia():
    labels, logits = drawn(1000, 0.98, 2)
    here, there = band_of(labels, logits), band_of(labels, logits, target_prevalence=0.02)
    assert there.low > here.low
    assert [there.guarantee[name] for name in PREDICTIVE_VALUES] == [0.95, None]
    said = there.guarantee["sentence"]
    assert said.startswith(
        "For patients like the 1000 of the validation split, but 2.0% of them with pneumonia, with 95 %"
    )
    assert "95 % where 2.0% have pneumonia take at least" in said


@pytest.mark.parametrize(("labels", "target"), [(np.array([0.0, 0, 0, 1]), 0.3), (np.array([0.0, 1, 0, 1]), 1e-17)])
def test_what_no_patients_could_show_is_not_guaranteed(labels, target):
    """The first images of the two patients have one label; nobody is that seldom ill."""
    guarantee = band_of(labels, 4 * labels - 2, patients=np.array([0, 0, 1, 1]), target_prevalence=target).guarantee
    assert guarantee["positive_predictive_value"] is None
    assert "no number of patients shows that" in guarantee["sentence"]


def test_where_the_threshold_itself_is_good_enough_the_band_does_not_reach_to_that_side():
    labels, logits = drawn(1000, 0.999, 1)
    band = band_of(labels, logits, value=0.9)
    assert band.low == band.high
    assert [band.guarantee[name] for name in PREDICTIVE_VALUES] == [0.9, 0.9]
    assert (
        "at least 90 % of the answers NORMAL are right and at least 90 % of the answers PNEUMONIA are right"
        in (band.guarantee["sentence"])
    )


def test_a_guarantee_says_for_whom_it_is():
    labels, logits = drawn(1000, 0.98, 2)
    guarantee = band_of(labels, logits).guarantee
    assert guarantee["confidence"] == CONFIDENCE
    assert (guarantee["patients"], guarantee["prevalence"]) == (1000, labels.mean())
    assert f"of whom {labels.mean():.1%} have pneumonia" in guarantee["sentence"]


def test_few_patients_carry_no_guarantee_and_the_sentence_says_how_many_would():
    labels, logits = drawn(60, 0.999, 3)
    guarantee = band_of(labels, logits).guarantee
    assert [guarantee[name] for name in PREDICTIVE_VALUES] == [None, None]
    assert guarantee["sentence"].startswith(
        "Nothing is guaranteed of the answer NORMAL: 95 % take at least 72 patients"
    )
    assert "nothing is guaranteed of the answer PNEUMONIA" in guarantee["sentence"]


def test_images_of_one_patient_count_once():
    labels, logits = drawn(60, 0.999, 3)
    many = band_of(np.tile(labels, 5), np.tile(logits, 5), patients=np.tile(np.arange(60), 5)).guarantee
    assert many["patients"] == 60
    assert [many[name] for name in PREDICTIVE_VALUES] == [None, None]
    assert band_of(np.tile(labels, 5), np.tile(logits, 5)).guarantee["negative_predictive_value"] == 0.95


def test_of_equal_scores_the_wrong_ones_come_first():
    """80 equal scores with four wrong labels do not carry 95 %, in whatever order they lie."""
    labels = np.r_[np.zeros(76), np.ones(4), np.ones(80)]
    band = decide(
        np.r_[np.full(80, 0.1), np.full(80, 0.9)],
        labels,
        np.arange(160),
        threshold=0.5,
        negative_value=0.95,
        positive_value=0.95,
    )
    assert band.guarantee["negative_predictive_value"] is None
    assert band.guarantee["positive_predictive_value"] == 0.95


@pytest.mark.parametrize("images", [16, 49, 125, 400])
def test_without_a_guarantee_a_new_image_lies_beyond_the_band_as_seldom_as_the_images_allow(images):
    """The k-th of n is exceeded with probability k / (n + 1), which is at most 2 % from 49 images on."""
    rng = np.random.default_rng(images)
    beyond = []
    for _ in range(1500):
        ill, normal = rng.normal(1, 1, images), rng.normal(-1, 1, images)
        band = decide(
            Calibration(1.0).probability(np.r_[ill, normal]),
            np.repeat([1.0, 0.0], images),
            np.arange(2 * images),
            threshold=0.5,
            negative_value=0.999,
            positive_value=0.999,
        )
        assert band.guarantee["negative_predictive_value"] is None
        beyond.append(scipy.stats.norm.cdf(np.log(band.low / (1 - band.low)) - 1))
    expected = max(1, int(TAIL_SHARE * (images + 1))) / (images + 1)
    assert np.mean(beyond) == pytest.approx(expected, rel=0.1)
    assert images < 49 or expected <= TAIL_SHARE


def test_six_images_that_separate_leave_nothing_indeterminate():
    band = band_of(np.array([0.0, 0, 0, 1, 1, 1]), np.array([-3.0, -2, -2.5, 2, 2.5, 3]))
    assert band.low == band.high
