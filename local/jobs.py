"""Processing and training jobs of the embedded cloud: their Create, Describe, List and Stop operations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from local import processing_job, requests, training_job
from local.api import ApiError, Cloud
from local.job import Job
from local.job_process import GRACE_SECONDS
from local.processing_job import ProcessingJob
from local.training_job import TrainingJob

_KINDS: Mapping[str, tuple[type[Job], Callable[[Mapping[str, Any]], None], str]] = {
    "Processing": (ProcessingJob, processing_job.check, "processing-job"),
    "Training": (TrainingJob, training_job.check, "training-job"),
}
_PAGE = 10


class JobService:
    """Keeps every job since the cloud was started and runs each as a local process.

    Args:
        cloud: where the jobs' data, logs and roles are.
    """

    OPERATIONS = frozenset(
        f"{verb}{kind}Job{'s' if verb == 'List' else ''}"
        for verb in ("Create", "Describe", "List", "Stop")
        for kind in _KINDS
    )

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
        kind = next(kind for kind in _KINDS if kind in operation)
        if operation.startswith("Create"):
            return {f"{kind}JobArn": self.create(kind, request).arn}
        if operation.startswith("List"):
            return self._list(kind, request)
        job = self._find(kind, request[f"{kind}JobName"])
        if operation.startswith("Describe"):
            return job.describe()
        if not job.stop():
            raise ApiError(
                "ValidationException",
                f"The request was rejected because the {kind.lower()} job is in status {job.status}.",
            )
        return {}

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a job of a kind, `Processing` or `Training`."""
        return f"arn:aws:sagemaker:{self._cloud.region}:{self._cloud.account}:{_KINDS[kind][2]}/{name}"

    def create(self, kind: str, request: Mapping[str, Any]) -> Job:
        """Check a request, then create and start its job.

        Raises:
            ApiError: `ValidationException`, `ResourceInUse`, or `ServiceUnavailable` after `shutdown`.
        """
        requests.check(f"Create{kind}Job", request)
        make, check, _ = _KINDS[kind]
        check(request)
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
            job = self._jobs[kind, name] = make(self._cloud, self.arn(kind, name), name, request)
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

    def _find(self, kind: str, name: str) -> Job:
        with self._lock:
            job = self._jobs.get((kind, name))
        if job is None:
            missing = "Requested resource not found." if kind == "Training" else "Could not find requested job"
            raise ApiError("ValidationException", f"{missing} with name: {name}" if kind == "Processing" else missing)
        return job

    def _list(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        members = {"Name", "Arn", "Status"}
        times = {"CreationTime", "LastModifiedTime", f"{kind}EndTime"}
        extra = {"Processing": {"FailureReason", "ExitMessage"}, "Training": {"SecondaryStatus"}}[kind]
        wanted = {f"{kind}Job{member}" for member in members} | times | extra
        with self._lock:
            jobs = [job for (of, _), job in self._jobs.items() if of == kind]
        summaries = [{k: v for k, v in job.describe().items() if k in wanted} for job in jobs]
        chosen = requests.select(summaries, request, name=f"{kind}JobName", status=f"{kind}JobStatus", descending=False)
        return requests.page(chosen, request, f"{kind}JobSummaries", _PAGE)
