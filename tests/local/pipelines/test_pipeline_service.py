"""Executions run what the stored definition says, as the pipeline's role, and tell about it as SageMaker does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.local.fake_cloud import (
    ACCOUNT,
    PIPELINE_ROLE,
    REGION,
    STEP_ROLE,
    FakeCloud,
    put_source,
    s3_input,
    s3_outputs,
    text_at,
    training_request,
)
from tests.local.pipelines.run_pipelines import PARAMETERS, Runner, fail, get, join, processing


def condition(name: str, *conditions: Any, then: list[Any] | None = None, otherwise: list[Any] | None = None) -> Any:
    arguments = {"Conditions": [*conditions], "IfSteps": then or [], "ElseSteps": otherwise or []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


EQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
UNEQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 2}
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
