"""The report stands alone, decides at its top, says what it is for, and shows the document's numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from model_code.evaluation import quality_gates
from model_code.evaluation.saliency_summary import SaliencySummary
from model_code.reports import evaluation_report
from model_code.reports.gallery import Gallery
from tests.model_code.support.evaluated import made_evaluation, made_metadata, made_scores


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global saliency_pictures, suspects_report
    from model_code.reports import saliency_pictures, suspects_report


SCORES = made_scores()


def gallery_of(scores, *, cases=True):
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 1), dtype=np.uint8)
    summary = SaliencySummary(16, 16)
    summary.add(scores.labels, scores.labels, np.ones((80, 16, 16)))
    shown = [saliency_pictures.case(0, pixels, np.ones((16, 16)), scores)] if cases else []
    return Gallery(
        samples={"NORMAL": [saliency_pictures.sample(0, pixels, scores)]},
        cases={"NORMAL predicted as PNEUMONIA (wrong)": shown},
        averages=saliency_pictures.averages(summary),
        legend=saliency_pictures.legend(),
    )


def page_of(evaluation, dataset_card, *, metadata=None, cases=True):
    return evaluation_report.render(
        evaluation,
        metadata or made_metadata(),
        dataset_card,
        scores=SCORES,
        gallery=gallery_of(SCORES, cases=cases),
        doubted=suspects_report.section(None, []),
        identity=evaluation_report.Identity("7md9jfchs8ik", "2026-11-24T10:00:00+00:00"),
    )


@pytest.fixture(scope="module")
def evaluation():
    return made_evaluation(SCORES, quality_gates.Limits(0.999, 0, 0, 1, 0), serving=made_scores(seed=3, separation=2.0))


@pytest.fixture(scope="module")
def page(evaluation, dataset_card):
    return page_of(evaluation, dataset_card)


def test_it_refers_to_nothing_outside_itself(page):
    outside = re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert not outside
    assert "<script" not in page
    assert "url(" not in page


def test_every_link_of_the_contents_has_its_section(page):
    contents = page[page.index("<nav") : page.index("</nav>")]
    assert len(re.findall(r'href="#([^"]+)"', contents)) == 18
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert page.count(f'id="{anchor}"') == 1


def test_every_image_says_what_it_shows(page):
    images = re.findall(r"<img[^>]*>", page)
    assert len(images) == 9 + 1 + 1 + 2 + 2
    for image in images:
        assert len(re.search(r'alt="([^"]*)"', image)[1]) > 20


def test_it_opens_with_the_failed_gates_and_the_intended_use(page, evaluation):
    opening = page[page.index("<header>") : page.index("</header>")]
    assert '<p class="verdict failed"><strong>Not fit for registration.</strong>AUROC 0.9' in opening
    assert "does not make a diagnosis" in opening
    key = page[page.index('id="figures"') :][:2000]
    assert f"<b>{evaluation['binary_classification_metrics']['auc']['value']:.3f}</b>" in key


def without_doubts(evaluation, card):
    """An evaluation and a card that give no reason not to approve."""
    calibration = evaluation["calibration"]
    raw = {**calibration["raw"], "expected_calibration_error": {**calibration["raw"]["expected_calibration_error"]}}
    raw["expected_calibration_error"]["value"] = calibration["expected_calibration_error"]["value"] + 0.01
    return {**evaluation, "calibration": {**calibration, "raw": raw}}, {**card, "shortcuts": []}


def test_a_model_that_passes_without_doubts_is_said_to_be_fit(dataset_card):
    shown = page_of(*without_doubts(made_evaluation(SCORES, quality_gates.Limits(0, 0, 0, 1, 0)), dataset_card))
    assert '<p class="verdict passed"><strong>Fit for registration' in shown
    assert "No model is serving yet" in shown
    assert "Reasons not to approve" not in shown


SHORTCUT = {
    "probe": "file_size",
    "auroc": 0.86,
    "confidence_interval": [0.83, 0.89],
    "images": 624,
    "sentence": "The label can be predicted from the file size alone with AUROC 0.86.",
}


def test_gates_that_pass_over_a_shortcut_or_a_worse_calibration_are_no_green_light(dataset_card):
    evaluation, card = without_doubts(made_evaluation(SCORES, quality_gates.Limits(0, 0, 0, 1, 0)), dataset_card)
    worse = {**evaluation["calibration"], "raw": {"expected_calibration_error": {"value": 0.001}}}
    worse["raw"] = {
        **evaluation["calibration"]["raw"],
        "expected_calibration_error": {**evaluation["calibration"]["raw"]["expected_calibration_error"], "value": 0.0},
    }
    for shown, sentence, section in (
        (page_of(evaluation, {**card, "shortcuts": [SHORTCUT]}), SHORTCUT["sentence"], "dataset"),
        (page_of({**evaluation, "calibration": worse}, card), "makes the probabilities worse", "calibration"),
    ):
        opening = shown[shown.index("<header>") : shown.index("</header>")]
        assert "Fit for registration" not in opening
        assert "verdict doubted" in opening
        assert "verdict passed" not in opening
        assert sentence in opening
        assert f'href="#{section}"' in opening


def test_what_is_guaranteed_is_shown_with_what_the_test_images_say_and_for_other_prevalences(page, evaluation):
    section = page[page.index('id="undecided"') : page.index('id="out-of-distribution"')]
    guarantee = evaluation["guarantee"]
    assert guarantee["sentence"] in section
    assert f"{guarantee['test']['negative_predictive_value']['value']:.3f}" in section
    assert "not contradicted" in section
    # Odds of 9 at a prevalence of 0.4 are odds of 54 at 0.1.
    assert f"<td>{54 / 55:.3f}</td>" in section
    assert "Answers PNEUMONIA right" not in section, "nothing is guaranteed of that answer"


def test_a_guarantee_that_the_test_images_contradict_is_a_reason_not_to_approve(dataset_card):
    evaluation, card = without_doubts(made_evaluation(SCORES, quality_gates.Limits(0, 0, 0, 1, 0)), dataset_card)
    shown = {**evaluation["guarantee"]["test"]["negative_predictive_value"], "contradicted": True}
    guarantee = {**evaluation["guarantee"], "test": {"negative_predictive_value": shown}}
    page = page_of({**evaluation, "guarantee": guarantee}, card)
    opening = page[page.index("<header>") : page.index("</header>")]
    assert "At least 90.0% of the answers NORMAL are guaranteed to be right, and on the test images" in opening
    assert 'href="#undecided"' in opening


def test_a_model_of_before_there_were_guarantees_is_said_to_have_none(dataset_card):
    page = page_of({**made_evaluation(SCORES), "guarantee": None}, dataset_card)
    assert "Nothing: the model was trained before there were guarantees." in page


def test_the_worst_subgroup_is_named(page, evaluation, dataset_card):
    assert "The gate about subgroups judged nothing: no subgroup was judged, because none of the 4 has" in page
    worst = {"title": "virus", "pneumonia_images": 45, "judged": ["bacteria", "virus"]}
    worst["sensitivity_bound"] = {"value": 0.612, "sensitivity": 0.7333}
    named = page_of({**evaluation, "worst_subgroup": worst}, dataset_card)
    assert (
        "Of bacteria, virus, the worst is virus: of its 45 PNEUMONIA images 73.3% are predicted so, and the 95 % "
        "interval begins at 0.612" in named
    )


def test_maps_that_light_one_place_are_a_reason_not_to_approve(dataset_card):
    evaluation, card = without_doubts(made_evaluation(SCORES, quality_gates.Limits(0, 0, 0, 1, 0)), dataset_card)
    same = {"maps": 38, "share": 0.84, "place": "upper right"}
    shown = page_of({**evaluation, "saliency": {**evaluation["saliency"], "same_place": same}}, card)
    opening = shown[shown.index("<header>") : shown.index("</header>")]
    assert "verdict doubted" in opening
    assert "lights the same place, the upper right, in 84% of the 38 images predicted PNEUMONIA" in opening
    assert 'href="#saliency"' in opening


def test_a_map_says_its_cells_and_what_an_empty_one_means(page):
    section = page[page.index('<section id="saliency"') :]
    assert "A map has 16 x 16 cells" in section
    assert "A map without colour is empty" in section
    assert "Empty maps: 40 of 40 NORMAL, 2 of 40 PNEUMONIA images." in section


def test_maps_of_few_cells_say_nothing_about_the_border(dataset_card):
    evaluation = made_evaluation(SCORES)
    coarse = {**evaluation["saliency"], "cells": 2, "border_share": {"NORMAL": None, "PNEUMONIA": None}}
    section = page_of({**evaluation, "saliency": coarse}, dataset_card)
    section = section[section.index('<section id="saliency"') :]
    assert "cannot be told: the cells of a map of 2 x 2 are wider" in section
    assert "Share of the saliency" not in section


def test_it_opens_with_execution_dates_and_commit(page):
    opening = page[page.index("<header>") : page.index("</header>")]
    for said in ("Execution 7md9jfchs8ik", "evaluated 2026-11-24", "trained 2026-11-23", "revision abc1234"):
        assert said in opening


def test_figures_are_shown_with_both_intervals(page, evaluation):
    found = evaluation["binary_classification_metrics"] | evaluation["calibration"]
    for name, title in evaluation_report.SHOWN.items():
        row = page[page.index(f'<th scope="row">{title}</th>') :]
        cells = re.findall(r"<td>(.*?)</td>", row[: row.index("</tr>")])
        assert cells[0] == f"{found[name]['value']:.3f}"
        for cell, kind in zip(cells[1:], ("confidence_interval", "prediction_interval"), strict=True):
            assert "{:.3f} to {:.3f}".format(*found[name][kind]) in cell


def test_the_serving_models_figures_stand_beside_the_candidates(page, evaluation):
    comparison = evaluation["comparison"]
    assert comparison["sentence"] in page
    row = page[page.index('id="comparison"') :]
    row = row[row.index('<th scope="row">AUROC</th>') :]
    cells = re.findall(r"<td>(.*?)</td>", row[: row.index("</tr>")])
    assert cells[:3] == [
        f"{comparison['candidate']['auc']['value']:.3f}",
        f"{comparison['serving']['auc']['value']:.3f}",
        f"{comparison['auc_difference']['value']:+.3f}",
    ]


def test_a_worse_model_that_is_only_reported_says_why_it_passed(dataset_card):
    worse = made_evaluation(
        made_scores(separation=0.5), quality_gates.Limits(0, 0, 0, 1, 0), serving=SCORES, mode="report"
    )
    assert "started with ServingComparison report, so this does not fail the model" in page_of(worse, dataset_card)


def test_settings_subgroups_and_the_dataset_card_are_there(page):
    for text in ("abc1234", "mixed_bfloat16", "bacteria", "megapixels", "Dataset card", "16 x 16 cells", "imagenet"):
        assert text in page


def test_a_warm_start_is_named_as_a_doubt(dataset_card, evaluation):
    metadata = made_metadata()
    metadata["training"]["hyperparameters"]["warm_start_from"] = "arn:aws:sagemaker:x:1:model-package/chest-xray-dev/2"
    assert "began from the weights of chest-xray-dev/2" in page_of(evaluation, dataset_card, metadata=metadata)


def test_a_kind_of_call_without_an_image_is_said(dataset_card, evaluation):
    assert "No such image." in page_of(evaluation, dataset_card, cases=False)


def test_it_says_how_many_radiographs_the_detector_refuses_or_that_there_is_none(evaluation, page, dataset_card):
    assert "Of the 80 test radiographs it would refuse 2, 2.5% (95 % interval " in page
    without = evaluation | {"out_of_distribution": evaluation["out_of_distribution"] | {"active": False}}
    metadata = made_metadata() | {
        "out_of_distribution": {
            "active": False,
            "sentence": "There is no out-of-distribution detector: too few images.",
        }
    }
    shown = page_of(without, dataset_card, metadata=metadata)
    assert (
        "There is no out-of-distribution detector: too few images. A photograph would get a probability like any "
        "radiograph." in shown
    )


def test_operating_points_have_predictive_values_where_pneumonia_is_rarer(page, evaluation):
    section = page.partition('<section id="operating-points"')[2].partition("</section>")[0]
    for shown in ('<th scope="col">1%', "5%", "20%", "50%", "decision threshold", "Youden", "Net benefit"):
        assert shown in section
    for point in evaluation["decisions"]["operating_points"]:
        assert f"{point['true_positive_rate']['value']:.3f}" in section
        for value in point["positive_predictive_values"]:
            assert f"{value['value']:.3f}" in section


def test_every_wrong_prediction_is_named_the_most_certain_first(page):
    section = page.partition('<section id="errors"')[2].partition("</section>")[0]
    wrong = [at for at in range(80) if (SCORES.probabilities[at] >= 0.5) != (SCORES.labels[at] == 1)]
    assert wrong
    named = [int(number) for number in re.findall(r'<th scope="row">(\d+)\.jpeg</th>', section)]
    assert sorted(named) == wrong
    distances = [abs(SCORES.probabilities[at] - 0.5) for at in named]
    assert distances == sorted(distances, reverse=True)
    assert 'href="#errors"' in page
    assert "test/NORMAL" not in section, "folders can be named after patients"
