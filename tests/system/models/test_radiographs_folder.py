"""A folder of the data bucket as an archive: the execution reads the versions that were listed, and no others."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.samples.sample_archive import write_archive
from tests.system.deployed import Stack, eventually, succeeded

pytestmark = [pytest.mark.system, pytest.mark.slow]
FOLDER = "radiographs/ward 3/"


def test_an_execution_works_on_the_versions_that_were_there(stack: Stack, tmp_path: Path) -> None:
    s3, sagemaker = stack.laptop.client("s3"), stack.laptop.client("sagemaker")
    bucket = stack.outputs["DataBucketName"]
    write_archive(tmp_path / "archive.zip", images_per_class=60, seed=5)
    with zipfile.ZipFile(tmp_path / "archive.zip") as archive:
        names = [one for one in archive.namelist() if not one.endswith("/")]
        for name in names:
            s3.put_object(Bucket=bucket, Key=FOLDER + name, Body=archive.read(name))

    # Two instances, each of which fetches its share.
    command = ("start", "--from", f"s3://{bucket}/{FOLDER}", "--set", "ProcessingInstanceCount=2", "--json")
    started = json.loads(succeeded(stack.cxr(*command), stack.laptop).stdout)
    s3.put_object(Bucket=bucket, Key=FOLDER + names[0], Body=b"another file")
    s3.delete_object(Bucket=bucket, Key=FOLDER + names[1])
    try:
        ended = eventually(lambda: _end_of_data(sagemaker, started["arn"]), within=120, what="SplitDataset")
        assert ended == "Succeeded"
    finally:
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=started["arn"])

    key = f"executions/{started['execution']}/report/dataset.json"
    card = json.load(s3.get_object(Bucket=stack.outputs["ArtifactBucketName"], Key=key)["Body"])
    assert card["archive_uri"] == started["dataset"]
    assert f"objects of s3://{bucket}/{FOLDER} by their versions" in card["decisions"][0]
    assert sum(one["images"] for one in card["splits"].values()) == 120
    # What became of the folder since is no part of it.
    assert "undecodable" not in {one["reason"] for one in card["dropped"]}
    eventually(lambda: _status(sagemaker, started["arn"]) == "Stopped", within=60, what="the end")


def _end_of_data(sagemaker: Any, arn: str) -> str:
    """Outcome of the steps before training; empty while they go on."""
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    going_on = {"Starting", "Executing", "Stopping"}
    ended = {step["StepName"]: step["StepStatus"] for step in steps if step["StepStatus"] not in going_on}
    failed = [f"{step['StepName']}: {step.get('FailureReason')}" for step in steps if step["StepStatus"] == "Failed"]
    return " ".join(failed) or str(ended.get("SplitDataset", ""))


def _status(sagemaker: Any, arn: str) -> str:
    return str(sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"])
