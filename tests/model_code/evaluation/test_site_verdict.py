"""The verdict follows from each figure's interval and its limit, and promises nothing that calibration cannot do."""

import pytest

from model_code.evaluation import site_verdict
from model_code.evaluation.site_verdict import check_limits, verdict
from model_code.statistics.intervals import difference_of_independent, effective_images, wilson

LIMITS = {
    "MinAuroc": 0.9,
    "MinSensitivity": 0.8,
    "MinSpecificity": 0.7,
    "MaxCalibrationError": 0.1,
    "MaxRefusedShare": 0.1,
}
IMAGES = 400


def figure(value, images=IMAGES):
    return {"value": value, "confidence_interval": list(wilson(value, images))}


def evaluation(
    *, auroc=0.97, sensitivity=0.92, specificity=0.9, error=0.03, beyond=0.0, curve=((0, 0.2, 1), (0, 1, 1))
):
    wrong, found = curve
    return {
        "binary_classification_metrics": {
            "auc": figure(auroc),
            "true_positive_rate": figure(sensitivity),
            "true_negative_rate": figure(specificity),
            "receiver_operating_characteristic_curve": {
                "false_positive_rates": list(wrong),
                "true_positive_rates": list(found),
            },
        },
        "calibration": {"expected_calibration_error": figure(error), "error_beyond_chance": {"value": beyond}},
    }


def said(refused=0.01, **figures):
    found = evaluation(**figures)
    return verdict(check_limits(found, figure(refused), LIMITS), found, answered=IMAGES, scored=IMAGES)


def test_all_kept_is_usable():
    assert said()["code"] == "usable"


@pytest.mark.parametrize("figures", [{"auroc": 0.8}, {"refused": 0.3}])
def test_what_no_threshold_changes_is_not_usable_whatever_else_is_kept(figures):
    found = said(**figures)
    assert found["code"] == "not_usable"
    assert found["more_images"] is None


@pytest.mark.parametrize("figures", [{"sensitivity": 0.5}, {"specificity": 0.3}, {"error": 0.2, "beyond": 0.2}])
def test_threshold_and_probabilities_are_what_calibration_mends(figures):
    assert said(**figures)["code"] == "usable_after_calibration"


def test_calibration_is_not_promised_where_no_threshold_reaches_both_limits():
    found = said(sensitivity=0.5, curve=((0, 0.2, 0.5, 1), (0, 0.6, 0.85, 1)))
    assert found["code"] == "not_usable"
    assert "no threshold has sensitivity 0.8 and specificity 0.7" in found["sentence"]


def test_calibration_is_not_promised_before_the_ranking_is_known_to_be_good_enough():
    found = said(auroc=0.905, sensitivity=0.5)
    assert found["code"] == "too_few"
    assert found["sentence"].startswith("Too few images to say. As it is, it misses a limit: Sensitivity 0.500")


def test_how_many_more_are_enough_if_the_figures_stay():
    """The number is checked by what it claims: with so many images the interval lies on one side of the limit."""
    found = said(sensitivity=0.82)
    assert found["code"] == "too_few"
    low, _ = wilson(0.82, IMAGES + found["more_images"])
    assert low >= 0.8
    low, _ = wilson(0.82, 0.9 * (IMAGES + found["more_images"]))
    assert low < 0.8, "and a tenth fewer would not be"


def test_a_value_on_its_limit_is_never_settled_and_no_number_is_named():
    found = said(sensitivity=0.8)
    assert (found["code"], found["more_images"]) == ("too_few", None)
    assert "no sensible number of images would tell" in found["sentence"]


def test_a_calibration_error_is_judged_by_its_interval_as_all_figures_are():
    assert said(error=0.11, beyond=0.11)["code"] == "too_few", "0.083 to 0.144"


def test_more_images_for_the_share_of_refusals_are_counted_by_those_it_rests_on():
    found = evaluation()
    judgements = check_limits(found, figure(0.09, 1000), LIMITS)
    few, many = (verdict(judgements, found, answered=500, scored=scored)["more_images"] for scored in (500, 1000))
    assert many == pytest.approx(2 * few, rel=0.05)


def test_a_version_without_a_detector_is_not_praised_for_refusing_nothing():
    (share, *_) = check_limits(evaluation(), figure(0.0), LIMITS, detects=False)
    assert "without an out-of-distribution detector" in str(share)


def test_an_error_that_chance_explains_is_kept():
    assert said(error=0.2, beyond=0.0)["code"] == "usable"


def test_every_verdict_has_a_title_that_its_sentence_begins_with():
    for found in (said(), said(auroc=0.5), said(sensitivity=0.5), said(sensitivity=0.82)):
        assert found["sentence"].startswith(site_verdict.VERDICTS[found["code"]])


def test_effective_images_are_those_that_wilson_was_given():
    for share, size in ((0.5, 30), (0.97, 400), (1.0, 50), (0.0, 1000)):
        assert effective_images(share, *wilson(share, size)) == pytest.approx(size, rel=1e-3)


def test_difference_of_two_proportions_is_newcombes():
    """Newcombe 1998, Statistics in Medicine 17, table II, case (a): 56/70 and 48/80, method 10: 0.0524 to 0.3339."""
    first, second = ({"value": k / n, "confidence_interval": list(wilson(k / n, n))} for k, n in ((56, 70), (48, 80)))
    found = difference_of_independent(first, second)
    assert found["value"] == pytest.approx(0.2)
    assert found["confidence_interval"] == pytest.approx([0.0524, 0.3339], abs=5e-5)
