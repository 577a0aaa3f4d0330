"""A tuning step tries its ranges, and its best training is the step of those that follow."""

from __future__ import annotations

import re
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
    tuning_request,
    wait_for,
)
from tests.local.pipelines.run_pipelines import TOKEN, Runner, fail, get, join, processing

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
