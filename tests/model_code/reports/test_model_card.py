"""The model card keeps to SageMaker's schema and limits, and says what the evaluation document says."""

from __future__ import annotations

import json

import pytest

from model_code.reports.model_card import INTENDED_USE, model_card
from tests.model_code.support.evaluated import PACKAGE, made_evaluation, made_metadata, made_scores
from tests.model_code.support.model_card_schema import MAX_CONTENT, SCHEMA


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global jsonschema
    import jsonschema


@pytest.fixture(scope="module")
def evaluation():
    return made_evaluation(made_scores(), serving=made_scores(seed=2))


@pytest.fixture(scope="module")
def content(evaluation, dataset_card):
    return json.loads(model_card(evaluation, made_metadata(), dataset_card)["content"])


def metrics_of(content):
    (details,) = content["evaluation_details"]
    return {
        (group["name"], metric["name"]): metric for group in details["metric_groups"] for metric in group["metric_data"]
    }


def test_it_keeps_to_sagemakers_schema(content):
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(content)


def test_texts_longer_than_the_schema_allows_are_cut(evaluation, dataset_card):
    metadata = made_metadata()
    metadata["training"]["hyperparameters"] = {f"n{number}": "x" * 300 for number in range(120)}
    probe = dataset_card["shortcuts"][0] | {"sentence": "A long sentence about a property of the files. " * 30}
    card = dataset_card | {"decisions": ["A long decision. " * 300], "shortcuts": [probe] * 6}
    long = evaluation | {"gates": evaluation["gates"] | {"message": "A long message. " * 200}}
    written = model_card(long, metadata, card)["content"]
    jsonschema.Draft7Validator(SCHEMA).validate(json.loads(written))


def test_the_content_is_one_line_within_the_limit_of_the_registry(dataset_card):
    scores = made_scores(2000, separation=1.0)
    written = model_card(made_evaluation(scores), made_metadata(), dataset_card)["content"]
    assert "\n" not in written, "the API's pattern is .*, in which a dot is no line break"
    assert len(written) < MAX_CONTENT / 4


def test_it_has_the_evaluations_numbers_and_intervals(content, evaluation):
    found = evaluation["binary_classification_metrics"]
    shown = metrics_of(content)
    auc = shown["Discrimination", "AUROC"]
    assert auc["value"] == pytest.approx(found["auc"]["value"], abs=1e-6)
    assert "95 % interval {:.3f} to {:.3f}".format(*found["auc"]["confidence_interval"]) in auc["notes"]
    error = evaluation["calibration"]["raw"]["expected_calibration_error"]["value"]
    assert shown["Calibration", "Expected calibration error, raw"]["value"] == pytest.approx(error, abs=1e-6)
    matrix = found["confusion_matrix"]
    assert shown["Curves and counts", "Confusion matrix"]["value"] == [
        [matrix["0"]["0"], matrix["0"]["1"]],
        [matrix["1"]["0"], matrix["1"]["1"]],
    ]
    curve = shown["Curves and counts", "ROC curve"]["value"]
    assert (curve[0], curve[-1]) == ([0, 0], [1, 1])
    assert any(group.startswith("virus (") for group, _ in shown)


def test_it_says_what_the_model_is_for_and_where_it_comes_from(content, dataset_card):
    assert content["intended_uses"]["intended_uses"].startswith(INTENDED_USE)
    custom = content["additional_information"]["custom_details"]
    assert custom["dataset sha256"] == dataset_card["sha256"]
    assert custom["prevalence in the test split"] == "0.5000"
    assert custom["decision threshold"] == "0.500000"
    details = content["training_details"]["training_job_details"]
    assert {"name": "validation:auc", "value": 0.9} in details["user_provided_training_metrics"]
    parameters = {one["name"]: one["value"] for one in details["user_provided_hyper_parameters"]}
    assert parameters == {"backbone_weights": "imagenet", "epochs": "2", "warm_start_from": "none"}
    assert content["evaluation_details"][0]["metadata"]["serving model compared with"] == PACKAGE


def test_maps_that_light_one_place_are_among_its_caveats(evaluation, dataset_card):
    same = {"maps": 38, "share": 0.84, "place": "upper right"}
    doubted = {**evaluation, "saliency": {**evaluation["saliency"], "same_place": same}}
    written = json.loads(model_card(doubted, made_metadata(), dataset_card)["content"])
    caveats = written["additional_information"]["caveats_and_recommendations"]
    assert "lights the same place, the upper right, in 84% of the 38 images" in caveats
