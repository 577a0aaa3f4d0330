"""Distance of an engine from the float32 network, in figures of which two are gates."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model_code.contract.job import JobError
from model_code.evaluation import engine_parity, quality_gates
from model_code.export import parity_limits
from model_code.statistics.calibration import Calibration
from tests.model_code.support.evaluated import LIMITS, made_evaluation, made_metadata, made_scores

METADATA = made_metadata() | {"engine": "litert", "engine_weights": "int8"}


def served(shift):
    """Scores of an engine whose logits are the reference's plus a shift, and the reference."""
    reference = made_scores()
    logits = reference.logits + shift
    probabilities = Calibration.of(METADATA).probability(logits)
    return dataclasses.replace(reference, logits=logits, probabilities=probabilities), reference.logits


def test_the_same_answers_agree_in_every_figure():
    found = engine_parity.compare(*served(0.0), METADATA)
    logits = found.pop("logits")
    assert logits["served"] == logits["float32"] == sorted(logits["served"])
    assert found == {
        "name": "litert",
        "weights": "int8",
        "auc": found["reference_auc"],
        "reference_auc": found["reference_auc"],
        "auc_difference": 0.0,
        "auc_limit": parity_limits.MAX_AUROC_DIFFERENCE,
        "probability_difference": {"mean": 0.0, "percentile_99": 0.0, "max": 0.0},
        "labels_changed": 0,
        "beyond_limits": 0,
        "fallback": None,
        "rejected": [],
    }


def test_a_shift_of_all_logits_strays_in_the_probabilities_alone():
    found = engine_parity.compare(*served(0.5), METADATA)
    assert found["auc_difference"] == 0
    # The sigmoid is steepest at 0: a quarter of the shift, less a little, after the temperature.
    assert found["probability_difference"]["max"] == pytest.approx(0.5 / METADATA["temperature"] / 4, rel=0.05)
    assert found["labels_changed"] > 0
    assert found["beyond_limits"] == 1


def test_one_outlier_in_more_than_a_hundred_images_does_not_count():
    reference = made_scores(200)
    shift = np.zeros(200)
    shift[np.argmin(np.abs(reference.logits))] = 0.2
    probabilities = Calibration.of(METADATA).probability(reference.logits + shift)
    scores = dataclasses.replace(reference, logits=reference.logits + shift, probabilities=probabilities)
    found = engine_parity.compare(scores, reference.logits, METADATA)
    assert found["probability_difference"]["max"] > parity_limits.MAX_PROBABILITY_DIFFERENCE
    assert found["beyond_limits"] == 0


def swapped(pairs):
    """Twenty images, of which so many PNEUMONIA ones fall below the highest NORMAL one, by next to nothing."""
    labels = np.repeat([0.0, 1.0], 10)
    logits = np.concatenate([np.linspace(-4, 0, 10), 1e-4 * np.arange(1, 3), np.linspace(1, 4, 8)])
    served = logits.copy()
    served[10 : 10 + pairs] = -1e-4
    scores = dataclasses.replace(made_scores(20), labels=labels, logits=served)
    probabilities = Calibration.of(METADATA).probability(served)
    return dataclasses.replace(scores, probabilities=probabilities), logits


@pytest.mark.parametrize(("pairs", "passed"), [(1, True), (2, False)])
def test_on_a_small_test_split_one_pair_in_another_order_does_not_count(pairs, passed):
    """Of ten images of each label a pair weighs 0.01: two that nearly tie would refuse a sound engine by chance."""
    scores, reference = swapped(pairs)
    evaluation = made_evaluation(scores)
    found = evaluation["engine"] = engine_parity.compare(scores, reference, METADATA)
    assert found["auc_difference"] == pytest.approx(-0.01 * pairs)
    assert found["auc_limit"] == pytest.approx(0.01)
    assert found["beyond_limits"] == int(not passed)
    check = next(one for one in quality_gates.check(evaluation, LIMITS)["checks"] if "AUROC of litert" in one["title"])
    assert (check["passed"], check["rule"]) == (passed, "within 0.01")


