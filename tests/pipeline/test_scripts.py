"""The definition and the scripts agree on every flag: a flag that only one of them knows would fail a paid job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_code import evaluate, preprocess, train

DEFINITIONS = Path(__file__).resolve().parents[2] / "pipeline"
VALUES = {
    "archive-uri": f"s3://bucket/datasets/{'0' * 64}/archive.zip",
    "backbone-weights": "none",
    "image-size": "64",
    "batch-size": "32",
    "epochs": "1",
    "fine-tune-epochs": "0",
    "seed": "1",
}


def arguments(flags: list[str]) -> list[str]:
    return [part for flag in flags for part in (f"--{flag}", VALUES.get(flag, "0.1"))]


@pytest.fixture(params=["definition.json", "definition-spot.json"])
def steps(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    document = json.loads((DEFINITIONS / request.param).read_text(encoding="utf-8"))
    return {step["Name"]: step["Arguments"] for step in document["Steps"]}


@pytest.mark.parametrize(("step", "script"), [("PreprocessImages", preprocess), ("EvaluateModel", evaluate)])
def test_a_processing_script_takes_exactly_the_flags_of_its_step(
    steps: dict[str, dict[str, Any]], step: str, script: Any
) -> None:
    given = [part for part in steps[step]["AppSpecification"]["ContainerArguments"] if isinstance(part, str)]
    flags = [part.removeprefix("--") for part in given if part.startswith("--")]

    script.parse(arguments(flags))
    for missing in flags:
        with pytest.raises(SystemExit):
            script.parse(arguments([flag for flag in flags if flag != missing]))


def test_the_training_script_takes_exactly_the_hyperparameters_of_its_step(steps: dict[str, dict[str, Any]]) -> None:
    flags = [name for name in steps["TrainModel"]["HyperParameters"] if not name.startswith("sagemaker_")]

    train.parse(arguments(flags))
    for missing in flags:
        with pytest.raises(SystemExit):
            train.parse(arguments([flag for flag in flags if flag != missing]))
