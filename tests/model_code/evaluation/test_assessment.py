"""The evaluation document counts right, by subgroup too, and has every path that the pipeline's condition reads."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import scipy

from model_code.evaluation import assessment
from model_code.statistics.calibration import Calibration, fit_temperature
from model_code.statistics.intervals import wilson
from tests.model_code.support.evaluated import made_evaluation, made_guarantee, made_metadata, made_scores, made_weights


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global reference
    from sklearn import metrics as reference


def document(scores, **metadata):
    return assessment.document(scores, made_metadata() | metadata, made_weights(scores))


@pytest.fixture(scope="module")
def scores():
    return made_scores(160)


@pytest.fixture(scope="module")
def found(scores):
    return document(scores)


def test_figures_agree_with_the_counts(scores, found):
    figures = found["binary_classification_metrics"]
    counts = figures["confusion_matrix"]
    assert sum(sum(row.values()) for row in counts.values()) == 160
    assert figures["true_positive_rate"]["value"] == counts["1"]["1"] / 80
    assert figures["true_negative_rate"]["value"] == counts["0"]["0"] / 80
    assert figures["auc"]["value"] == pytest.approx(reference.roc_auc_score(scores.labels, scores.logits))
    assert found["test"] == {"images": 160, "patients": 80, "prevalence": 0.5, "resamples": 200}


def test_every_figure_lies_in_its_interval_and_that_in_the_one_for_another_split(found):
    figures = found["binary_classification_metrics"] | found["calibration"]
    checked = 0
    for figure in figures.values():
        if isinstance(figure, dict) and "confidence_interval" in figure:
            (low, high), (least, greatest) = figure["confidence_interval"], figure["prediction_interval"]
            assert 0 <= least <= low <= figure["value"] <= high <= greatest <= 1
            checked += 1
    assert checked == 16


def test_bands_enclose_the_curve(scores, found):
    band = found["curve_bands"]["receiver_operating_characteristic_curve"]
    curve = found["binary_classification_metrics"]["receiver_operating_characteristic_curve"]
    heights = np.interp(band["false_positive_rates"], curve["false_positive_rates"], curve["true_positive_rates"])
    low, high = band["true_positive_rates"]
    # The upper edge is a percentile too: at a step of the curve it may lie a hair below.
    assert np.mean((np.asarray(low) <= heights + 1e-3) & (heights <= np.asarray(high) + 1e-3)) > 0.97
    assert len(found["curve_bands"]["precision_recall_curve"]["precisions"][0]) == 101


def test_what_is_raw_is_without_the_temperature(scores, found):
    raw = 1 / (1 + np.exp(-scores.logits))
    assert found["calibration"]["raw"]["brier_score"]["value"] == pytest.approx(
        reference.brier_score_loss(scores.labels, raw)
    )
    assert found["calibration"]["brier_score"]["value"] == pytest.approx(
        reference.brier_score_loss(scores.labels, scores.probabilities)
    )
    assert sum(row["count"] for row in found["calibration"]["reliability"]) == 160
    assert 0 < found["calibration"]["by_chance"]["mean"] < found["calibration"]["by_chance"]["percentile_95"]


def test_a_temperature_from_one_half_of_the_images_lowers_the_calibration_error_on_the_other():
    rng = np.random.default_rng(8)
    labels = (rng.random(1200) < 0.6).astype(float)
    # A network that is three times too sure, as one that has overfitted is.
    logits = 3 * (np.log(0.6 / 0.4) + rng.normal(1.5 * (2 * labels - 1), np.sqrt(3)))
    fitted, held_out = slice(0, 600), slice(600, 1200)
    calibration = fit_temperature(logits[fitted], labels[fitted])
    scores = dataclasses.replace(
        made_scores(600),
        labels=labels[held_out],
        logits=logits[held_out],
        probabilities=calibration.probability(logits[held_out]),
        subtypes=[""] * 600,
    )
    found = document(scores, temperature=calibration.temperature)["calibration"]
    error, raw = (side["expected_calibration_error"] for side in (found, found["raw"]))
    assert error["value"] < 0.5 * raw["value"]
    assert error["confidence_interval"][1] < raw["confidence_interval"][0]
    assert found["brier_score"]["value"] < found["raw"]["brier_score"]["value"]


def test_subtypes_are_told_from_all_normal_images(scores, found):
    rows = {row["title"]: row for row in found["subgroups"] if row["by"] == "subtype"}
    assert sorted(rows) == ["bacteria", "virus"]
    virus = np.asarray(scores.subtypes) == "virus"
    predicted = scores.probabilities >= 0.5
    assert rows["virus"]["images"] == 40
    assert rows["virus"]["true_positive_rate"]["value"] == pytest.approx(predicted[virus].mean())
    inside = virus | (scores.labels == 0)
    expected = reference.roc_auc_score(scores.labels[inside], scores.logits[inside])
    assert rows["virus"]["auc"]["value"] == pytest.approx(expected)
    low, high = rows["virus"]["auc"]["confidence_interval"]
    assert low < expected < high


def test_sizes_are_split_at_the_median(scores, found):
    below, above = (row for row in found["subgroups"] if row["by"] == "image size")
    assert below["title"] == "original below 0.90 megapixels"
    small = scores.areas < 900_000
    assert (below["images"], above["images"]) == (small.sum(), (~small).sum())
    predicted = scores.probabilities >= 0.5
    expected = 1 - predicted[small & (scores.labels == 0)].mean()
    assert below["true_negative_rate"]["value"] == pytest.approx(expected)


def test_sizes_that_do_not_hold_both_labels_are_no_subgroups(scores):
    same = dataclasses.replace(scores, areas=np.full(160, 224.0 * 224))
    by_label = dataclasses.replace(scores, areas=np.where(scores.labels == 1, 1e6, 2e6))
    for changed in (same, by_label):
        assert {row["by"] for row in document(changed)["subgroups"]} == {"subtype"}


def test_groups_that_files_name_are_subgroups_unless_they_are_a_few_people(scores):
    sexes = np.where(np.arange(160) % 4 < 2, "male", "female")
    sexes[:4] = "other"
    groups = [{"view": "PA", "sex": str(sex)} for sex in sexes]
    rows = {
        row["title"]: row
        for row in document(dataclasses.replace(scores, groups=groups))["subgroups"]
        if row["by"] == "sex"
    }
    assert set(rows) == {"sex male", "sex female"}
    male = sexes == "male"
    predicted = scores.probabilities >= 0.5
    assert rows["sex male"]["images"] == male.sum()
    expected = predicted[male & (scores.labels == 1)].mean()
    assert rows["sex male"]["true_positive_rate"]["value"] == pytest.approx(expected)
    low, high = rows["sex male"]["auc"]["confidence_interval"]
    assert low < rows["sex male"]["auc"]["value"] <= high


def test_the_band_takes_images_out_of_the_decisions(scores, found):
    band = found["indeterminate"]
    inside = (scores.probabilities >= 0.45) & (scores.probabilities < 0.6)
    assert (band["images"], band["coverage"]["value"]) == (inside.sum(), pytest.approx(inside.mean()))
    predicted = scores.probabilities >= 0.5
    outside = ~inside & (scores.labels == 1)
    assert band["true_positive_rate"]["value"] == pytest.approx(predicted[outside].mean())
    low, high = band["coverage"]["confidence_interval"]
    assert low < inside.mean() < high


def test_a_band_that_takes_in_all_images_leaves_no_decision(scores):
    band = document(scores, indeterminate={"low": 0.0, "high": 1.1})["indeterminate"]
    assert (band["coverage"]["value"], band["true_positive_rate"], band["true_negative_rate"]) == (1.0, None, None)


def test_the_guarantee_is_held_against_the_test_images_at_its_own_prevalence(scores, found):
    """By Bayes from the shares of each label below the band."""
    normal = scores.probabilities < 0.45
    right, wrong = 0.6 * normal[scores.labels == 0].mean(), 0.4 * normal[scores.labels == 1].mean()
    test = found["guarantee"]["test"]
    assert set(test) == {"negative_predictive_value"}, "nothing is guaranteed of the other answer"
    assert test["negative_predictive_value"]["value"] == pytest.approx(right / (right + wrong))
    assert test["negative_predictive_value"]["images"] == normal.sum()
    assert found["guarantee"]["sentence"] == made_guarantee()["sentence"]


def test_a_guarantee_is_contradicted_where_the_whole_interval_lies_below_it(scores):
    for promised, contradicted in ((0.5, False), (0.999, True)):
        test = document(scores, guarantee=made_guarantee(negative_predictive_value=promised))["guarantee"]["test"]
        high = test["negative_predictive_value"]["confidence_interval"][1]
        assert test["negative_predictive_value"]["contradicted"] == (high < promised) == contradicted


def test_a_guarantee_of_answers_that_no_test_image_gets_is_not_contradicted(scores):
    test = document(scores, indeterminate={"low": 0.0, "high": 1.0})["guarantee"]["test"]
    assert (test["negative_predictive_value"]["images"], test["negative_predictive_value"]["contradicted"]) == (
        0,
        False,
    )


def test_an_earlier_model_guarantees_nothing(scores):
    assert document(scores, guarantee=None)["guarantee"] is None


@pytest.mark.parametrize("calls_pneumonia", [0.0, 1.0])
def test_every_path_the_pipelines_condition_reads_is_there(calls_pneumonia, scores):
    """Also for a model that gives one answer to everything, where precision or its like has no value."""
    constant = np.full(160, calls_pneumonia)
    found = made_evaluation(dataclasses.replace(scores, logits=constant, probabilities=constant))
    json.dumps(found, allow_nan=False)
    for path in (
        "binary_classification_metrics.auc.value",
        "binary_classification_metrics.true_positive_rate.value",
        "binary_classification_metrics.true_negative_rate.value",
        "calibration.error_beyond_chance.value",
        "comparison.significantly_worse",
    ):
        value = found
        for key in path.split("."):
            value = value[key]
        assert 0 <= value <= 1


@pytest.mark.parametrize(("images", "limit"), [(16, 0.1), (24, 0.1), (300, 0.1)])
def test_a_small_test_split_does_not_refuse_perfect_probabilities_by_chance(images, limit):
    """Labels drawn from the probabilities themselves: what is refused is refused by chance."""
    rng = np.random.default_rng(images)
    metadata, refused, plainly = made_metadata(), 0, 0
    for _ in range(60):
        logits = rng.normal(0, 4, images)
        probabilities = 1 / (1 + np.exp(-logits / 2))
        labels = (rng.random(images) < probabilities).astype(float)
        labels[:2] = 0, 1
        scores = dataclasses.replace(
            made_scores(images),
            labels=labels,
            logits=logits,
            probabilities=probabilities,
            patients=[*map(str, range(images))],
        )
        calibration = assessment.document(scores, metadata, np.ones((3, images)))["calibration"]
        refused += calibration["error_beyond_chance"]["value"] > limit
        plainly += calibration["expected_calibration_error"]["value"] > limit
    assert refused <= 60 * 0.05 + 4
    assert plainly > 30 or images == 300


def test_over_confident_probabilities_are_refused_on_a_small_split_too():
    scores = made_scores(40, separation=0.5)
    certain = dataclasses.replace(scores, probabilities=(scores.logits > 0) * 0.98 + 0.01)
    calibration = assessment.document(certain, made_metadata(), np.ones((3, 40)))["calibration"]
    assert calibration["error_beyond_chance"] == {"value": calibration["expected_calibration_error"]["value"]}


def test_operating_points_are_those_that_validation_data_chose(scores, found):
    points = {one["name"]: one for one in found["decisions"]["operating_points"]}
    assert {name: one["threshold"] for name, one in points.items()} == {
        "band_low": 0.45,
        "threshold": 0.5,
        "band_high": 0.6,
    }
    figures = found["binary_classification_metrics"]
    for rate in ("true_positive_rate", "true_negative_rate"):
        assert points["threshold"][rate] == figures[rate]
    values = points["threshold"]["positive_predictive_values"]
    assert [one["prevalence"] for one in values] == [0.01, 0.05, 0.2, 0.5]
    # The test split's own prevalence is a half.
    assert values[-1]["value"] == pytest.approx(figures["precision"]["value"])
    for one in values:
        low, high = one["confidence_interval"]
        assert low < one["value"] < high


def test_without_a_false_alarm_a_predictive_value_is_not_certain():
    """No normal image of 40 is above the threshold, of which the resamples know nothing."""
    scores = made_scores(80, separation=14.0)
    (*_, rare) = [one["positive_predictive_values"][0] for one in document(scores)["decisions"]["operating_points"][:2]]
    assert rare["value"] == 1
    assert rare["confidence_interval"][0] < 0.5


def test_the_decision_curve_lies_in_its_band_and_ends_where_nobody_is_treated(scores, found):
    curve = found["decisions"]["curve"]
    low, high = curve["model_band"]
    assert len(curve["thresholds"]) == len(curve["model"]) == len(low) == 99
    assert all(least <= value <= most for least, value, most in zip(low, curve["model"], high, strict=True))
    assert curve["treat_all"][49] == pytest.approx(0)
    assert max(curve["model"]) <= 0.5


def test_with_a_target_prevalence_only_what_depends_on_it_is_weighted(scores, found):
    """Half of the images are ill; of those asked about, one in ten is."""
    there = document(scores, target_prevalence=0.1)
    here, figures = found["binary_classification_metrics"], there["binary_classification_metrics"]
    for name in ("auc", "true_positive_rate", "true_negative_rate", "balanced_accuracy"):
        assert figures[name]["value"] == pytest.approx(here[name]["value"])
    assert figures["confusion_matrix"] == here["confusion_matrix"], "counts are of images"
    area = figures["auprc"]
    # As 97 images of equal weight, of which one in ten is ill.
    assert tuple(area["confidence_interval"]) == pytest.approx(wilson(area["value"], 9))
    found_ill, false_alarm = 0.1 * here["true_positive_rate"]["value"], 0.9 * here["false_positive_rate"]["value"]
    assert figures["precision"]["value"] == pytest.approx(found_ill / (found_ill + false_alarm))
    low, high = figures["precision"]["confidence_interval"]
    assert low < figures["precision"]["value"] < high
    assert figures["precision_recall_curve"]["precisions"][-1] == pytest.approx(0.1), "what guessing gives"
    squares = (scores.probabilities - scores.labels) ** 2
    expected = 0.1 * squares[scores.labels == 1].mean() + 0.9 * squares[scores.labels == 0].mean()
    assert there["calibration"]["brier_score"]["value"] == pytest.approx(expected)
    assert there["decisions"]["curve"]["treat_all"][0] == pytest.approx((0.1 - 0.9 / 99), abs=1e-4)
    assert there["out_of_distribution"] == found["out_of_distribution"]
    assert there["test"] == found["test"], "the images are what they are"
    assert (there["target_prevalence"], found["target_prevalence"]) == (0.1, None)


def test_probabilities_for_the_target_prevalence_are_no_error_of_calibration():
    """The same network, calibrated for one ill in ten and judged on images of which half are."""
    rng = np.random.default_rng(8)
    labels = np.repeat([0.0, 1.0], 600)
    logits = rng.normal(1.5 * (2 * labels - 1), np.sqrt(3))
    right = Calibration(1.0).at_prevalence(0.5, 0.1)

    def judged(calibration, **metadata):
        made = dataclasses.replace(
            made_scores(1200), labels=labels, logits=logits, probabilities=calibration.probability(logits)
        )
        return document(made, **dataclasses.asdict(calibration), **metadata)["calibration"]

    assert judged(right, target_prevalence=0.1)["error_beyond_chance"]["value"] == 0
    assert judged(Calibration(1.0))["error_beyond_chance"]["value"] == 0
    for wrong in (judged(right), judged(Calibration(1.0), target_prevalence=0.1)):
        assert wrong["error_beyond_chance"]["value"] > 0.1


def test_a_predictive_value_at_a_target_prevalence_is_no_surer_than_the_rates_it_follows_from():
    """No normal image of 54 is above the threshold; each would weigh as much as a hundred with pneumonia."""
    missed, splits, distance = 0, 60, 4.5
    truth = scipy.stats.norm.cdf(-distance / 2)
    truth = 0.02 * (1 - truth) / (0.02 * (1 - truth) + 0.98 * truth)
    for seed in range(splits):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0.0, 1.0], [54, 146])
        logits = rng.normal(distance * (labels - 0.5))
        made = dataclasses.replace(
            made_scores(200), labels=labels, logits=logits, probabilities=1 / (1 + np.exp(-logits)),
            patients=[str(number) for number in range(200)], subtypes=[""] * 200,
        )  # fmt: skip
        low, high = document(made, target_prevalence=0.02)["binary_classification_metrics"]["precision"][
            "confidence_interval"
        ]
        missed += not low <= truth <= high
    # 60 draws of 0.05 are more than 8 in less than one of a hundred runs.
    assert missed <= 8
