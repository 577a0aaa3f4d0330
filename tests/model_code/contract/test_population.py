"""Whom a model is meant for follows from its dataset, and only what is stated can lie outside."""

from __future__ import annotations

import pytest

from model_code.contract.population import age_band, describe, of_subgroups, outside, sentence

CHILDREN = {"ages": ["0-17"], "views": ["AP"], "modalities": ["CR"]}


def test_the_population_reaches_from_the_youngest_band_to_the_oldest():
    """A band between them may have too few patients to be counted by itself."""
    card = {"age": {"18-39": {"images": 40}, "60-79": {"images": 50}, "unstated": {"images": 5}},
            "view": {"PA": {"images": 95}}}  # fmt: skip
    found = of_subgroups(card)
    assert found["ages"] == ["18-39", "40-59", "60-79"]
    assert found["views"] == ["PA"]
    assert found["modalities"] == ["CR", "DR", "DX", "RG"]


def test_bands_of_too_few_patients_are_no_part_of_it():
    card = {"age": {"0-17": {"images": 95}, "of fewer than 10 patients each": {"images": 5}}}
    assert of_subgroups(card)["ages"] == ["0-17"]


def test_what_few_files_state_limits_nothing():
    card = {"age": {"0-17": {"images": 80}, "unstated": {"images": 20}}, "view": {"unstated": {"images": 100}}}
    found = of_subgroups(card)
    assert (found["ages"], found["views"]) == ([], [])
    assert outside(found, age="80+", view="AP") == []


def test_a_dataset_of_jpegs_says_nothing():
    assert of_subgroups({}) is None
    assert outside(None, age="80+", view="PA") == []


@pytest.mark.parametrize(
    ("age", "view", "found"),
    [
        ("0-17", "AP", []),
        ("unstated", "unstated", []),
        ("18-39", "AP", ["age"]),
        ("unstated", "PA", ["view"]),
        ("80+", "PA", ["age", "view"]),
    ],
)
def test_what_is_stated_and_not_meant_lies_outside(age, view, found):
    assert outside(CHILDREN, age=age, view=view) == found


def test_a_report_says_whom_a_model_is_meant_for_or_that_nobody_knows():
    assert sentence(CHILDREN).startswith("The training data are of patients of 0 to 17 years and AP views: ")
    for unknown in (None, {"ages": [], "views": [], "modalities": []}):
        assert sentence(unknown).startswith("The training data do not state ages and views")


def test_it_is_described_without_the_patient():
    assert describe(CHILDREN, "age") == "patients of 0 to 17 years"
    assert describe({**CHILDREN, "ages": ["60-79", "80+"]}, "age") == "patients of 60 years or more"
    assert describe({**CHILDREN, "views": ["AP", "PA"]}, "view") == "AP and PA views"


@pytest.mark.parametrize(
    ("years", "band"), [(0, "0-17"), (17.9, "0-17"), (18, "18-39"), (119, "80+"), (None, "unstated")]
)
def test_an_age_in_years_becomes_a_band(years, band):
    assert age_band(years) == band
