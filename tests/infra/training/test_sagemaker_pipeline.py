"""Defaults are laid over a definition only where they fit; every placeholder is filled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.settings.section import SettingsError
from tests.infra.conftest import of_type


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global used, with_defaults
    from infra.training.sagemaker_pipeline import used, with_defaults


DEFINITION: dict[str, Any] = {
    "Version": "2020-12-01",
    "Parameters": [
        {"Name": "InputArchiveUri", "Type": "String"},
        {"Name": "Epochs", "Type": "Integer", "DefaultValue": 5},
        {"Name": "LearningRate", "Type": "Float", "DefaultValue": 0.001},
    ],
    "Steps": [],
}


def test_a_default_replaces_the_compiled_one_and_nothing_else() -> None:
    body = with_defaults(DEFINITION, {"Epochs": 2})
    assert body["Parameters"] == [
        {"Name": "InputArchiveUri", "Type": "String"},
        {"Name": "Epochs", "Type": "Integer", "DefaultValue": 2},
        {"Name": "LearningRate", "Type": "Float", "DefaultValue": 0.001},
    ]
    assert DEFINITION["Parameters"][1]["DefaultValue"] == 5, "the definition itself stays as it was"


def test_a_whole_number_is_a_float_too() -> None:
    assert with_defaults(DEFINITION, {"LearningRate": 1})["Parameters"][2]["DefaultValue"] == 1


@pytest.mark.parametrize(
    ("defaults", "says"),
    [
        ({"Epoch": 2}, "no parameter Epoch"),
        ({"Epochs": 2.5}, "Epochs is Integer, but the settings give 2.5"),
        ({"LearningRate": "fast"}, "LearningRate is Float, but the settings give 'fast'"),
    ],
)
def test_a_default_that_does_not_fit_is_refused(defaults: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        with_defaults(DEFINITION, defaults)


def test_only_placeholders_of_the_text_are_filled() -> None:
    assert used('{"Role":"${StepRoleArn}"}', {"StepRoleArn": "arn", "DataKeyArn": "key"}) == {"StepRoleArn": "arn"}


def test_a_placeholder_nobody_fills_is_refused() -> None:
    """CloudFormation would take it for the name of a resource, and say so only on deployment."""
    with pytest.raises(SettingsError, match=r"Nothing replaces \$\{StepRole\}"):
        used('{"Role":"${StepRole}"}', {"StepRoleArn": "arn"})


def jobs(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The steps that start jobs, those of branches too."""
    for step in steps:
        if step["Type"] in ("Processing", "Training", "Tuning"):
            yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from jobs(step.get("Arguments", {}).get(branch) or [])


@pytest.mark.parametrize("environment", ["dev", "prod", "tuned"])
def test_every_job_carries_the_tags_of_its_stack(
    environment: str, templates: Callable[[str], dict[str, Any]], tuned: dict[str, Any]
) -> None:
    """SageMaker hands no tag of a pipeline on to its jobs: a budget of the tag `project` would count none of them."""
    chosen = [tuned] if environment == "tuned" else templates(environment).values()
    pipelines = [one for template in chosen for one in of_type(template, "AWS::SageMaker::Pipeline").values()]
    found = []
    for pipeline in pipelines:
        body = json.loads(pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"][0])
        found += list(jobs(body["Steps"]))
    assert len(found) >= 8
    for step in found:
        name = "prod" if environment == "prod" else "dev"
        assert step["Arguments"]["Tags"] == [
            {"Key": "environment", "Value": name},
            {"Key": "project", "Value": "chest-xray-stack"},
        ], step["Name"]


def test_a_registered_version_has_the_tags_of_its_group(templates: Callable[[str], dict[str, Any]]) -> None:
    """SageMaker refuses tags of a version's own."""
    text = json.dumps(templates("dev")["training"])
    register = text.partition("ModelPackageDescription")[2].partition("RetryPolicies")[0]
    assert "CustomerMetadataProperties" in register
    assert "Tags" not in register
