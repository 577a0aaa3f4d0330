"""There is a compiled definition for each way to train."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize("spot", [False, True])
@pytest.mark.parametrize("tuning", [False, True])
def test_there_is_a_definition_for_each_way_to_train(spot: bool, tuning: bool) -> None:
    from infra.training.training_pipeline import definition_file

    definition = json.loads(definition_file(spot=spot, tuning=tuning).read_text(encoding="utf-8"))
    (train,) = (step for step in definition["Steps"] if step["Name"] == "TrainModel")
    parameters = {parameter["Name"] for parameter in definition["Parameters"]}

    assert train["Type"] == ("Tuning" if tuning else "Training")
    assert ("TuningJobs" in parameters) is tuning
    assert ("MaxWaitSeconds" in parameters) is spot
