"""One run of a pipeline's step, and the errors that end it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.jobs.job import Job
    from local.pipelines.step import Step

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html
MAX_REASON = 1024


class StepError(Exception):
    """A step that failed; the message is its FailureReason."""


class StepStopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """A step that ended because its execution was stopped."""


@dataclass
class StepRun:
    """Run of a step, as ListPipelineExecutionSteps tells of it."""

    step: Step
    attempt: int
    status: str = "Starting"
    begin: float = field(default_factory=time.time)
    end: float | None = None
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    job: Job | None = None

    def summary(self) -> dict[str, Any]:
        """The run as a member of `PipelineExecutionSteps`."""
        answer = {
            "StepName": self.step.name,
            "StepDisplayName": self.step.display_name,
            "StepDescription": self.step.description,
            "StepStatus": self.status,
            "StartTime": self.begin,
            "EndTime": self.end,
            "FailureReason": self.reason[:MAX_REASON] if self.reason else None,
            "Metadata": dict(self.metadata),
            "AttemptCount": self.attempt,
        }
        return {key: value for key, value in answer.items() if value is not None}
