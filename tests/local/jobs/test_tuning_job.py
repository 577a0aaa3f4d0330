"""Tuning jobs search over training jobs and tell which was best, in the words of the service's API."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import boto3
import pytest
from botocore.parsers import create_parser

from local.core.api import ApiError
from local.jobs.job_service import JobService
from tests.local.fake_cloud import FakeCloud, put_source, text_at, tuning_request, wait_for

RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "learning-rate", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Logarithmic"}
    ],
    "CategoricalParameterRanges": [{"Name": "depth", "Values": ["none", "all"]}],
}
# The objective is the learning rate, so that the best job is known.
TRAIN = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
for name in ("learning-rate", "depth", "model_dir"):
    parser.add_argument("--" + name, required=True)
options = parser.parse_args()
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text(options.learning_rate)
print("auc=0.5")
print(f"auc={float(options.learning_rate):.9f} model_dir={options.model_dir}")
"""


def create(jobs: JobService, name: str = "tune", **more: Any) -> None:
    jobs.handle(
        "CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": name, **tuning_request(RANGES, **more)}
    )


def describe(jobs: JobService, name: str = "tune") -> dict[str, Any]:
    return jobs.handle("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": name})


def end(jobs: JobService, name: str = "tune") -> dict[str, Any]:
    ended = {"Completed", "Failed", "Stopped"}
    wait_for(lambda: describe(jobs, name)["HyperParameterTuningJobStatus"] in ended, 60)
    return describe(jobs, name)


def listed(jobs: JobService, name: str = "tune", **request: Any) -> list[dict[str, Any]]:
    request = {"HyperParameterTuningJobName": name, **request}
    summaries: list[dict[str, Any]] = jobs.handle("ListTrainingJobsForHyperParameterTuningJob", request)[
        "TrainingJobSummaries"
    ]
    return summaries


