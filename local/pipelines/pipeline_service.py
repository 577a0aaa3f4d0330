"""SageMaker Pipelines of the embedded cloud: executions of the stored definition, and the jobs they create."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from local.core import requests
from local.core.api import ApiError, Cloud
from local.jobs.job_service import JobService
from local.pipelines import pipeline_definition
from local.pipelines.execution import Execution
from local.pipelines.step import DefinitionError

_PAGE = 100


class PipelineService:
    """Starts, describes, lists, stops and retries executions; and everything of `JobService`.

    The pipeline itself is kept by the control plane: a start reads its definition with DescribePipeline, checks all of
    it, and the execution keeps to what was read. Executions last as long as this process.
    """

    OPERATIONS = JobService.OPERATIONS | {
        "DescribePipelineDefinitionForExecution",
        "DescribePipelineExecution",
        "ListPipelineExecutionSteps",
        "ListPipelineExecutions",
        "ListPipelineParametersForExecution",
        "RetryPipelineExecution",
        "StartPipelineExecution",
        "StopPipelineExecution",
    }

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._jobs = JobService(cloud)
        self._executions: dict[str, Execution] = {}
        self._tokens: dict[tuple[str, str], Execution] = {}
        self._lock = threading.Lock()
        self._answers = {
            "DescribePipelineDefinitionForExecution": self._definition,
            "DescribePipelineExecution": self._describe,
            "ListPipelineExecutionSteps": self._steps,
            "ListPipelineExecutions": self._list,
            "ListPipelineParametersForExecution": self._parameters,
            "RetryPipelineExecution": self._retry,
            "StartPipelineExecution": self._start,
            "StopPipelineExecution": self._stop,
        }

    def handle(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one of `OPERATIONS`.

        Args:
            operation: such as `StartPipelineExecution`.
            request: its members by the names of the service model; timestamps in epoch seconds.

        Returns:
            The response's members; timestamps in epoch seconds.

        Raises:
            ApiError: what the API answers instead.
        """
        if operation in JobService.OPERATIONS:
            return self._jobs.handle(operation, request)
        requests.check(operation, request)
        return self._answers[operation](request)

    def shutdown(self) -> None:
        """Stop every execution and kill every process it started."""
        with self._lock:
            running = [execution for execution in self._executions.values() if execution.stop()]
        self._jobs.shutdown()
        for execution in running:
            execution.wait(1)

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if "SelectiveExecutionConfig" in request:
            raise ApiError("ValidationException", "SelectiveExecutionConfig is not supported on the laptop.")
        pipeline = self._pipeline(request["PipelineName"])
        key = pipeline["PipelineArn"], request["ClientRequestToken"]
        with self._lock:
            earlier = self._tokens.get(key)
            execution = earlier or self._tokens.setdefault(key, self._new(pipeline, request))
            self._executions[execution.arn] = execution
        if earlier is None:
            execution.start()
        elif _same(request) != _same(earlier.request):
            raise ApiError(
                "ConflictException",
                f"The ClientRequestToken was already used to start {earlier.arn} with other parameters.",
            )
        return {"PipelineExecutionArn": execution.arn}

    def _new(self, pipeline: Mapping[str, Any], request: Mapping[str, Any]) -> Execution:
        given = [(p["Name"], p["Value"]) for p in request.get("PipelineParameters", ())]
        if len(dict(given)) < len(given):
            raise ApiError("ValidationException", "PipelineParameters names a parameter twice.")
        try:
            checked = pipeline_definition.read(pipeline["PipelineDefinition"])
            parameters = checked.bind(dict(given))
        except DefinitionError as error:
            raise ApiError("ValidationException", str(error)) from error
        return Execution(
            cloud=self._cloud,
            jobs=self._jobs,
            pipeline=pipeline,
            definition=checked,
            parameters=parameters,
            request=request,
        )

    def _pipeline(self, name: str) -> dict[str, Any]:
        name = name.rsplit("/", 1)[-1]
        try:
            return self._cloud.registry("DescribePipeline", {"PipelineName": name})
        except ApiError as error:
            raise ApiError("ResourceNotFound", f"Pipeline '{name}' does not exist.") from error

    def _find(self, request: Mapping[str, Any]) -> Execution:
        arn = request.get("PipelineExecutionArn", "")
        with self._lock:
            execution = self._executions.get(arn)
        if execution is None:
            raise ApiError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
        return execution

    def _describe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._find(request)
        limits = execution.request.get("ParallelismConfiguration")
        answer = {
            "PipelineArn": execution.pipeline["PipelineArn"],
            "PipelineExecutionArn": execution.arn,
            "PipelineExecutionDisplayName": execution.display_name,
            "PipelineExecutionDescription": execution.request.get("PipelineExecutionDescription"),
            "PipelineExecutionStatus": execution.status,
            "FailureReason": execution.failure_reason,
            "CreationTime": execution.created,
            "LastModifiedTime": execution.modified,
            "ParallelismConfiguration": limits or execution.pipeline.get("ParallelismConfiguration"),
        }
        return {key: value for key, value in answer.items() if value}

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        arn = self._pipeline(request["PipelineName"])["PipelineArn"]
        after, before = request.get("CreatedAfter", 0), request.get("CreatedBefore", float("inf"))
        with self._lock:
            executions = [e for e in self._executions.values() if e.pipeline["PipelineArn"] == arn]
        by_arn = request.get("SortBy") == "PipelineExecutionArn"
        executions = sorted(
            (e for e in executions if after < e.created < before),
            key=lambda e: e.arn if by_arn else e.created,
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        summaries = [
            {
                "PipelineExecutionArn": e.arn,
                "PipelineExecutionDisplayName": e.display_name,
                "PipelineExecutionStatus": e.status,
                "StartTime": e.created,
                **{
                    name: value
                    for name, value in (
                        ("PipelineExecutionDescription", e.request.get("PipelineExecutionDescription")),
                        ("PipelineExecutionFailureReason", e.failure_reason),
                    )
                    if value
                },
            }
            for e in executions
        ]
        return requests.page(summaries, request, "PipelineExecutionSummaries", _PAGE)

    def _steps(self, request: Mapping[str, Any]) -> dict[str, Any]:
        steps = self._find(request).steps()
        if request.get("SortOrder", "Descending") == "Descending":
            steps.reverse()
        return requests.page(steps, request, "PipelineExecutionSteps", _PAGE)

    def _parameters(self, request: Mapping[str, Any]) -> dict[str, Any]:
        given = self._find(request).request.get("PipelineParameters", ())
        return requests.page(given, request, "PipelineParameters", _PAGE)

    def _definition(self, request: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._find(request)
        return {"PipelineDefinition": execution.pipeline["PipelineDefinition"], "CreationTime": execution.created}

    def _stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._find(request)
        if not execution.stop():
            raise ApiError(
                "ConflictException", f"Pipeline execution {execution.arn} cannot be stopped: it is {execution.status}."
            )
        return {"PipelineExecutionArn": execution.arn}

    def _retry(self, request: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._find(request)
        if not execution.retry():
            raise ApiError(
                "ConflictException",
                f"Pipeline execution {execution.arn} cannot be retried: it is {execution.status}, and only a failed or "
                "stopped one can.",
            )
        return {"PipelineExecutionArn": execution.arn}


def _same(request: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a start request that must be equal for two starts to be one."""
    parameters = sorted((p["Name"], p["Value"]) for p in request.get("PipelineParameters", ()))
    rest = {k: v for k, v in request.items() if k not in {"PipelineName", "PipelineParameters"}}
    return {**rest, "parameters": parameters}
