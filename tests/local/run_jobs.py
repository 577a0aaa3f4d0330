"""Runs jobs to their end, for the tests of the different kinds of jobs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3

from local.jobs.job_service import JobService
from tests.local.fake_cloud import processing_request, training_request, wait_for


def process(jobs: JobService, name: str, script: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """Run a processing job to its end and describe it."""
    jobs.handle("CreateProcessingJob", {"ProcessingJobName": name, **processing_request(script, *arguments, **more)})
    return end(jobs, "Processing", name)


def train(jobs: JobService, name: str, hyperparameters: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Run a training job to its end and describe it."""
    jobs.handle("CreateTrainingJob", {"TrainingJobName": name, **training_request(hyperparameters, **more)})
    return end(jobs, "Training", name)


def describe(jobs: JobService, kind: str, name: str) -> dict[str, Any]:
    return jobs.handle(f"Describe{kind}Job", {f"{kind}JobName": name})


def end(jobs: JobService, kind: str, name: str) -> dict[str, Any]:
    wait_for(lambda: describe(jobs, kind, name)[f"{kind}JobStatus"] in {"Completed", "Failed", "Stopped"})
    return describe(jobs, kind, name)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie waiting for init to reap it no longer runs.
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3] if Path("/proc").is_dir() else True


def channel(name: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}"}},
    }


def messages(group: str, stream_prefix: str) -> list[str]:
    logs = boto3.client("logs", region_name="us-east-1")
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream_prefix)["logStreams"]
    return [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]
