"""Hyperparameter tuning job of a Tuning step: its training jobs, and the best so far."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker import SageMakerClient

_RUNNING = frozenset({"InProgress", "Stopping"})


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training job of a search; `objective` is None until it has ended well."""

    job: str
    status: str
    hyperparameters: Mapping[str, str]
    objective: float | None = None

    @property
    def label(self) -> str:
        """Short name within its search: `003-0e830ada` of `<search>-003-0e830ada`."""
        return "-".join(self.job.split("-")[-2:])


@dataclasses.dataclass(frozen=True)
class Search:
    """A tuning job; `trials` are in the order in which they were started."""

    job: str
    metric: str
    planned: int
    trials: tuple[Trial, ...]
    best: str = ""

    @property
    def running(self) -> list[Trial]:
        """The training jobs that have not ended."""
        return [trial for trial in self.trials if trial.status in _RUNNING]

    @property
    def sentence(self) -> str:
        """The search's progress in a sentence."""
        running = len(self.running)
        text = f"{len(self.trials) - running} of {self.planned} training jobs ended"
        text += f", {running} running" if running else ""
        failed = sum(trial.status == "Failed" for trial in self.trials)
        text += f", {failed} failed" if failed else ""
        best = next((trial for trial in self.trials if trial.job == self.best), None)
        if best is not None and best.objective is not None:
            text += f"; best {self.metric} {best.objective:.4f} by {best.label}"
        return text

    def as_json(self) -> dict[str, Any]:
        """A document with stable names for scripts."""
        return {
            "job": self.job,
            "metric": self.metric,
            "planned": self.planned,
            "best": self.best or None,
            "training_jobs": [dataclasses.asdict(trial) for trial in self.trials],
        }


def read_search(sagemaker: SageMakerClient, job: str) -> Search | None:
    """The search as it is now; None for who may not look at it."""
    try:
        details = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
        pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
            HyperParameterTuningJobName=job, SortBy="Name", SortOrder="Ascending"
        )
        trials = [_trial(item) for page in pages for item in page["TrainingJobSummaries"]]
    except Exception as error:
        # Only decoration depends on it: a role that may watch need not be allowed to look into searches.
        if error_code(error):
            return None
        raise
    config = details["HyperParameterTuningJobConfig"]
    return Search(
        job=job,
        metric=config.get("HyperParameterTuningJobObjective", {}).get("MetricName", "objective"),
        planned=config["ResourceLimits"].get("MaxNumberOfTrainingJobs", len(trials)),
        trials=tuple(trials),
        best=details.get("BestTrainingJob", {}).get("TrainingJobName", ""),
    )


def _trial(item: Any) -> Trial:
    return Trial(
        job=item["TrainingJobName"],
        status=item["TrainingJobStatus"],
        hyperparameters=item["TunedHyperParameters"],
        objective=item.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value"),
    )