def value(summary: dict[str, Any]) -> float:
    return float(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_the_best_training_job_is_the_one_whose_metric_is_highest(jobs: JobService, s3: Any) -> None:
    put_source(s3, train=TRAIN)
    create(jobs)
    described = end(jobs)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 3
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    by_value = listed(jobs, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert [value(item) for item in by_value] == sorted((value(item) for item in by_value), reverse=True)
    assert described["BestTrainingJob"] == by_value[0]
    for number, item in enumerate(listed(jobs), start=1):
        assert re.fullmatch(rf"tune-00{number}-[0-9a-f]{{8}}", item["TrainingJobName"])
        tuned = item["TunedHyperParameters"]
        assert set(tuned) == {"learning-rate", "depth"}
        assert value(item) == pytest.approx(float(tuned["learning-rate"])), "the last value in the log counts"
        job = jobs.handle("DescribeTrainingJob", {"TrainingJobName": item["TrainingJobName"]})
        assert job["TuningJobArn"] == described["HyperParameterTuningJobArn"]
        assert job["HyperParameters"]["learning-rate"] == tuned["learning-rate"]
        assert job["FinalMetricDataList"][0]["MetricName"] == "auc"


def test_the_other_way_round_the_lowest_is_best(jobs: JobService, s3: Any) -> None:
    put_source(s3, train=TRAIN)
    request = tuning_request(RANGES)
    request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["Type"] = "Minimize"
    jobs.handle("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "tune", **request})
    assert value(end(jobs)["BestTrainingJob"]) == min(value(item) for item in listed(jobs))


def test_a_search_is_repeated_under_its_seed_and_by_name_without_one(jobs: JobService, s3: Any) -> None:
    put_source(s3, train=TRAIN)
    tried: dict[str, list[Any]] = {}
    for name in ("one", "two"):
        create(jobs, name, most=2)
        end(jobs, name)
        tried[name] = [item["TunedHyperParameters"] for item in listed(jobs, name)]
    assert tried["one"] == tried["two"]
    request = tuning_request(RANGES, most=2)
    del request["HyperParameterTuningJobConfig"]["RandomSeed"]
    jobs.handle("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "three", **request})
    end(jobs, "three")
    assert [item["TunedHyperParameters"] for item in listed(jobs, "three")] != tried["one"]


def test_the_toolkit_adds_model_dir_and_keeps_the_metrics_name(jobs: JobService, cloud: FakeCloud, s3: Any) -> None:
    """As in the image: a training script that does not take `--model_dir` fails in every tuning job."""
    put_source(s3, train=TRAIN)
    create(jobs, most=1)
    end(jobs)
    (item,) = listed(jobs)
    name = item["TrainingJobName"]
    assert f"model_dir=None/{name}/model" in (cloud.state_dir / f"jobs/{name}/logs/algo-1.log").read_text()
    request = tuning_request(RANGES, most=1)
    request["TrainingJobDefinition"]["StaticHyperParameters"]["model_dir"] = "/opt/ml/model"
    jobs.handle("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "kept", **request})
    end(jobs, "kept")
    name = listed(jobs, "kept")[0]["TrainingJobName"]
    assert "model_dir=/opt/ml/model\n" in (cloud.state_dir / f"jobs/{name}/logs/algo-1.log").read_text()


def test_at_most_so_many_run_at_once(jobs: JobService, s3: Any, tmp_path: Any) -> None:
    put_source(
        s3,
        train="import pathlib, os, time\n"
        f"here = pathlib.Path({str(tmp_path)!r}, str(os.getpid()))\nhere.touch()\ntime.sleep(0.6)\n"
        "running = len(list(here.parent.glob('[0-9]*')))\nhere.unlink()\nprint(f'auc={running}')",
    )
    create(jobs, most=4, parallel=2)
    end(jobs)
    assert {value(item) for item in listed(jobs)} <= {1, 2}
    assert max(value(item) for item in listed(jobs)) == 2


def test_checkpoints_of_training_jobs_lie_apart(jobs: JobService, s3: Any) -> None:
    put_source(
        s3,
        train="import os, pathlib\nplace = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'checkpoints')\n"
        "assert not list(place.iterdir())\n(place / 'c').write_text(os.environ['TRAINING_JOB_NAME'])\nprint('auc=1')",
    )
    create(jobs, most=2, CheckpointConfig={"S3Uri": "s3://data/checkpoints/"})
    assert end(jobs)["HyperParameterTuningJobStatus"] == "Completed"
    for item in listed(jobs):
        assert text_at(s3, f"checkpoints/{item['TrainingJobName']}/c") == item["TrainingJobName"]


def test_training_jobs_may_fail_as_long_as_one_succeeds(jobs: JobService, s3: Any) -> None:
    put_source(
        s3,
        train="import os, sys\nfirst = '-001-' in os.environ['TRAINING_JOB_NAME']\nprint('auc=0.9')\nsys.exit(first)",
    )
    create(jobs, most=2)
    described = end(jobs)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    first, second = listed(jobs)
    assert first["ObjectiveStatus"] == "Failed"
    assert "exit code: 1" in first["FailureReason"]
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in first
    assert described["BestTrainingJob"]["TrainingJobName"] == second["TrainingJobName"]
    assert listed(jobs, SortBy="FinalObjectiveMetricValue") == [second]
    assert listed(jobs, StatusEquals="Failed") == [first]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(3)", "No training job succeeded after 2 attempts.*tune-001-.*exit code: 3"),
        ("print('loss=1')", "No objective metrics found after running 2 training jobs"),
    ],
)
def test_a_search_that_found_nothing_failed(jobs: JobService, s3: Any, script: str, said: str) -> None:
    put_source(s3, train=script)
    create(jobs, most=2, parallel=2)
    described = end(jobs)
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert re.search(said, described["FailureReason"], re.DOTALL)
    assert "BestTrainingJob" not in described


def test_stopping_stops_the_training_jobs_and_starts_no_more(jobs: JobService, s3: Any) -> None:
    put_source(s3, train="import time; time.sleep(300)")
    create(jobs, most=4, parallel=2)
    wait_for(lambda: len(listed(jobs)) == 2)
    jobs.handle("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "tune"})
    described = end(jobs)
    assert described["HyperParameterTuningJobStatus"] == "Stopped"
    assert described["TrainingJobStatusCounters"]["Stopped"] == len(listed(jobs)) == 2
    with pytest.raises(ApiError, match="hyper parameter tuning job is in status Stopped"):
        jobs.handle("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "tune"})


def test_shutdown_ends_a_search(cloud: FakeCloud, s3: Any) -> None:
    put_source(s3, train="import time; time.sleep(300)")
    service = JobService(cloud)
    create(service)
    wait_for(lambda: listed(service))
    service.shutdown()
    assert describe(service)["HyperParameterTuningJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("path", "wrong", "said"),
    [
        ("TrainingJobDefinition", None, "TrainingJobDefinition is needed"),
        ("HyperParameterTuningJobConfig.ParameterRanges", None, "ParameterRanges is needed"),
        ("HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs", None, "MaxNumberOfTrainingJobs"),
        ("HyperParameterTuningJobConfig.ResourceLimits.MaxRuntimeInSeconds", 600, "MaxRuntimeInSeconds"),
        ("HyperParameterTuningJobConfig.HyperParameterTuningJobObjective.MetricName", "loss", "'loss'.*has auc"),
        ("TrainingJobDefinition.StaticHyperParameters.depth", "all", "'depth' is both static and searched over"),
        ("TrainingJobDefinition.AlgorithmSpecification.TrainingImage", "x/y:1", "image 'x/y:1'"),
        ("TrainingJobDefinition.ResourceConfig.InstanceCount", 2, "one instance"),
        ("Autotune", {"Mode": "Enabled"}, "Autotune is not supported"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(jobs: JobService, path: str, wrong: Any, said: str) -> None:
    request = {"HyperParameterTuningJobName": "tune", **tuning_request(RANGES)}
    *owners, member = path.split(".")
    owner: Any = request
    for name in owners:
        owner = owner[name]
    owner[member] = wrong
    if wrong is None:
        del owner[member]
    with pytest.raises(ApiError, match=said) as refused:
        jobs.handle("CreateHyperParameterTuningJob", request)
    assert refused.value.code == "ValidationException"
    assert jobs.handle("ListTrainingJobs", {})["TrainingJobSummaries"] == []


def test_an_unknown_tuning_job_is_not_found(jobs: JobService) -> None:
    with pytest.raises(ApiError, match="with name: none") as missing:
        describe(jobs, "none")
    assert missing.value.code == "ResourceNotFound"


def test_answers_are_what_botocore_parses(jobs: JobService, s3: Any) -> None:
    put_source(s3, train=TRAIN)
    for name in ("b", "a"):
        create(jobs, name, most=1)
        end(jobs, name)
    model = boto3.client("sagemaker", region_name="us-east-1").meta.service_model
    for operation, request in (
        ("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "a"}),
        ("ListHyperParameterTuningJobs", {}),
        ("ListTrainingJobsForHyperParameterTuningJob", {"HyperParameterTuningJobName": "a"}),
    ):
        answer = jobs.handle(operation, request)
        shape = model.operation_model(operation).output_shape
        body = {"status_code": 200, "headers": {}, "body": json.dumps(answer).encode()}
        parsed = create_parser("json").parse(body, shape)
        assert set(answer) <= set(parsed) & set(shape.members)
        assert set(shape.required_members) <= set(parsed)
    tuning = jobs.handle("ListHyperParameterTuningJobs", {})["HyperParameterTuningJobSummaries"]
    assert [item["HyperParameterTuningJobName"] for item in tuning] == ["a", "b"], "by name, as the API says"
    required = set(model.shape_for("HyperParameterTuningJobSummary").required_members)
    assert required <= set(tuning[0]) <= set(model.shape_for("HyperParameterTuningJobSummary").members)
    (summary,) = listed(jobs, "a")
    assert set(summary) <= set(model.shape_for("HyperParameterTrainingJobSummary").members)
    assert summary["CreationTime"] < time.time()
