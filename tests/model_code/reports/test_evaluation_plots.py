"""Plots of the scores show the document's numbers, in the drawing and in words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model_code.reports import evaluation_plots
from tests.model_code.reports.test_plots import assert_svg
from tests.model_code.support.evaluated import made_evaluation, made_scores

SCORES = made_scores()


@pytest.fixture(scope="module")
def evaluation():
    return made_evaluation(SCORES, serving=made_scores(seed=3, separation=2.0))


def test_the_roc_curve_names_its_area_and_the_serving_models(evaluation):
    plot = evaluation_plots.roc(evaluation)
    assert_svg(plot.svg)
    auc = evaluation["binary_classification_metrics"]["auc"]
    label = "AUROC {:.3f} ({:.3f} to {:.3f})".format(auc["value"], *auc["confidence_interval"])
    serving = f"AUROC is {evaluation['comparison']['serving']['auc']['value']:.3f}."
    assert label in plot.svg
    assert label in plot.alternative
    assert plot.alternative.endswith(serving)


def test_without_a_serving_model_only_one_curve_is_drawn():
    plot = evaluation_plots.roc(made_evaluation(SCORES))
    assert "serving" not in plot.svg + plot.alternative


def test_the_confusion_matrix_says_its_counts(evaluation):
    counts = evaluation["binary_classification_metrics"]["confusion_matrix"]
    words = evaluation_plots.confusion(evaluation).alternative
    assert words.startswith(
        f"Of 40 NORMAL images {counts['0']['0']} are predicted NORMAL and {counts['0']['1']} PNEUMONIA"
    )


def test_the_reliability_diagram_compares_with_the_raw_probabilities(evaluation):
    plot = evaluation_plots.reliability(evaluation)
    assert_svg(plot.svg)
    raw = evaluation["calibration"]["raw"]["expected_calibration_error"]["value"]
    assert f"raw, ECE {raw:.3f}" in plot.svg
    assert plot.alternative.endswith(f"without the calibration {raw:.3f}.")


def test_the_histogram_says_threshold_and_band(evaluation):
    plot = evaluation_plots.histogram(SCORES.labels, SCORES.probabilities, evaluation)
    assert_svg(plot.svg)
    assert plot.alternative.endswith("threshold 0.500, indeterminate from 0.450 to 0.600.")


def test_subgroups_are_drawn_below_the_whole(evaluation):
    plot = evaluation_plots.subgroups(evaluation)
    assert_svg(plot.svg)
    titles = ["all", *(row["title"] for row in evaluation["subgroups"])]
    assert [sentence.split(": ")[0] for sentence in plot.alternative[23:].split("; ")] == titles


def test_a_model_that_gives_one_answer_to_everything_can_be_drawn():
    constant = np.full(80, 0.25)
    scores = dataclasses.replace(SCORES, logits=constant, probabilities=constant)
    evaluation = made_evaluation(scores)
    for draw in (
        evaluation_plots.roc,
        evaluation_plots.precision_recall,
        evaluation_plots.confusion,
        evaluation_plots.reliability,
        evaluation_plots.subgroups,
    ):
        assert_svg(draw(evaluation).svg)
    assert_svg(evaluation_plots.histogram(scores.labels, constant, evaluation).svg)
