"""Hyperparameter tuning jobs: training jobs with hyperparameters drawn from ranges, compared by a metric of their logs.

The search is at random whatever `Strategy` says, under `RandomSeed`, or under a seed made of the tuning job's name: a
tuning job of the same name and ranges tries the same hyperparameters again.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from local.core import requests
from local.core.api import ApiError, Cloud
from local.jobs import hyperparameters, training_job
from local.jobs.job import MAX_REASON, Job, members
from local.jobs.training_job import TrainingJob
from local.jobs.training_toolkit import TUNING_METRIC

# A Tuning step knows at most so many of its training jobs, the best first: sagemaker.mlops.workflow.steps.TuningStep
MAX_SUMMARIES = 50
_POLL_SECONDS = 0.1
_UNSUPPORTED = (
    *("TrainingJobDefinitions", "WarmStartConfig", "Autotune"),
    *("TuningJobCompletionCriteria", "MaxRuntimeInSeconds"),
    *("TuningObjective", "HyperParameterRanges", "HyperParameterTuningResourceConfig"),
)
_SUMMARY = frozenset(
    {
        *("HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus"),
        *("CreationTime", "HyperParameterTuningEndTime", "LastModifiedTime"),
        *("TrainingJobStatusCounters", "ObjectiveStatusCounters", "Strategy", "ResourceLimits"),
    }
)
# Members of a TrainingJobDefinition that are members of CreateTrainingJob's request.
_PASSED_ON = frozenset(
    {
        *("AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "VpcConfig"),
        *("StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption"),
        *("EnableManagedSpotTraining", "RetryStrategy", "Environment"),
    }
)


def check(request: Mapping[str, Any]) -> None:
    """Refuse what the laptop cannot do, before the job exists.

    Raises:
        ApiError: `ValidationException` naming the member.
    """
    config, definition = request["HyperParameterTuningJobConfig"], request.get("TrainingJobDefinition", {})
    limits = config["ResourceLimits"]
    needed = {
        "TrainingJobDefinition": definition,
        "HyperParameterTuningJobObjective": config.get("HyperParameterTuningJobObjective"),
        "ParameterRanges": config.get("ParameterRanges"),
        "MaxNumberOfTrainingJobs": limits.get("MaxNumberOfTrainingJobs"),
    }
    for member, value in needed.items():
        if not value:
            raise ApiError("ValidationException", f"{member} is needed.")
    for member in _UNSUPPORTED:
        if any(member in part for part in (request, config, limits, definition)):
            raise ApiError("ValidationException", f"{member} is not supported on the laptop.")
    both = hyperparameters.check(config["ParameterRanges"]) & set(definition.get("StaticHyperParameters", {}))
    if both:
        raise ApiError("ValidationException", f"The hyperparameter '{min(both)}' is both static and searched over.")
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    known = [item["Name"] for item in definition["AlgorithmSpecification"].get("MetricDefinitions", ())]
    if metric not in known:
        raise ApiError(
            "ValidationException",
            f"The objective metric '{metric}' is not in MetricDefinitions, which has {', '.join(known) or 'none'}.",
        )
    training = _training_request(definition, "x", definition.get("StaticHyperParameters", {}))
    requests.check("CreateTrainingJob", training)
    training_job.check(training)


def _training_request(definition: Mapping[str, Any], name: str, values: Mapping[str, str]) -> dict[str, Any]:
    request = {**members(definition, _PASSED_ON), "TrainingJobName": name, "HyperParameters": dict(values)}
    if checkpoints := definition.get("CheckpointConfig"):
        request["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{name}"}
    return request


class _Trial(NamedTuple):
    job: TrainingJob
    tuned: dict[str, str]


class TuningJob(Job):
    """A tuning job, on this machine.

    Every training job is one of its own: it can be described, has its log, and its checkpoints lie below
    `<CheckpointConfig.S3Uri>/<training job>`, apart from those of the others.

    Differences to AWS: the search is at random (see above) and no training job is stopped early; nothing is retried.

    Args:
        train: creates and starts a training job.
    """

    def __init__(
        self,
        cloud: Cloud,
        arn: str,
        name: str,
        request: Mapping[str, Any],
        train: Callable[[Mapping[str, Any]], TrainingJob],
    ) -> None:
        super().__init__(cloud, arn, name, request)
        self._train = train
        self._trials: list[_Trial] = []
        self._config: Mapping[str, Any] = request["HyperParameterTuningJobConfig"]
        self._objective: Mapping[str, str] = self._config["HyperParameterTuningJobObjective"]
        digest = hashlib.sha256(name.encode()).digest()
        self._seed = self._config.get("RandomSeed", int.from_bytes(digest[:4]))
        static = request["TrainingJobDefinition"].get("StaticHyperParameters", {})
        self._static = {**static, TUNING_METRIC: self._objective["MetricName"]}

    def describe(self) -> dict[str, Any]:
        """DescribeHyperParameterTuningJob's answer; `BestTrainingJob` is the best so far."""
        ranked = self._ranked()
        statuses = [trial.job.status for trial in self._trials]
        objectives = [self._objective_status(trial.job) for trial in self._trials]
        answer = {key: value for key, value in self.request.items() if key != "Tags"} | {
            "HyperParameterTuningJobName": self.name,
            "HyperParameterTuningJobArn": self.arn,
            "HyperParameterTuningJobStatus": self.status,
            "TrainingJobDefinition": {**self.request["TrainingJobDefinition"], "StaticHyperParameters": self._static},
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "HyperParameterTuningEndTime": self.ended,
            "TrainingJobStatusCounters": {
                "Completed": statuses.count("Completed"),
                "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
                "RetryableError": 0,
                "NonRetryableError": statuses.count("Failed"),
                "Stopped": statuses.count("Stopped"),
            },
            "ObjectiveStatusCounters": {s: objectives.count(s) for s in ("Succeeded", "Pending", "Failed")},
            "BestTrainingJob": ranked[0] if ranked else None,
            "FailureReason": self.failure_reason,
        }
        return {key: value for key, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """The job in ListHyperParameterTuningJobs' answer."""
        return members({**self._config, **self.describe()}, _SUMMARY)

    def properties(self) -> dict[str, Any]:
        """The description, and as `TrainingJobSummaries` the training jobs with an objective, the best first."""
        return {**self.describe(), "TrainingJobSummaries": self._ranked()[:MAX_SUMMARIES]}

    def training_jobs(self) -> list[dict[str, Any]]:
        """Every training job so far, as ListTrainingJobsForHyperParameterTuningJob tells of it."""
        return [self._summary(trial) for trial in self._trials]

    def _work(self) -> tuple[str, str | None]:
        limits = self._config["ResourceLimits"]
        most, parallel = limits["MaxNumberOfTrainingJobs"], limits["MaxParallelTrainingJobs"]
        refused = ""
        while True:
            running = [trial.job for trial in self._trials if trial.job.ended is None]
            halted = self._stopped() or bool(refused)
            if halted:
                for job in running:
                    job.stop()
            elif len(self._trials) < most and len(running) < parallel:
                try:
                    self._launch(len(self._trials) + 1)
                except ApiError as error:
                    refused = f"ClientError: {error.message}"
                continue
            if not running:
                break
            running[0].wait(_POLL_SECONDS)
        if self._stopped():
            return "Stopped", None
        reason = refused or self._failure()
        return ("Failed", reason[:MAX_REASON]) if reason else ("Completed", None)

    def _launch(self, number: int) -> None:
        name = f"{self.name}-{number:03d}-{secrets.token_hex(4)}"
        tuned = hyperparameters.draw(self._config["ParameterRanges"], self._seed, number)
        definition = self.request["TrainingJobDefinition"]
        job = self._train(_training_request(definition, name, {**self._static, **tuned}))
        job.tuning_job_arn = self.arn
        self._trials.append(_Trial(job, tuned))

    def _failure(self) -> str:
        """Reason why the whole job failed, or an empty string. Both sentences are the service's."""
        completed = [trial.job for trial in self._trials if trial.job.status == "Completed"]
        if not completed:
            first = self._trials[0].job
            return (
                f"No training job succeeded after {len(self._trials)} attempts. Please take a look at the training job "
                f"failures to get more details. {first.name}: {first.failure_reason or 'it was stopped'}"
            )
        if not self._ranked():
            return (
                f"No objective metrics found after running {len(completed)} training jobs. Please ensure that the "
                "custom algorithm is emitting the objective metric as defined by the regular expression provided."
            )
        return ""

    def _ranked(self) -> list[dict[str, Any]]:
        """The training jobs that have their final objective, the best first; of equals the earlier one."""
        found = [trial for trial in self._trials if self._objective_status(trial.job) == "Succeeded"]
        sign = -1 if self._objective["Type"] == "Maximize" else 1
        return [self._summary(trial) for trial in sorted(found, key=lambda trial: sign * (self._value(trial.job) or 0))]

    def _value(self, job: TrainingJob) -> float | None:
        metric = self._objective["MetricName"]
        return next((item["Value"] for item in job.metrics() if item["MetricName"] == metric), None)

    def _objective_status(self, job: TrainingJob) -> str:
        if job.ended is None:
            return "Pending"
        return "Succeeded" if job.status == "Completed" and self._value(job) is not None else "Failed"

    def _summary(self, trial: _Trial) -> dict[str, Any]:
        job, value, status = trial.job, self._value(trial.job), self._objective_status(trial.job)
        answer = {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "TuningJobName": self.name,
            "CreationTime": job.created,
            "TrainingStartTime": job.started,
            "TrainingEndTime": job.ended,
            "TrainingJobStatus": job.status,
            "TunedHyperParameters": trial.tuned,
            "FailureReason": job.failure_reason,
            "FinalHyperParameterTuningJobObjectiveMetric": (
                {**self._objective, "Value": value} if status == "Succeeded" else None
            ),
            "ObjectiveStatus": status,
        }
        return {key: value for key, value in answer.items() if value is not None}
