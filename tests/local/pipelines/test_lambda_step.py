"""A Lambda step calls its function as the pipeline's role; later steps refer to what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.pipelines.pipeline_service import PipelineService
from tests.local.fake_cloud import ACCOUNT, PIPELINE_ROLE, REGION, FakeCloud
from tests.local.pipelines.run_pipelines import Runner, fail, get, join

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:find"


def step(name: str = "Find", arguments: dict[str, Any] | None = None, **outputs: str) -> dict[str, Any]:
    parameters = [{"OutputName": output, "OutputType": kind} for output, kind in outputs.items()]
    made = {"Name": name, "Type": "Lambda", "Arguments": arguments or {}, "FunctionArn": ARN}
    return {**made, "OutputParameters": parameters}


@pytest.fixture
def runner(cloud: FakeCloud, pipelines: PipelineService) -> Runner:
    return Runner(cloud, pipelines)


def test_the_answers_members_are_the_steps_output_parameters(runner: Runner, cloud: FakeCloud) -> None:
    events: list[Any] = []

    def find(event: Any) -> Any:
        events.append(event)
        return {"Uri": "s3://b/model", "Versions": 3, "Auc": 1, "Fresh": False, "more": [1]}

    cloud.functions[ARN] = find
    message = join(*(get(f"Steps.Find.OutputParameters['{name}']") for name in ("Uri", "Versions", "Fresh")), on=" ")
    _, steps = runner.run(
        step(
            arguments={"group": get("Parameters.Group"), "execution": join("of", get("Execution.PipelineName"))},
            Uri="String",
            Versions="Integer",
            Auc="Float",
            Fresh="Boolean",
        ),
        fail("Show", message),
        parameters=[{"Name": "Group", "Type": "String", "DefaultValue": "g"}],
    )
    assert events == [{"group": "g", "execution": "of/p"}]
    assert steps["Show"]["FailureReason"] == "s3://b/model 3 false"
    assert steps["Find"]["StepStatus"] == "Succeeded"
    assert steps["Find"]["Metadata"] == {
        "Lambda": {
            "Arn": ARN,
            "OutputParameters": [
                {"Name": "Uri", "Value": "s3://b/model"},
                {"Name": "Versions", "Value": "3"},
                {"Name": "Auc", "Value": "1"},
                {"Name": "Fresh", "Value": "false"},
            ],
        }
    }


def raises(event: Any) -> Any:
    raise ValueError("the group is gone")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (raises, "find failed (Unhandled): ValueError: the group is gone"),
        (lambda event: {"Other": 1}, "output parameter 'Uri' is not in the answer of"),
        (lambda event: {"Uri": None}, "output parameter 'Uri' is not in the answer of"),
        (lambda event: {"Uri": 1}, "output parameter 'Uri' of arn:aws:lambda:us-east-1:123456789012:function:find is"),
        (lambda event: ["s3://b"], "must be an object"),
        (lambda event: None, "must be an object"),
        (lambda event: b"{", "is not valid JSON"),
    ],
)
def test_another_answer_fails_the_step(
    runner: Runner, cloud: FakeCloud, function: Callable[[Any], Any], said: str
) -> None:
    cloud.functions[ARN] = function
    status, steps = runner.run(step(Uri="String"))
    assert status == "Failed"
    assert said in steps["Find"]["FailureReason"]
    assert steps["Find"]["FailureReason"].startswith("ClientError: ")


@pytest.mark.parametrize(("kind", "wrong"), [("Integer", True), ("Boolean", 1), ("Integer", 1.5), ("Float", "1")])
def test_a_value_of_another_type_fails_the_step(runner: Runner, cloud: FakeCloud, kind: str, wrong: Any) -> None:
    cloud.functions[ARN] = lambda event: {"X": wrong}
    _, steps = runner.run(step(X=kind))
    assert f"is not of type {kind}: {wrong!r}" in steps["Find"]["FailureReason"]


def test_the_pipelines_role_must_be_allowed_to_call_it(runner: Runner, cloud: FakeCloud) -> None:
    cloud.functions[ARN] = lambda event: {}
    cloud.denied.add((PIPELINE_ROLE, "lambda:InvokeFunction"))
    _, steps = runner.run(step())
    reason = steps["Find"]["FailureReason"]
    assert reason.startswith("ClientError: Failed to invoke lambda:InvokeFunction. Error Details: User: ")
    assert "(AccessDeniedException)" in reason


def test_a_function_that_does_not_exist_is_named(runner: Runner) -> None:
    _, steps = runner.run(step())
    assert f"Function not found: {ARN} (ResourceNotFoundException)" in steps["Find"]["FailureReason"]
