"""Processing, training, tuning and transform jobs of the embedded cloud: Create, Describe, List and Stop of each."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from local.core import requests
from local.core.api import ApiError, Cloud
from local.jobs import processing_job, training_job, transform_job, tuning_job
from local.jobs.job import Job
from local.jobs.job_process import GRACE_SECONDS
from local.jobs.processing_job import ProcessingJob
from local.jobs.training_job import TrainingJob
from local.jobs.transform_job import TransformJob
from local.jobs.tuning_job import TuningJob

TUNING = "HyperParameterTuning"
_TRAINING_JOBS = f"ListTrainingJobsFor{TUNING}Job"
_OPERATION = re.compile(rf"(Create|Describe|List|Stop)(Processing|Training|Transform|{TUNING})Jobs?")
_PAGE = 10


class _Kind(NamedTuple):
    """A kind of job.

    `check` refuses what the laptop cannot do, `resource` is the resource type of its ARN, `sort_by` what its List
    operation sorts by when the request does not say.
    """

    check: Callable[[Mapping[str, Any]], None]
    resource: str
    sort_by: str = "CreationTime"


_KINDS = {
    "Processing": _Kind(processing_job.check, "processing-job"),
    "Training": _Kind(training_job.check, "training-job"),
    "Transform": _Kind(transform_job.check, "transform-job"),
    TUNING: _Kind(tuning_job.check, "hyper-parameter-tuning-job", sort_by="Name"),
}


class JobService:
    """Keeps every job since the cloud was started and runs each as local processes."""

    OPERATIONS = frozenset(
        f"{verb}{kind}Job{'s' if verb == 'List' else ''}"
        for verb in ("Create", "Describe", "List", "Stop")
        for kind in _KINDS
    ) | {_TRAINING_JOBS}

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._jobs: dict[tuple[str, str], Job] = {}
        self._closed = False
        self._lock = threading.Lock()

    def handle(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one of `OPERATIONS`.

        Args:
            operation: such as `DescribeTrainingJob`.
            request: its members by the names of the service model.

        Raises:
            ApiError: what the API answers instead.
        """
        requests.check(operation, request)
        if operation == _TRAINING_JOBS:
            return self._list_training_jobs(request)
        match = _OPERATION.fullmatch(operation)
        if match is None:
            raise ApiError("UnknownOperationException", f"The operation {operation} does not exist on the laptop.")
        verb, kind = match.groups()
        if verb == "Create":
            return {f"{kind}JobArn": self.create(kind, request).arn}
        if verb == "List":
            return self._list(kind, request)
        job = self._find(kind, request[f"{kind}JobName"])
        if verb == "Describe":
            return job.describe()
        if not job.stop():
            raise ApiError(
                "ValidationException",
                f"The request was rejected because the {_KINDS[kind].resource.replace('-', ' ')} is in status "
                f"{job.status}.",
            )
        return {}

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a job of a kind, `Processing`, `Training`, `Transform` or `HyperParameterTuning`."""
        return f"arn:aws:sagemaker:{self._cloud.region}:{self._cloud.account}:{_KINDS[kind].resource}/{name}"

    def create(self, kind: str, request: Mapping[str, Any]) -> Job:
        """Check a request, then create and start its job.

        Raises:
            ApiError: `ValidationException`, `ResourceInUse`, or `ServiceUnavailable` after `shutdown`.
        """
        requests.check(f"Create{kind}Job", request)
        _KINDS[kind].check(request)
        name = request[f"{kind}JobName"]
        with self._lock:
            if self._closed:
                raise ApiError("ServiceUnavailable", "The embedded cloud is shutting down.", 503)
            if (kind, name) in self._jobs:
                raise ApiError(
                    "ResourceInUse",
                    "Job name must be unique within an AWS account and region, and a job with this name already exists "
                    f"({self.arn(kind, name)})",
                )
            job = self._jobs[kind, name] = self._make(kind, name, request)
            job.start()
        return job

    def shutdown(self) -> None:
        """Kill every job's processes and wait until they are gone."""
        with self._lock:
            self._closed = True
            running = [job for job in self._jobs.values() if job.stop()]
        # Every job gives its command the same time at once; a log that nobody takes any more is not waited for.
        deadline = time.monotonic() + GRACE_SECONDS + 2
        for job in running:
            job.wait(max(0.0, deadline - time.monotonic()))

    def _make(self, kind: str, name: str, request: Mapping[str, Any]) -> Job:
        arn = self.arn(kind, name)
        if kind == "Processing":
            return ProcessingJob(self._cloud, arn, name, request)
        if kind == "Training":
            return TrainingJob(self._cloud, arn, name, request)
        if kind == "Transform":
            return TransformJob(self._cloud, arn, name, request)
        return TuningJob(self._cloud, arn, name, request, self._train)

    def _train(self, request: Mapping[str, Any]) -> TrainingJob:
        return cast("TrainingJob", self.create("Training", request))

    def _find(self, kind: str, name: str) -> Job:
        with self._lock:
            job = self._jobs.get((kind, name))
        if job is None and kind == "Training":
            raise ApiError("ValidationException", "Requested resource not found.")
        if job is None:
            code = "ResourceNotFound" if kind == TUNING else "ValidationException"
            raise ApiError(code, f"Could not find requested job with name: {name}")
        return job

    def _list(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            jobs = [job for (of, _), job in self._jobs.items() if of == kind]
        chosen = requests.select(
            [job.summary() for job in jobs],
            {"SortBy": _KINDS[kind].sort_by, **request},
            name=f"{kind}JobName",
            status=f"{kind}JobStatus",
        )
        return requests.page(chosen, request, f"{kind}JobSummaries", _PAGE)

    def _list_training_jobs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Training jobs of a tuning job; sorted by objective, those without one are left out, as the API says."""
        tuning = cast("TuningJob", self._find(TUNING, request[f"{TUNING}JobName"]))
        status, by = request.get("StatusEquals"), request.get("SortBy", "Name")
        found = [item for item in tuning.training_jobs() if status in (None, item["TrainingJobStatus"])]
        objective = f"Final{TUNING}JobObjectiveMetric"
        if by == "FinalObjectiveMetricValue":
            found = [item for item in found if objective in item]
            found.sort(key=lambda item: item[objective]["Value"])
        else:
            member = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(by, by)
            found.sort(key=lambda item: item[member])
        if request.get("SortOrder") == "Descending":
            found.reverse()
        return requests.page(found, request, "TrainingJobSummaries", _PAGE)