def test_another_order_strays_although_the_probabilities_are_near():
    """Small differences decide what ranks above what if all probabilities are alike."""
    reference = made_scores(80)
    flat = dataclasses.replace(reference, logits=reference.logits / 1000)
    expected = flat.logits[::-1].copy()
    probabilities = Calibration.of(METADATA).probability(flat.logits)
    found = engine_parity.compare(dataclasses.replace(flat, probabilities=probabilities), expected, METADATA)
    assert found["probability_difference"]["percentile_99"] < parity_limits.MAX_PROBABILITY_DIFFERENCE
    assert abs(found["auc_difference"]) > parity_limits.MAX_AUROC_DIFFERENCE
    assert found["beyond_limits"] == 1


@pytest.mark.parametrize(("shift", "passed"), [(0.0, True), (0.5, False)])
def test_the_gates_judge_the_same_numbers_as_the_pipelines_condition(shift, passed):
    scores, reference = served(shift)
    evaluation = made_evaluation(scores)
    evaluation["engine"] = engine_parity.compare(scores, reference, METADATA)
    checked = quality_gates.check(evaluation, LIMITS)
    judged = [check for check in checked["checks"] if "against float32" in check["title"]]
    assert [check["passed"] for check in judged] == [True, passed]
    assert all(check["passed"] for check in judged) is (evaluation["engine"]["beyond_limits"] == 0)
    if not passed:
        assert "The probabilities of the engine litert with int8 weights are up to 0.0" in checked["message"]
        assert "train with ServingEngine tensorflow" in checked["message"]


def test_tensorflow_is_not_compared_with_itself():
    evaluation = made_evaluation(made_scores())
    evaluation["engine"] = engine_parity.nothing_to_compare()
    assert not any("float32" in check["title"] for check in quality_gates.check(evaluation, LIMITS)["checks"])
    assert evaluation["engine"]["beyond_limits"] == 0


def test_another_calibration_is_judged_by_the_logits_that_were_kept():
    """A bias moves what was certain to where a difference of logits shows."""
    scores, reference = served(0.3)
    own = engine_parity.compare(scores, reference, METADATA)
    for changed in ({"temperature": 3.5, "bias": -0.7}, {"temperature": 40.0}, {"temperature": 2.0}):
        metadata = METADATA | changed
        probabilities = Calibration.of(metadata).probability(scores.logits)
        anew = engine_parity.compare(dataclasses.replace(scores, probabilities=probabilities), reference, metadata)
        found = engine_parity.with_calibration(own, metadata)
        assert found["probability_difference"] == pytest.approx(anew["probability_difference"], abs=1e-4)
        assert (found["beyond_limits"], found["auc"]) == (anew["beyond_limits"], anew["auc"])
    assert engine_parity.with_calibration(own, METADATA | {"temperature": 40.0})["beyond_limits"] == 0
    assert engine_parity.with_calibration(own, METADATA)["beyond_limits"] == 1


def test_of_many_images_some_logits_are_kept_from_end_to_end():
    reference = made_scores(4000)
    found = engine_parity.compare(reference, reference.logits, METADATA)["logits"]["served"]
    assert len(found) == engine_parity.MOST_LOGITS
    ordered = np.sort(reference.logits)
    assert (found[0], found[-1]) == pytest.approx((ordered[2], ordered[-2]), abs=1e-4)


def test_an_evaluation_without_logits_cannot_tell_and_tensorflow_need_not():
    own = engine_parity.compare(*served(0.0), METADATA)
    del own["logits"]
    with pytest.raises(JobError, match=r"has not both engines' logits.*--archive"):
        engine_parity.with_calibration(own, METADATA)
    tensorflow = engine_parity.nothing_to_compare()
    assert engine_parity.with_calibration(tensorflow, METADATA) == tensorflow
