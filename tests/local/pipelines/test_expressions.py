"""Expressions evaluate as SageMaker Pipelines evaluates them, and say what they refer to when they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from local.pipelines.expressions import ExpressionError, Scope, evaluate, holds, look_up, references, tokens

REPORT = {"metrics": {"auc": {"value": 0.97}, "a key": [10, 20]}, "passed": True, "message": "fine"}


@pytest.fixture
def scope() -> Scope:
    return Scope(
        parameters={"Epochs": 5, "Rate": 0.001, "Uri": "s3://b/a.zip", "Fast": True},
        execution={"PipelineExecutionId": "abc123"},
        properties={
            "Prepare": {
                "ProcessingOutputConfig": {"Outputs": [{"OutputName": "train", "S3Output": {"S3Uri": "s3://b/t"}}]}
            },
            "Train": {
                "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
                "FinalMetricDataList": [{"MetricName": "val:auc", "Value": 0.9}],
                "HyperParameters": {"batch-size": "64"},
            },
        },
        property_file=lambda step, name: {("Evaluate", "Report"): REPORT}[step, name],
        json_at={"s3://b/x/r.json": {"n": 1}}.__getitem__,
    )


def json_get(path: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"}, "Path": path}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Get": "Parameters.Epochs"}, 5),
        ({"Get": "Execution.PipelineExecutionId"}, "abc123"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"}, "s3://b/t"),
        ({"Get": 'Steps.Prepare.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri'}, "s3://b/t"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs[0].OutputName"}, "train"),
        ({"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}, "s3://b/model.tar.gz"),
        ({"Get": "Steps.Train.FinalMetricDataList['val:auc'].Value"}, 0.9),
        ({"Get": "Steps.Train.HyperParameters['batch-size']"}, "64"),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Execution.PipelineExecutionId"}, "x"]}}, "s3://abc123/x"),
        ({"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Rate"}]}}, "0.001"),
        ({"Std:Join": {"On": " ", "Values": [{"Get": "Parameters.Fast"}, 1]}}, "true 1"),
        (json_get("metrics.auc.value"), 0.97),
        (json_get("$.metrics.auc.value"), 0.97),
        (json_get("metrics['a key'][1]"), 20),
        (
            {"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "/", "Values": ["s3://b/x", "r.json"]}}, "Path": "n"}},
            1,
        ),
        (
            {"a": [{"Get": "Parameters.Uri"}, {"b": "literal"}], "c": None},
            {"a": ["s3://b/a.zip", {"b": "literal"}], "c": None},
        ),
    ],
)
def test_evaluates(expression: Any, value: Any, scope: Scope) -> None:
    assert evaluate(expression, scope) == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ({"Get": "Parameters.Nope"}, "Parameters.Nope.*no 'Nope'"),
        ({"Get": "Steps.Train.ModelArtifacts.Other"}, "no 'Other'"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['test'].S3Output"}, "no 'test'"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs[4]"}, "no '4'"),
        ({"Get": "Secrets.Key"}, "'Secrets.Key' is not supported"),
        ({"Std:Lower": {"Value": "A"}}, "'Std:Lower' is not supported"),
        (json_get("metrics.nope.value"), "'metrics.nope.value' is undefined"),
        ({"Std:Join": {"On": "", "Values": [{"Get": "Steps.Train.ModelArtifacts"}]}}, "an object or a list"),
    ],
)
def test_names_what_is_undefined_or_unsupported(expression: Any, said: str, scope: Scope) -> None:
    with pytest.raises(ExpressionError, match=said):
        evaluate(expression, scope)


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a['x", "a b", "a[x]"])
def test_a_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(ExpressionError):
        tokens(path)


def test_a_lookup_by_position_does_not_read_an_object() -> None:
    with pytest.raises(ExpressionError):
        look_up({"a": {"b": 1}}, ["a", 0], "a[0]")


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        (compare("GreaterThanOrEqualTo", json_get("metrics.auc.value"), {"Get": "Parameters.Rate"}), True),
        (compare("GreaterThan", 1, 1.0), False),
        (compare("GreaterThanOrEqualTo", 1, 1.0), True),
        (compare("LessThan", 1, 2), True),
        (compare("LessThanOrEqualTo", 3, 2), False),
        (compare("Equals", "a", "a"), True),
        (compare("Equals", 1, 1.0), True),
        (compare("Equals", json_get("passed"), True), True),
        ({"Type": "In", "QueryValue": {"Get": "Parameters.Epochs"}, "Values": [1, {"Get": "Parameters.Epochs"}]}, True),
        ({"Type": "In", "QueryValue": "x", "Values": ["y"]}, False),
        ({"Type": "Not", "Condition": compare("Equals", 1, 1)}, False),
        ({"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", 2, 2)]}, True),
        ({"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", 2, 3)]}, False),
    ],
)
def test_conditions(condition: dict[str, Any], outcome: bool, scope: Scope) -> None:
    assert holds(condition, scope) is outcome


@pytest.mark.parametrize(
    "condition",
    [
        compare("GreaterThan", "0.97", 0.9),
        compare("GreaterThan", True, 0),
        compare("GreaterThan", "b", "a"),
        compare("GreaterThan", float("nan"), 0.9),
        compare("Equals", "1", 1),
        compare("Equals", True, 1),
        {"Type": "In", "QueryValue": 1, "Values": ["1"]},
        compare("Matches", 1, 1),
    ],
)
def test_a_comparison_that_means_nothing_is_an_error_and_not_false(condition: dict[str, Any], scope: Scope) -> None:
    # A gate that silently evaluates to false, or to true, would be worse than a failed step.
    with pytest.raises(ExpressionError):
        holds(condition, scope)


def test_references_are_found_inside_functions() -> None:
    value = {"a": [{"Std:Join": {"On": "", "Values": [{"Get": "Steps.A.X"}]}}, json_get("p"), {"Get": "Parameters.P"}]}
    assert list(references(value)) == [
        ["Steps", "A", "X"],
        ["Steps", "Evaluate", "PropertyFiles", "Report"],
        ["Parameters", "P"],
    ]
