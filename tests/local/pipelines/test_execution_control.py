"""Executions are started, stopped, retried and described as SageMaker does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.parsers import create_parser

from local.core.api import ApiError
from local.jobs.job_service import JobService
from local.pipelines.pipeline_service import PipelineService
from tests.local.fake_cloud import (
    ACCOUNT,
    REGION,
    FakeCloud,
    wait_for,
)
from tests.local.pipelines.run_pipelines import PARAMETERS, TOKEN, Runner, fail, processing


class TestStart:
    def test_nothing_runs_when_something_is_unsupported(self, runner: Runner, cloud: FakeCloud) -> None:
        runner.store(processing("A", "true"), {"Name": "T", "Type": "Transform", "Arguments": {}})
        with pytest.raises(ApiError, match="'T' is of type 'Transform'") as refused:
            runner.start()
        assert refused.value.code == "ValidationException"
        assert (
            runner.service.handle("ListPipelineExecutions", {"PipelineName": "p"})["PipelineExecutionSummaries"] == []
        )
        assert cloud.authorized == []

    def test_wrong_parameters_are_reported(self, runner: Runner) -> None:
        runner.store(processing("A", "true"), parameters=PARAMETERS)
        for parameters, said in (
            ({}, "Parameter 'Uri' is undefined"),
            ({"Uri": "x", "No": "1"}, "Unknown parameter 'No'"),
            ({"Uri": "x", "Epochs": "many"}, "Unexpected type for parameter 'Epochs'"),
        ):
            with pytest.raises(ApiError, match=said):
                runner.start(parameters=parameters)

    def test_one_token_is_one_execution(self, runner: Runner) -> None:
        runner.store(processing("A", "true"), parameters=PARAMETERS)
        first = runner.start(parameters={"Uri": "x", "Epochs": "1"})
        assert runner.start(parameters={"Epochs": "1", "Uri": "x"}) == first, "the order of parameters means nothing"
        assert runner.start(token="u" * 32, parameters={"Uri": "x", "Epochs": "1"}) != first
        with pytest.raises(ApiError, match="already used") as refused:
            runner.start(parameters={"Uri": "y", "Epochs": "1"})
        assert refused.value.code == "ConflictException"

    @pytest.mark.parametrize("token", ["short", "x" * 129])
    def test_a_token_has_32_to_128_characters(self, runner: Runner, token: str) -> None:
        runner.store(processing("A", "true"))
        with pytest.raises(ApiError, match="ClientRequestToken"):
            runner.start(token=token)

    def test_a_failed_start_does_not_use_up_its_token(self, runner: Runner) -> None:
        runner.store(processing("A", "true"), parameters=PARAMETERS)
        with pytest.raises(ApiError):
            runner.start(parameters={})
        assert runner.start(parameters={"Uri": "x"})

    def test_an_unknown_pipeline_is_not_found(self, runner: Runner) -> None:
        with pytest.raises(ApiError, match="Pipeline 'p' does not exist") as refused:
            runner.start()
        assert refused.value.code == "ResourceNotFound"

    def test_a_running_execution_keeps_its_definition(self, runner: Runner) -> None:
        runner.store(processing("A", "sleep 0.5"))
        arn = runner.start(PipelineExecutionDisplayName="first", PipelineExecutionDescription="d")
        runner.store(processing("B", "false"))
        assert runner.end(arn) == "Succeeded"
        body = runner.ask("DescribePipelineDefinitionForExecution", arn)["PipelineDefinition"]
        assert json.loads(body)["Steps"][0]["Name"] == "A"
        assert runner.describe(arn)["PipelineExecutionDisplayName"] == "first"


class TestStopAndRetry:
    def test_stopping_kills_running_jobs_and_starts_nothing_more(self, runner: Runner) -> None:
        runner.store(processing("A", "sleep 300"), processing("B", "true", step={"DependsOn": ["A"]}))
        arn = runner.start()
        wait_for(lambda: runner.steps(arn).get("A", {}).get("StepStatus") == "Executing")
        assert runner.ask("StopPipelineExecution", arn, ClientRequestToken=TOKEN) == {"PipelineExecutionArn": arn}
        assert runner.describe(arn)["PipelineExecutionStatus"] in {"Stopping", "Stopped"}
        assert runner.end(arn) == "Stopped"
        steps = runner.steps(arn)
        assert {name: step["StepStatus"] for name, step in steps.items()} == {"A": "Stopped"}
        job = steps["A"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[-1]
        described = runner.service.handle("DescribeProcessingJob", {"ProcessingJobName": job})
        assert described["ProcessingJobStatus"] == "Stopped"
        with pytest.raises(ApiError, match="it is Stopped") as refused:
            runner.ask("StopPipelineExecution", arn, ClientRequestToken=TOKEN)
        assert refused.value.code == "ConflictException"

    def test_a_job_stopped_on_its_own_fails_its_step(self, runner: Runner) -> None:
        runner.store(processing("A", "sleep 300"))
        arn = runner.start()
        wait_for(lambda: runner.steps(arn).get("A", {}).get("StepStatus") == "Executing")
        job = runner.steps(arn)["A"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[-1]
        runner.service.handle("StopProcessingJob", {"ProcessingJobName": job})
        assert runner.end(arn) == "Failed"
        assert "was stopped" in runner.steps(arn)["A"]["FailureReason"]

    def test_a_step_that_fails_inside_fails_the_execution_with_the_reason(
        self, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_given: object) -> None:
            raise OSError(28, "No space left on device", "/laptop/jobs")

        monkeypatch.setattr(JobService, "create", broken)
        status, steps = runner.run(processing("A", "true"))
        assert (status, steps["A"]["StepStatus"]) == ("Failed", "Failed")
        assert steps["A"]["FailureReason"] == (
            "InternalServerError: We encountered an internal error. The laptop's disk is full ([Errno 28] No space "
            "left on device: '/laptop/jobs'): free some space and try again."
        )

    def test_shutdown_ends_executions(self, cloud: FakeCloud) -> None:
        service = PipelineService(cloud)
        runner = Runner(cloud, service)
        runner.store(processing("A", "sleep 300"))
        arn = runner.start()
        wait_for(lambda: runner.steps(arn).get("A", {}).get("StepStatus") == "Executing")
        service.shutdown()
        assert runner.describe(arn)["PipelineExecutionStatus"] == "Stopped"

    def test_a_retry_keeps_what_succeeded(self, runner: Runner, tmp_path: Path) -> None:
        runner.store(
            processing("A", f"echo x >> {tmp_path}/a"),
            processing("B", f"test -e {tmp_path}/mended", step={"DependsOn": ["A"]}),
        )
        arn = runner.start()
        assert runner.end(arn) == "Failed"
        (tmp_path / "mended").touch()
        assert runner.ask("RetryPipelineExecution", arn, ClientRequestToken=TOKEN) == {"PipelineExecutionArn": arn}
        assert runner.end(arn) == "Succeeded"
        assert (tmp_path / "a").read_text() == "x\n"
        assert runner.steps(arn)["B"]["AttemptCount"] == 2
        with pytest.raises(ApiError, match="it is Succeeded"):
            runner.ask("RetryPipelineExecution", arn, ClientRequestToken=TOKEN)


class TestAnswers:
    def test_lists_are_sorted_filtered_and_paged(self, runner: Runner) -> None:
        runner.store(processing("A", "true"), fail("B", "x"))
        arns = [runner.start(token=letter * 32) for letter in "abc"]
        for arn in arns:
            runner.end(arn)

        def listed(**request: Any) -> list[str]:
            answer = runner.service.handle("ListPipelineExecutions", {"PipelineName": "p", **request})
            return [summary["PipelineExecutionArn"] for summary in answer["PipelineExecutionSummaries"]]

        assert listed() == arns[::-1]
        assert listed(SortOrder="Ascending") == arns
        assert listed(SortBy="PipelineExecutionArn", SortOrder="Ascending") == sorted(arns)
        created = runner.describe(arns[1])["CreationTime"]
        assert listed(CreatedAfter=created) == [arns[2]]
        assert listed(CreatedBefore=created) == [arns[0]]
        steps = runner.ask("ListPipelineExecutionSteps", arns[0], MaxResults=1, SortOrder="Ascending")
        assert [step["StepName"] for step in steps["PipelineExecutionSteps"]] == ["A"]
        rest = runner.ask("ListPipelineExecutionSteps", arns[0], SortOrder="Ascending", NextToken=steps["NextToken"])
        assert [step["StepName"] for step in rest["PipelineExecutionSteps"]] == ["B"]

    def test_every_answer_is_what_botocore_parses(self, runner: Runner) -> None:
        runner.store(processing("A", "true"), fail("B", "why"), parameters=PARAMETERS)
        arn = runner.start(parameters={"Uri": "x"})
        runner.end(arn)
        model = boto3.client("sagemaker", region_name=REGION).meta.service_model
        for operation in (
            "DescribePipelineDefinitionForExecution",
            "DescribePipelineExecution",
            "ListPipelineExecutionSteps",
            "ListPipelineParametersForExecution",
            "ListPipelineExecutions",
        ):
            request = {"PipelineName": "p"} if operation == "ListPipelineExecutions" else {"PipelineExecutionArn": arn}
            answer = runner.service.handle(operation, request)
            shape = model.operation_model(operation).output_shape
            body = {"status_code": 200, "headers": {}, "body": json.dumps(answer).encode()}
            parsed = create_parser("json").parse(body, shape)
            for member in answer:
                assert len(parsed[member] or []) == len(answer[member]) if isinstance(answer[member], list) else True
            assert set(answer) <= set(parsed)
        assert runner.ask("ListPipelineParametersForExecution", arn)["PipelineParameters"] == [
            {"Name": "Uri", "Value": "x"}
        ]

    def test_status_changes_are_events(self, runner: Runner, cloud: FakeCloud) -> None:
        runner.store(processing("A", "false"))
        runner.end(runner.start())
        wait_for(lambda: len(cloud.events) == 2)
        assert [detail["currentPipelineExecutionStatus"] for _, detail in cloud.events] == ["Executing", "Failed"]

    def test_an_unknown_execution_is_not_found(self, runner: Runner) -> None:
        with pytest.raises(ApiError, match="does not exist"):
            runner.describe(f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/p/execution/none")
