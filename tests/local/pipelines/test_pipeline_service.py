"""Executions run what the stored definition says, as the pipeline's role, and tell about it as SageMaker does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.parsers import create_parser

from local.core.api import ApiError
from local.pipelines.pipeline_service import PipelineService
from tests.local.fake_cloud import (
    ACCOUNT,
    PIPELINE_ROLE,
    REGION,
    STEP_ROLE,
    FakeCloud,
    processing_request,
    put_source,
    s3_input,
    s3_outputs,
    text_at,
    training_request,
    tuning_request,
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


def condition(name: str, *conditions: Any, then: list[Any] | None = None, otherwise: list[Any] | None = None) -> Any:
    arguments = {"Conditions": [*conditions], "IfSteps": then or [], "ElseSteps": otherwise or []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def fail(name: str, message: Any, **step: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **step}


EQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
UNEQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 2}


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


@pytest.fixture
def runner(cloud: FakeCloud, pipelines: PipelineService) -> Runner:
    return Runner(cloud, pipelines)


PARAMETERS = [
    {"Name": "Uri", "Type": "String"},
    {"Name": "Epochs", "Type": "Integer", "DefaultValue": 3},
    {"Name": "MinAuc", "Type": "Float", "DefaultValue": 0.9},
]
AUC = {
    "Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"), "Path": "metrics['auc'].value"},
}


def model_pipeline(auc: str = "0.95") -> list[Any]:
    """Prepare, train, evaluate, and register or fail: every kind of step and reference in one."""
    channel = get("Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri")
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": channel}}, "ChannelName": "train"}
    model = get("Steps.Train.ModelArtifacts.S3ModelArtifacts")
    executions = join("s3://data/executions", get("Execution.PipelineExecutionId"), "train")
    return [
        processing(
            "Prepare",
            'cd $SAGEMAKER_BASE_DIR/processing && cat input/archive/* > output/train/x && echo "$1" >> output/train/x',
            get("Parameters.Uri"),
            ProcessingInputs=[s3_input("archive", get("Parameters.Uri"))],
            ProcessingOutputConfig=s3_outputs(train=executions),
        ),
        {
            "Name": "Train",
            "Type": "Training",
            "Arguments": training_request({"epochs": join(get("Parameters.Epochs"), on="")}, InputDataConfig=[source]),
        },
        processing(
            "Evaluate",
            "cd $SAGEMAKER_BASE_DIR/processing && tar -xzf input/model/model.tar.gz -C output/evaluation"
            f' && echo \'{{"metrics": {{"auc": {{"value": {auc}}}}}}}\' > output/evaluation/evaluation.json',
            step={
                "PropertyFiles": [
                    {"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}
                ]
            },
            ProcessingInputs=[s3_input("model", model)],
            ProcessingOutputConfig=s3_outputs(evaluation="s3://data/evaluation"),
        ),
        condition(
            "Check",
            {"Type": "GreaterThanOrEqualTo", "LeftValue": AUC, "RightValue": get("Parameters.MinAuc")},
            then=[
                {
                    "Name": "Register",
                    "Type": "RegisterModel",
                    "Arguments": {
                        "ModelPackageGroupName": "g",
                        "ModelApprovalStatus": "PendingManualApproval",
                        "CustomerMetadataProperties": {"execution": get("Execution.PipelineExecutionArn")},
                        "InferenceSpecification": {
                            "Containers": [{"Image": "i", "ModelDataUrl": model}],
                            "SupportedContentTypes": ["image/png"],
                            "SupportedResponseMIMETypes": ["application/json"],
                        },
                    },
                }
            ],
            otherwise=[fail("Rejected", join("AUC is", AUC, "below", get("Parameters.MinAuc"), on=" "))],
        ),
    ]


def put_model_inputs(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="in/archive", Body=b"images ")
    put_source(
        s3,
        train="import os, pathlib, sys\n"
        "data = pathlib.Path(os.environ['SM_CHANNEL_TRAIN'], 'x').read_text()\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'weights').write_text(data + ' '.join(sys.argv[1:]))",
    )


class TestWholePipeline:
    def test_a_good_model_is_registered(self, runner: Runner, cloud: FakeCloud, s3: Any) -> None:
        put_model_inputs(s3)
        status, steps = runner.run(*model_pipeline(), parameters=PARAMETERS, Uri="s3://data/in/archive")
        assert {name: step.get("FailureReason") for name, step in steps.items() if "FailureReason" in step} == {}
        assert status == "Succeeded"
        assert text_at(s3, "evaluation/weights") == "images s3://data/in/archive\n--epochs 3"
        assert [*steps] == ["Register", "Check", "Evaluate", "Train", "Prepare"], "the newest first, no other branch"
        assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "True"}}
        (package,) = cloud.packages
        assert steps["Register"]["Metadata"] == {"RegisterModel": {"Arn": package["ModelPackageArn"]}}
        model = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        assert model.startswith("s3://data/models/pipelines-")
        assert model.endswith("/output/model.tar.gz")
        job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[-1]
        described = runner.service.handle("DescribeTrainingJob", {"TrainingJobName": job})
        assert described["TrainingJobStatus"] == "Completed"
        assert all(step["StartTime"] <= step["EndTime"] and step["AttemptCount"] == 1 for step in steps.values())

    def test_a_bad_model_ends_in_the_fail_step(self, runner: Runner, cloud: FakeCloud, s3: Any) -> None:
        put_model_inputs(s3)
        runner.store(*model_pipeline(auc="0.5"), parameters=PARAMETERS)
        arn = runner.start(parameters={"Uri": "s3://data/in/archive", "MinAuc": "0.75"})
        assert runner.end(arn) == "Failed"
        assert runner.describe(arn)["FailureReason"] == "Step failure: One or multiple steps failed."
        steps = runner.steps(arn)
        assert steps["Rejected"]["FailureReason"] == "AUC is 0.5 below 0.75"
        assert steps["Rejected"]["Metadata"] == {"Fail": {"ErrorMessage": "AUC is 0.5 below 0.75"}}
        assert steps["Check"]["StepStatus"] == "Succeeded"
        assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "False"}}
        assert "Register" not in steps
        assert cloud.packages == []

    def test_a_metric_that_is_no_number_fails_the_condition_step(self, runner: Runner, s3: Any) -> None:
        put_model_inputs(s3)
        status, steps = runner.run(*model_pipeline(auc="NaN"), parameters=PARAMETERS, Uri="s3://data/in/archive")
        assert status == "Failed"
        assert "not valid JSON" in steps["Check"]["FailureReason"]
        assert {"Register", "Rejected"}.isdisjoint(steps)

    def test_what_the_execution_does_is_authorized_as_the_pipelines_role(
        self, runner: Runner, cloud: FakeCloud, s3: Any
    ) -> None:
        put_model_inputs(s3)
        _, steps = runner.run(*model_pipeline(), parameters=PARAMETERS, Uri="s3://data/in/archive")
        asked = {(action, resource) for role, action, resource, _ in cloud.authorized if role == PIPELINE_ROLE}
        job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"]
        assert {
            ("sagemaker:CreateTrainingJob", job),
            ("sagemaker:AddTags", job),
            ("iam:PassRole", STEP_ROLE),
            ("sagemaker:CreateModelPackage", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/g/1"),
        } <= asked
        contexts = [context for _, action, _, context in cloud.authorized if action == "iam:PassRole"]
        assert contexts == [{"iam:PassedToService": "sagemaker.amazonaws.com"}] * 3

    @pytest.mark.parametrize(
        ("grant", "step", "said"),
        [
            (
                (PIPELINE_ROLE, "sagemaker:CreateProcessingJob"),
                "Prepare",
                "Failed to invoke sagemaker:CreateProcessingJob",
            ),
            ((PIPELINE_ROLE, "sagemaker:AddTags"), "Prepare", "sagemaker:AddTags"),
            ((PIPELINE_ROLE, "iam:PassRole"), "Prepare", "iam:PassRole"),
            ((STEP_ROLE, "s3:ListObjectsV2"), "Prepare", "AccessDenied"),
            ((PIPELINE_ROLE, "s3:GetObject"), "Check", "AccessDenied"),
            ((PIPELINE_ROLE, "sagemaker:CreateModelPackage"), "Register", "not authorized"),
        ],
    )
    def test_a_missing_grant_fails_the_step_that_needs_it(
        self, runner: Runner, s3: Any, grant: tuple[str, str], step: str, said: str
    ) -> None:
        put_model_inputs(s3)
        runner.cloud.denied.add(grant)
        status, steps = runner.run(*model_pipeline(), parameters=PARAMETERS, Uri="s3://data/in/archive")
        assert status == "Failed"
        assert said in steps[step]["FailureReason"]
        assert [name for name, run in steps.items() if run["StepStatus"] == "Failed"] == [step]
        assert runner.cloud.packages == []


RATES = {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}]}


def tuning(name: str = "Tune", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Tuning", "Arguments": tuning_request(RATES, **more)}


class TestTuning:
    TRAIN = (
        "import os, pathlib, sys\nrate = sys.argv[sys.argv.index('--rate') + 1]\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'rate').write_text(rate)\nprint(f'auc={rate}')"
    )

    def test_later_steps_take_the_model_of_the_best_job(self, runner: Runner, cloud: FakeCloud, s3: Any) -> None:
        put_source(s3, train=self.TRAIN)
        best = get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName")
        model = join("s3://data/models", best, "output/model.tar.gz")
        step = tuning()
        limits = step["Arguments"]["HyperParameterTuningJobConfig"]["ResourceLimits"]
        limits["MaxNumberOfTrainingJobs"] = get("Parameters.Jobs")
        status, steps = runner.run(
            step,
            processing(
                "Look",
                "cd $SAGEMAKER_BASE_DIR/processing && tar -xzf input/model/model.tar.gz -C output/o",
                ProcessingInputs=[s3_input("model", model)],
                ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
            ),
            fail("Show", join(get("Steps.Tune.BestTrainingJob.TunedHyperParameters['rate']"), on="")),
            parameters=[{"Name": "Jobs", "Type": "Integer", "DefaultValue": 2}],
        )
        assert status == "Failed"
        assert steps["Look"]["StepStatus"] == "Succeeded"
        arn = steps["Tune"]["Metadata"]["TuningJob"]["Arn"]
        prefix, name = arn.rsplit("/", 1)
        assert prefix == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hyper-parameter-tuning-job"
        assert re.fullmatch(r"[a-z0-9]{12}-Tune-[A-Za-z0-9]{10}", name)
        request = {"HyperParameterTuningJobName": name}
        listed = runner.service.handle("ListTrainingJobsForHyperParameterTuningJob", request)["TrainingJobSummaries"]
        rates = [item["TunedHyperParameters"]["rate"] for item in listed]
        assert len(rates) == 2
        assert text_at(s3, "o/rate") == steps["Show"]["FailureReason"] == max(rates, key=float)
        asked = {(action, resource) for _, action, resource, _ in cloud.authorized}
        assert asked >= {
            ("sagemaker:CreateHyperParameterTuningJob", arn),
            ("sagemaker:AddTags", arn),
            ("iam:PassRole", STEP_ROLE),
        }

    def test_a_search_that_failed_fails_its_step(self, runner: Runner, s3: Any) -> None:
        put_source(s3, train="raise SystemExit(2)")
        _, steps = runner.run(tuning("A_step_with_a_long_name", most=1))
        reason = steps["A_step_with_a_long_name"]["FailureReason"]
        assert reason.startswith("ClientError: No training job succeeded after 1 attempts.")
        name = steps["A_step_with_a_long_name"]["Metadata"]["TuningJob"]["Arn"].rsplit("/", 1)[-1]
        assert len(name) <= 32

    @pytest.mark.parametrize("action", ["sagemaker:CreateHyperParameterTuningJob", "iam:PassRole"])
    def test_a_missing_grant_fails_it_before_anything_is_trained(self, runner: Runner, action: str) -> None:
        runner.cloud.denied.add((PIPELINE_ROLE, action))
        _, steps = runner.run(tuning())
        assert action in steps["Tune"]["FailureReason"]
        assert runner.service.handle("ListTrainingJobs", {})["TrainingJobSummaries"] == []

    def test_stopping_the_execution_stops_the_search(self, runner: Runner, s3: Any) -> None:
        put_source(s3, train="import time; time.sleep(300)")
        runner.store(tuning())
        arn = runner.start()
        wait_for(lambda: runner.steps(arn).get("Tune", {}).get("StepStatus") == "Executing")
        wait_for(lambda: runner.service.handle("ListTrainingJobs", {})["TrainingJobSummaries"])
        runner.ask("StopPipelineExecution", arn, ClientRequestToken=TOKEN)
        assert runner.end(arn) == "Stopped"
        (job,) = runner.service.handle("ListTrainingJobs", {})["TrainingJobSummaries"]
        assert job["TrainingJobStatus"] == "Stopped"


class TestGraph:
    def test_independent_steps_run_at_the_same_time(self, runner: Runner, tmp_path: Path) -> None:
        # Each waits for the other's file: one after the other they would never end.
        script = 'touch {0}/"$1"; for i in $(seq 200); do [ -e {0}/"$2" ] && exit 0; sleep 0.05; done; exit 1'
        a, b = (processing(n, script.format(tmp_path), n, other) for n, other in (("A", "B"), ("B", "A")))
        assert runner.run(a, b)[0] == "Succeeded"

    def test_the_parallelism_limit_holds(self, runner: Runner, tmp_path: Path) -> None:
        script = f"mkdir {tmp_path}/lock && sleep 0.1 && rmdir {tmp_path}/lock"
        runner.store(*(processing(name, script) for name in "ABC"))
        arn = runner.start(ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
        assert runner.end(arn) == "Succeeded"
        assert runner.describe(arn)["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 1}

    def test_depends_on_orders_steps_without_data_between_them(self, runner: Runner, tmp_path: Path) -> None:
        status, steps = runner.run(
            processing("Second", f"test -e {tmp_path}/done", step={"DependsOn": ["First"]}),
            processing("First", f"sleep 0.2; touch {tmp_path}/done"),
        )
        assert status == "Succeeded"
        assert steps["First"]["EndTime"] <= steps["Second"]["StartTime"]

    def test_after_a_failure_running_steps_end_and_no_further_one_starts(self, runner: Runner) -> None:
        status, steps = runner.run(
            processing("Bad", "exit 7"),
            processing("Slow", "sleep 1"),
            processing("AfterSlow", "true", step={"DependsOn": ["Slow"]}),
        )
        assert status == "Failed"
        assert steps["Bad"]["FailureReason"] == "ClientError: AlgorithmError: , exit code: 7"
        assert steps["Slow"]["StepStatus"] == "Succeeded"
        assert "AfterSlow" not in steps

    def test_branches_nest_and_what_hangs_on_an_untaken_one_is_not_run(self, runner: Runner) -> None:
        inner = condition("Inner", UNEQUAL, then=[processing("No", "false")], otherwise=[processing("Yes", "true")])
        status, steps = runner.run(
            condition("Outer", EQUAL, then=[inner], otherwise=[condition("Other", EQUAL, then=[fail("F", "x")])]),
            processing("AfterYes", "true", step={"DependsOn": ["Yes"]}),
            processing("AfterNo", "false", step={"DependsOn": ["No"]}),
        )
        assert status == "Succeeded"
        assert set(steps) == {"Outer", "Inner", "Yes", "AfterYes"}

    def test_a_conditions_outcome_can_be_referred_to(self, runner: Runner) -> None:
        message = join("it is", get("Steps.C.Outcome"), on=" ")
        _, steps = runner.run(condition("C", EQUAL, UNEQUAL), fail("F", message))
        assert steps["F"]["FailureReason"] == "it is false", "as AWS's own integration tests expect"

    def test_a_request_that_resolves_to_nonsense_fails_its_step(self, runner: Runner) -> None:
        step = processing("A", "true", get("Parameters.N"))
        status, steps = runner.run(step, parameters=[{"Name": "N", "Type": "Integer", "DefaultValue": 1}])
        assert status == "Failed"
        assert "ContainerArguments" in steps["A"]["FailureReason"]

    def test_long_step_names_make_valid_job_names(self, runner: Runner) -> None:
        status, steps = runner.run(processing("A_" * 32, "true"))
        assert status == "Succeeded"
        (step,) = steps.values()
        assert len(step["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[-1]) <= 63


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

    def test_wrong_parameters_are_told(self, runner: Runner) -> None:
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
