"""Pipelines of small steps, and what runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.pipelines.pipeline_service import PipelineService
from tests.local.fake_cloud import (
    FakeCloud,
    processing_request,
    wait_for,
)

TOKEN = "t" * 32


def get(path: str) -> dict[str, Any]:
    return {"Get": path}


def join(*values: Any, on: str = "/") -> dict[str, Any]:
    return {"Std:Join": {"On": on, "Values": [*values]}}


def processing(name: str, script: str, *arguments: Any, step: Mapping[str, Any] | None = None, **more: Any) -> Any:
    request = processing_request(script, *arguments, **more)
    return {"Name": name, "Type": "Processing", "Arguments": request, **(step or {})}


def fail(name: str, message: Any, **step: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **step}


class Runner:
    """Stores a definition, starts it and follows it, all through the API's operations."""

    def __init__(self, cloud: FakeCloud, service: PipelineService) -> None:
        self.cloud, self.service = cloud, service

    def store(self, *steps: Any, parameters: list[dict[str, Any]] | None = None) -> None:
        self.cloud.store("p", {"Version": "2020-12-01", "Parameters": parameters or [], "Steps": [*steps]})

    def start(self, token: str = TOKEN, parameters: Mapping[str, str] | None = None, **more: Any) -> str:
        request = {"PipelineName": "p", "ClientRequestToken": token, **more}
        if parameters is not None:
            request["PipelineParameters"] = [{"Name": k, "Value": v} for k, v in parameters.items()]
        arn: str = self.service.handle("StartPipelineExecution", request)["PipelineExecutionArn"]
        return arn

    def ask(self, operation: str, arn: str, **more: Any) -> dict[str, Any]:
        return self.service.handle(operation, {"PipelineExecutionArn": arn, **more})

    def describe(self, arn: str) -> dict[str, Any]:
        return self.ask("DescribePipelineExecution", arn)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        listed = self.ask("ListPipelineExecutionSteps", arn)["PipelineExecutionSteps"]
        return {step["StepName"]: step for step in listed}

    def end(self, arn: str) -> str:
        running = {"Executing", "Stopping"}
        wait_for(lambda: self.describe(arn)["PipelineExecutionStatus"] not in running)
        status: str = self.describe(arn)["PipelineExecutionStatus"]
        return status

    def run(self, *steps: Any, parameters: list[dict[str, Any]] | None = None, **given: str) -> tuple[str, Any]:
        """Status at the end, and the steps."""
        self.store(*steps, parameters=parameters)
        arn = self.start(parameters=given)
        return self.end(arn), self.steps(arn)


PARAMETERS = [
    {"Name": "Uri", "Type": "String"},
    {"Name": "Epochs", "Type": "Integer", "DefaultValue": 3},
    {"Name": "MinAuc", "Type": "Float", "DefaultValue": 0.9},
]
