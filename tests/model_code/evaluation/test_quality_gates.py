"""Gates compare the right figures with the right limits, and what failed is said in sentences."""

from __future__ import annotations

import pytest

from model_code.contract.job import MESSAGE_LIMIT
from model_code.evaluation import comparison, engine_parity, quality_gates, worst_subgroup
from tests.model_code.support.evaluated import LIMITS, PACKAGE, made_evaluation, made_scores

WORST = {
    "title": "sex female",
    "pneumonia_images": 45,
    "judged": ["sex female", "sex male"],
    "sensitivity_bound": {"value": 0.6, "sensitivity": 0.7333},
}


def document(
    auc=0.95, sensitivity=0.9, specificity=0.8, calibration=0.05, compared=None, *, beyond_chance=True, worst=WORST
):
    return {
        "worst_subgroup": worst,
        "binary_classification_metrics": {
            "auc": {"value": auc},
            "true_positive_rate": {"value": sensitivity},
            "true_negative_rate": {"value": specificity},
            "confusion_matrix": {"0": {"0": 92, "1": 23}, "1": {"0": 19, "1": 174}},
        },
        "calibration": {
            "expected_calibration_error": {"value": calibration},
            "error_beyond_chance": {"value": calibration if beyond_chance else 0.0},
        },
        "engine": engine_parity.nothing_to_compare(),
        "comparison": compared or comparison.nothing_serves(),
    }


def test_gates_pass_at_their_limits():
    found = quality_gates.check(document(0.9, 0.85, 0.7, 0.1), LIMITS)
    assert found["passed"]
    assert found["message"].startswith(
        "All gates passed: AUROC 0.900 (at least 0.9), Sensitivity 0.850 (at least 0.85)"
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"auc": 0.512},
            "AUROC 0.512 is below the limit 0.9: a PNEUMONIA image gets a higher score than a NORMAL one in 51.2% of "
            "all pairs.",
        ),
        (
            {"sensitivity": 0.8},
            "Sensitivity 0.800 is below the limit 0.85: 19 of 193 PNEUMONIA images are predicted NORMAL.",
        ),
        (
            {"specificity": 0.5},
            "Specificity 0.500 is below the limit 0.7: 23 of 115 NORMAL images are predicted PNEUMONIA.",
        ),
        (
            {"calibration": 0.2},
            "Calibration error 0.200 is above the limit 0.1: on average its probabilities are 20.0 percentage points "
            "off.",
        ),
        (
            {"worst": {**WORST, "sensitivity_bound": {"value": 0.412, "sensitivity": 0.5556}}},
            "Sensitivity of the worst subgroup 0.412 is below the limit 0.5: lower end for sex female, 45 PNEUMONIA "
            "images.",
        ),
    ],
)
def test_each_failed_gate_is_a_sentence_with_value_limit_and_meaning(changes, sentence):
    found = quality_gates.check(document(**changes), LIMITS)
    assert not found["passed"]
    assert found["message"] == sentence


def test_a_calibration_error_that_chance_explains_passes_and_is_shown():
    found = quality_gates.check(document(calibration=0.2, beyond_chance=False), LIMITS)
    assert found["passed"]
    assert "Calibration error 0.200 (at most 0.1 or no more than chance makes it)" in found["message"]


def test_the_worst_subgroup_is_named_where_the_gate_passes():
    assert (
        "Sensitivity of the worst subgroup 0.600 (sex female) (at least 0.5)"
        in (quality_gates.check(document(), LIMITS)["message"])
    )


def test_where_no_subgroup_could_be_judged_the_gate_passes_and_says_so():
    found = quality_gates.check(document(worst=worst_subgroup.find([])), quality_gates.Limits(0, 0, 0, 1, 1))
    check = next(one for one in found["checks"] if "subgroup" in one["title"])
    assert (check["passed"], check["value"], check["shown"]) == (True, None, "not judged")
    assert found["message"].endswith(
        " No subgroup was judged, because none of the 0 has 30 PNEUMONIA images of 20 patients in the test split."
    )


def test_a_value_just_below_its_limit_does_not_read_like_the_limit():
    assert quality_gates.check(document(auc=0.89996), LIMITS)["message"].startswith(
        "AUROC 0.89996 is below the limit 0.9:"
    )


def test_each_of_several_failed_gates_has_its_sentence():
    message = quality_gates.check(document(auc=0.5, specificity=0.1), LIMITS)["message"]
    assert message.startswith("AUROC 0.500 is below the limit 0.9: ")
    assert ". Specificity 0.100 is below the limit 0.7: " in message


def test_a_model_worse_than_the_serving_one_fails_with_the_comparisons_sentence():
    evaluation = made_evaluation(
        made_scores(separation=1.0), quality_gates.Limits(0, 0, 0, 1, 0), serving=made_scores()
    )
    assert evaluation["comparison"]["significantly_worse"] == 1
    assert not evaluation["gates"]["passed"]
    assert evaluation["gates"]["message"] == evaluation["comparison"]["sentence"]
    assert [check["passed"] for check in evaluation["gates"]["checks"]] == [True, True, True, True, True, False]


def test_where_the_comparison_is_only_reported_a_worse_model_passes():
    scores, serving = made_scores(separation=1.0), made_scores()
    evaluation = made_evaluation(scores, quality_gates.Limits(0, 0, 0, 1, 0), serving=serving, mode="report")
    assert evaluation["gates"]["passed"]
    assert "AUROC against the serving model -" in evaluation["gates"]["message"]
    assert "(reported only)" in evaluation["gates"]["message"]


def test_a_serving_model_that_could_not_be_compared_is_named_so():
    compared = comparison.not_comparable(PACKAGE, "report", "The model archive model.tar.gz has no metadata.json.")
    found = quality_gates.check(document(compared=compared), LIMITS)
    assert found["passed"]
    assert found["message"].endswith("AUROC against the serving model not comparable (reported only).")


def test_all_gates_failing_at_once_fits_a_jobs_message():
    scores, serving = made_scores(2000, separation=0.3), made_scores(2000)
    evaluation = made_evaluation(scores, quality_gates.Limits(1, 1, 1, 0, 1), serving=serving)
    assert not any(check["passed"] for check in evaluation["gates"]["checks"])
    assert len(evaluation["gates"]["message"]) <= MESSAGE_LIMIT
