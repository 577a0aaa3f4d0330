"""Requests are checked as SageMaker checks them; those of the committed definitions pass."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.parsers import create_parser

from local.core import requests
from local.core.api import ApiError
from local.jobs import processing_job, training_job, tuning_job
from local.jobs.job_service import JobService
from tests.local.fake_cloud import (
    IMAGE,
    STEP_ROLE,
    processing_request,
    put_source,
    s3_outputs,
    training_request,
)
from tests.local.run_jobs import channel, describe, process, train


class TestRequests:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"AppSpecification": {"ImageUri": "python:3.12", "ContainerEntrypoint": ["sh"]}}, "image 'python:3.12'"),
            (
                {
                    "AppSpecification": {
                        "ImageUri": IMAGE.replace("training", "inference"),
                        "ContainerEntrypoint": ["x"],
                    }
                },
                "tensorflow-inference",
            ),
            ({"AppSpecification": {"ImageUri": IMAGE}}, "ContainerEntrypoint"),
            (
                {
                    "ProcessingResources": {
                        "ClusterConfig": {"InstanceCount": 17, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}
                    }
                },
                "InstanceCount must be from 1 to 16 on the laptop, not 17",
            ),
            (
                {
                    "ProcessingResources": {
                        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.q9.huge", "VolumeSizeInGB": 1}
                    }
                },
                "'ml.q9.huge' at 'ProcessingResources.ClusterConfig.InstanceType'",
            ),
            (
                {
                    "ProcessingInputs": [
                        {
                            "InputName": "i",
                            "S3Input": {
                                "S3Uri": "s3://b/k",
                                "S3DataType": "ManifestFile",
                                "LocalPath": "/opt/ml/processing/i",
                            },
                        }
                    ]
                },
                "ManifestFile",
            ),
            (
                {
                    "ProcessingInputs": [
                        {
                            "InputName": "i",
                            "S3Input": {"S3Uri": "s3://b/k", "S3DataType": "S3Prefix", "LocalPath": "/etc"},
                        }
                    ]
                },
                "not '/etc'",
            ),
            (
                {
                    "ProcessingInputs": [
                        {
                            "InputName": "i",
                            "S3Input": {
                                "S3Uri": "s3://b/k",
                                "S3DataType": "S3Prefix",
                                "LocalPath": "/opt/ml/processing/../../x",
                            },
                        }
                    ]
                },
                "input 'i'",
            ),
            ({"Environment": {"A": 1}}, "Environment"),
        ],
    )
    def test_what_cannot_be_run_is_refused_by_name(self, jobs: JobService, change: dict[str, Any], said: str) -> None:
        request = {"ProcessingJobName": "x", **processing_request("true"), **change}
        with pytest.raises(ApiError, match=said) as refused:
            jobs.handle("CreateProcessingJob", request)
        assert refused.value.code == "ValidationException"
        assert jobs.handle("ListProcessingJobs", {})["ProcessingJobSummaries"] == []

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"AlgorithmSpecification": {"TrainingImage": "x/y:1", "TrainingInputMode": "File"}}, "image 'x/y:1'"),
            ({"HyperParameters": {}}, "'sagemaker_program' is needed"),
            (
                {"ResourceConfig": {"InstanceCount": 3, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}},
                "one instance",
            ),
            ({"InputDataConfig": [{**channel("c"), "InputMode": "Pipe"}]}, "'c'.*Pipe"),
            ({"OutputDataConfig": {"S3OutputPath": "s3://b", "CompressionType": "NONE"}}, "GZIP only"),
            ({"TrainingJobName": "not_allowed"}, "TrainingJobName"),
        ],
    )
    def test_the_same_for_training(self, jobs: JobService, change: dict[str, Any], said: str) -> None:
        with pytest.raises(ApiError, match=said):
            jobs.handle("CreateTrainingJob", {"TrainingJobName": "x", **training_request(), **change})

    def test_names_are_unique_and_unknown_ones_an_error(self, jobs: JobService) -> None:
        process(jobs, "one", "true")
        with pytest.raises(ApiError, match="already exists") as refused:
            process(jobs, "one", "true")
        assert refused.value.code == "ResourceInUse"
        with pytest.raises(ApiError, match="Could not find requested job with name: two"):
            describe(jobs, "Processing", "two")

    def test_lists_are_filtered_sorted_and_paged(self, jobs: JobService) -> None:
        for name, script in (("alpha", "true"), ("beta", "false"), ("alphabet", "true")):
            process(jobs, name, script)

        def names(**request: Any) -> list[str]:
            summaries = jobs.handle("ListProcessingJobs", request)["ProcessingJobSummaries"]
            return [summary["ProcessingJobName"] for summary in summaries]

        assert names() == ["alpha", "beta", "alphabet"]
        assert names(SortBy="Name", SortOrder="Descending") == ["beta", "alphabet", "alpha"]
        assert names(NameContains="ALPHA") == ["alpha", "alphabet"]
        assert names(StatusEquals="Failed") == ["beta"]
        assert names(CreationTimeAfter=time.time()) == []
        first = jobs.handle("ListProcessingJobs", {"MaxResults": 2})
        assert len(first["ProcessingJobSummaries"]) == 2
        assert names(NextToken=first["NextToken"]) == ["alphabet"]
        with pytest.raises(ApiError, match="NextToken 'x'"):
            names(NextToken="x")

    @pytest.mark.parametrize("kind", ["Processing", "Training"])
    def test_answers_are_what_botocore_parses(self, jobs: JobService, s3: Any, kind: str) -> None:
        put_source(s3, train="print('a=1')")
        if kind == "Processing":
            process(jobs, "x", "true", ProcessingOutputConfig=s3_outputs(o="s3://data/o"))
        else:
            train(jobs, "x")
        model = boto3.client("sagemaker", region_name="us-east-1").meta.service_model
        for operation, request in ((f"Describe{kind}Job", {f"{kind}JobName": "x"}), (f"List{kind}Jobs", {})):
            answer = jobs.handle(operation, request)
            shape = model.operation_model(operation).output_shape
            assert set(answer) <= set(shape.members)
            parsed = create_parser("json").parse(
                {"status_code": 200, "headers": {}, "body": json.dumps(answer).encode()}, shape
            )
            assert set(answer) <= set(parsed)
            assert set(shape.required_members) <= set(parsed)


DEFINITIONS = sorted((Path(__file__).parents[3] / "pipeline").glob("definition*.json"))
PLACEHOLDERS = {"ImageUri": IMAGE, "RoleArn": STEP_ROLE, "Uri": "s3://data/source.tar.gz", "Arn": "arn:aws:x", "": "x"}


def filled(value: Any, parameters: dict[str, Any]) -> Any:
    """Arguments of a step with placeholders, parameters and what other steps give put in."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda m: next(v for k, v in PLACEHOLDERS.items() if m[1].endswith(k)), value)
    if isinstance(value, list):
        return [filled(item, parameters) for item in value]
    if isinstance(value, dict) and "Std:Join" in value:
        join = value["Std:Join"]
        return join["On"].join(str(filled(item, parameters)) for item in join["Values"])
    if isinstance(value, dict) and "Get" in value:
        name = value["Get"].removeprefix("Parameters.")
        return filled(parameters[name], parameters) if name in parameters else "s3://data/x"
    return {key: filled(item, parameters) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_the_jobs_of_the_committed_definitions_are_none_that_are_refused(path: Path) -> None:
    document = json.loads(path.read_text())
    parameters = {item["Name"]: item.get("DefaultValue", "s3://data/a.zip") for item in document["Parameters"]}
    kinds = {"Processing": processing_job, "Training": training_job, "Tuning": tuning_job}
    found = [step for step in document["Steps"] if step["Type"] in kinds]
    few = {"definition-monitoring": 1, "definition-site-evaluation": 2, "definition-calibration": 2}
    few |= {"definition-label-calibration": 1}
    assert len(found) == few.get(path.stem, 4)
    for step in found:
        kind = "HyperParameterTuning" if step["Type"] == "Tuning" else step["Type"]
        request = {f"{kind}JobName": "x", **filled(step["Arguments"], parameters)}
        requests.check(f"Create{kind}Job", request)
        kinds[step["Type"]].check(request)
