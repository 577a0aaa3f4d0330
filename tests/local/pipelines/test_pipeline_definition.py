"""A definition is checked whole before anything runs: what is unsupported or wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.pipelines.pipeline_definition import read
from local.pipelines.step import DefinitionError

PIPELINE = Path(__file__).parents[3] / "pipeline"
MONITORING = PIPELINE / "definition-monitoring.json"
SITE_EVALUATION = PIPELINE / "definition-site-evaluation.json"
CALIBRATION = PIPELINE / "definition-calibration.json"
LABEL_CALIBRATION = PIPELINE / "definition-label-calibration.json"
OTHERS = {MONITORING, SITE_EVALUATION, CALIBRATION, LABEL_CALIBRATION}
COMMITTED = sorted(set(PIPELINE.glob("definition*.json")) - OTHERS)


def processing(name: str, arguments: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Processing", "Arguments": arguments or {}, **more}


def function(name: str, arguments: dict[str, Any] | None = None, **outputs: str) -> dict[str, Any]:
    parameters = [{"OutputName": output, "OutputType": kind} for output, kind in outputs.items()]
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    step = {"Name": name, "Type": "Lambda", "Arguments": arguments or {}, "FunctionArn": arn}
    return {**step, "OutputParameters": parameters}


TUNING: dict[str, Any] = {"Name": "Tune", "Type": "Tuning", "Arguments": {}}


def definition(*steps: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> str:
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters or [], "Steps": steps})


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_the_committed_definitions_can_be_run(path: Path) -> None:
    committed = read(path.read_text())
    assert committed.steps["SplitDataset"].after == {"PreprocessImages"}
    assert committed.steps["TrainModel"].after == {"SplitDataset"}
    assert committed.steps["EvaluateModel"].after == {"SplitDataset", "TrainModel", "FindServingModel"}
    assert committed.steps["RegisterModel"].branch == ("CheckQuality", True)
    assert committed.steps["QualityGateFailed"].branch == ("CheckQuality", False)
    with pytest.raises(DefinitionError, match=r"InputArchiveUri.*undefined"):
        committed.bind({})
    assert committed.bind({"InputArchiveUri": "s3://b/k"})["ImageSize"] > 0


def test_the_committed_definition_of_monitoring_can_be_run() -> None:
    committed = read(MONITORING.read_text())
    assert committed.steps["MonitorModel"].after == {"FindServingModel"}
    assert committed.bind({})["Days"] > 0


def test_the_committed_definition_of_calibrations_on_labels_can_be_run_without_an_archive() -> None:
    committed = read(LABEL_CALIBRATION.read_text())
    assert committed.steps["CalibrateModel"].after == {"FindServingModel"}
    assert committed.steps["RegisterModel"].branch == ("CheckQuality", True)
    with pytest.raises(DefinitionError, match=r"LabelledPackageArn.*undefined"):
        committed.bind({})


def test_the_committed_definition_of_site_evaluations_can_be_run() -> None:
    committed = read(SITE_EVALUATION.read_text())
    assert committed.steps["EvaluateSite"].after == {"PreprocessImages"}
    with pytest.raises(DefinitionError, match=r"ModelUri.*undefined"):
        committed.bind({"InputArchiveUri": "s3://b/k", "ModelVersion": "1"})
    uris = dict.fromkeys(("InputArchiveUri", "ModelUri", "EvaluationUri"), "s3://b/k")
    assert committed.bind({**uris, "ModelVersion": "1"})["ImageSize"] > 0


def test_the_committed_definition_of_calibrations_can_be_run() -> None:
    committed = read(CALIBRATION.read_text())
    assert committed.steps["FindServingModel"].after == {"PreprocessImages"}
    assert committed.steps["CalibrateModel"].after == {"PreprocessImages", "FindServingModel"}
    assert committed.steps["RegisterModel"].branch == ("CheckQuality", True)
    assert committed.steps["QualityGateFailed"].branch == ("CheckQuality", False)
    names = ("InputArchiveUri", "ModelPackageArn", "ModelUri", "TrainingOutputUri", "DatasetReportPrefix")
    assert committed.bind(dict.fromkeys(names, "s3://b/k"))["ImageSize"] > 0
    with pytest.raises(DefinitionError, match=r"TrainingOutputUri.*undefined"):
        committed.bind({name: "s3://b/k" for name in names if name != "TrainingOutputUri"})


def test_there_is_a_committed_definition() -> None:
    assert COMMITTED


OUTPUTS = {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "train"}]}}
CONDITION = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"Name": "Many", "Type": "Transform", "Arguments": {}}], "'Many' is of type 'Transform'"),
        ([processing("A", {"x": {"Std:Upper": {}}})], "Step 'A'.*'Std:Upper' is not supported"),
        ([processing("A", {"x": {"Get": "Parameters.Nope"}})], "'Nope', which the pipeline does not declare"),
        ([processing("A", {"x": {"Get": "Execution.Mood"}})], "'Execution.Mood' is not supported"),
        ([processing("A", {"x": {"Get": "Steps.B.ExitMessage"}})], "'B', which the pipeline does not have"),
        ([processing("A", OUTPUTS), processing("B", {"x": {"Get": "Steps.A.Colour"}})], "no property 'Colour'"),
        (
            [
                processing("A", OUTPUTS),
                processing("B", {"x": {"Get": "Steps.A.ProcessingOutputConfig.Outputs['tran'].S3Output.S3Uri"}}),
            ],
            "'tran', but step 'A' has train",
        ),
        (
            [
                processing("A"),
                processing(
                    "B", {"x": {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.A.PropertyFiles.R"}, "Path": "p"}}}
                ),
            ],
            "property file 'R', which step 'A' does not have",
        ),
        ([processing("A", {"x": {"Std:JsonGet": {"Path": "p"}}})], "either a PropertyFile or an S3Uri"),
        ([processing("A", DependsOn=["B"]), processing("B", DependsOn=["A"])], "A, B wait for each other"),
        ([processing("A", DependsOn=["Gone"])], "depends on 'Gone'"),
        ([processing("A"), processing("A")], "Two steps are named 'A'"),
        ([], "no steps"),
        ([{"Name": "A", "Type": "Fail"}, processing("B", DependsOn=["A"])], "B can not depends on A"),
        (
            [{"Name": "C", "Type": "Condition", "Arguments": {"Conditions": [{**CONDITION, "Type": "Like"}]}}],
            "condition 'Like' is not supported",
        ),
        (
            [
                {
                    "Name": "C",
                    "Type": "Condition",
                    "Arguments": {"Conditions": [{"Type": "Not", "Expression": CONDITION}]},
                }
            ],
            "'Not' has the members Condition",
        ),
        (
            [
                {
                    "Name": "C",
                    "Type": "Condition",
                    "Arguments": {"Conditions": [CONDITION], "IfSteps": [{"Name": "L", "Type": "EMR"}]},
                }
            ],
            "'L' is of type 'EMR'",
        ),
        ([{"Type": "Processing"}], "'Name'"),
        ([{"Name": "L", "Type": "Lambda"}], "'FunctionArn'"),
        ([function("L", Colour="Hue")], "'Colour' of step 'L' has type 'Hue'; known are String"),
        ([function("L", {"x": {"Get": "Parameters.Nope"}})], "Step 'L'.*'Nope'"),
        (
            [function("L", Uri="String"), processing("A", {"x": {"Get": "Steps.L.OutputParameters['Url']"}})],
            "names the output 'Url', but step 'L' has Uri",
        ),
        ([function("L"), processing("A", {"x": {"Get": "Steps.L.Outputs['Uri']"}})], "no property 'Outputs'"),
        ([TUNING, processing("A", {"x": {"Get": "Steps.Tune.ModelArtifacts.S3ModelArtifacts"}})], "'ModelArtifacts'"),
        (
            [TUNING, processing("A", {"x": {"Get": "Steps.Tune.TrainingJobSummaries[0].Colour"}})],
            "a Tuning step has no property 'Colour'",
        ),
    ],
)
def test_names_what_cannot_be_run(steps: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        read(definition(*steps))


@pytest.mark.parametrize(
    "path",
    [
        "Steps.Tune.TrainingJobSummaries[0].TrainingJobName",
        "Steps.Tune.BestTrainingJob.TrainingJobName",
        "Steps.Tune.BestTrainingJob.TunedHyperParameters['learning-rate']",
        "Steps.Tune.HyperParameterTuningJobName",
        "Steps.L.OutputParameters['Uri']",
    ],
)
def test_what_a_step_gives_can_be_referred_to_and_is_waited_for(path: str) -> None:
    read_ = read(definition(TUNING, function("L", Uri="String"), processing("A", {"x": {"Get": path}})))
    assert read_.steps["A"].after == {path.split(".")[1]}


def test_a_function_named_by_a_step_is_waited_for() -> None:
    late = {**function("L"), "FunctionArn": {"Get": "Steps.First.OutputParameters['Arn']"}}
    assert read(definition(function("First", Arn="String"), late)).steps["L"].after == {"First"}


def test_no_json_is_no_definition() -> None:
    with pytest.raises(DefinitionError, match="Unable to parse pipeline definition"):
        read("{")


PARAMETERS = [
    {"Name": "Text", "Type": "String"},
    {"Name": "Count", "Type": "Integer", "DefaultValue": 2},
    {"Name": "Rate", "Type": "Float", "DefaultValue": 1},
    {"Name": "Flag", "Type": "Boolean", "DefaultValue": False},
    {"Name": "Kind", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
]


def test_parameters_are_typed_and_defaulted() -> None:
    bound = read(definition(processing("A"), parameters=PARAMETERS)).bind(
        {"Text": "x", "Rate": "0.5", "Flag": "true", "Kind": "b"}
    )
    assert bound == {"Text": "x", "Count": 2, "Rate": 0.5, "Flag": True, "Kind": "b"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Parameter 'Text' is undefined"),
        ({"Text": "x", "Other": "1"}, "Unknown parameter 'Other'"),
        ({"Text": ""}, "too short"),
        ({"Text": "x", "Count": "2.5"}, "'Count'. Expected Integer but found '2.5'"),
        ({"Text": "x", "Rate": "fast"}, "'Rate'. Expected Float"),
        ({"Text": "x", "Rate": "nan"}, "'Rate'. Expected Float"),
        ({"Text": "x", "Flag": "yes"}, "'Flag'. Expected Boolean"),
        ({"Text": "x", "Kind": "c"}, "one of a, b"),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        read(definition(processing("A"), parameters=PARAMETERS)).bind(given)


@pytest.mark.parametrize(
    "declared",
    [
        {"Name": "P", "Type": "List"},
        {"Name": "P", "Type": "Integer", "DefaultValue": "5"},
        {"Name": "P", "Type": "Float", "DefaultValue": True},
    ],
)
def test_a_badly_declared_parameter_is_named(declared: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="'P'"):
        read(definition(processing("A"), parameters=[declared]))
