"""The worst subgroup is the one whose interval begins lowest, among those with enough images to judge."""

from __future__ import annotations

from model_code.evaluation import worst_subgroup
from tests.model_code.support.evaluated import made_evaluation, made_scores


def row(title, low, *, images=40, patients=30):
    figure = {"value": low + 0.05, "confidence_interval": [low, 1.0]}
    return {"title": title, "pneumonia": {"images": images, "patients": patients}, "true_positive_rate": figure}


def test_the_lowest_interval_decides_not_the_lowest_value():
    wide = row("sex male", 0.6)
    wide["true_positive_rate"]["value"] = 0.99
    found = worst_subgroup.find([row("sex female", 0.7), wide, row("virus", 0.65)])
    assert (found["title"], found["sensitivity_bound"]["value"]) == ("sex male", 0.6)
    assert found["judged"] == ["sex female", "sex male", "virus"]


def test_a_subgroup_of_few_images_or_few_patients_is_not_judged():
    few = [row("age 90 or more", 0.2, images=29), row("view PA", 0.1, patients=19)]
    assert worst_subgroup.find([*few, row("sex male", 0.6)])["title"] == "sex male"
    found = worst_subgroup.find(few)
    assert (found["title"], found["judged"]) == (None, [])
    assert found["sensitivity_bound"]["value"] == 1
    assert "none of the 2 has 30 PNEUMONIA images of 20 patients" in found["sensitivity_bound"]["unjudged"]


def test_the_rows_of_an_evaluation_are_judged_by_their_pneumonia_images():
    """Half of these images show pneumonia, so a subgroup has fewer of them than images."""
    scores = made_scores(400)
    evaluation = made_evaluation(scores)
    counted = {one["title"]: one["pneumonia"]["images"] for one in evaluation["subgroups"]}
    assert counted["virus"] + counted["bacteria"] == scores.labels.sum()
    worst = evaluation["worst_subgroup"]
    lowest = min(one["true_positive_rate"]["confidence_interval"][0] for one in evaluation["subgroups"])
    assert worst["sensitivity_bound"]["value"] == lowest
    assert worst["pneumonia_images"] == counted[worst["title"]]
