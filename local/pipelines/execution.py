"""One execution of a pipeline: its steps run in threads, side by side where the graph allows."""

from __future__ import annotations

import logging
import secrets
import string
import threading
import time
from collections.abc import Mapping
from typing import Any

from local.core.api import Cloud
from local.core.machine_errors import words
from local.jobs.job import INTERNAL_ERROR, Job
from local.jobs.job_service import JobService
from local.pipelines.pipeline_definition import Definition
from local.pipelines.step import Step
from local.pipelines.step_run import StepError, StepRun, StepStopped
from local.pipelines.steps import StepRunner, iso

logger = logging.getLogger("pipelines")

FAILURE = "Step failure: One or multiple steps failed."
MAX_PARALLEL_STEPS = 50
_EVENT = "SageMaker Model Building Pipeline Execution Status Change"


class Execution:
    """Runs a checked definition.

    A step starts when all it waits for have succeeded; a step of a branch only under the branch's outcome, and what
    waits for a step that is not run is not run either. After a failure no further step starts; those running end.

    Retry policies are ignored: what they answer to in AWS (throttling, no capacity, a broken instance) does not happen
    on one machine. Cache settings are ignored too: every step runs.

    Args:
        pipeline: DescribePipeline's answer at the start; the execution keeps to it.
        definition: the pipeline's definition, checked.
        parameters: typed, complete.

    Attributes:
        status: `Executing`, `Stopping`, `Stopped`, `Failed` or `Succeeded`.
    """

    def __init__(
        self,
        *,
        cloud: Cloud,
        jobs: JobService,
        pipeline: Mapping[str, Any],
        definition: Definition,
        parameters: Mapping[str, Any],
        request: Mapping[str, Any],
    ) -> None:
        self._cloud, self._definition = cloud, definition
        self.pipeline, self.request = pipeline, request
        self.id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
        self.arn = f"{pipeline['PipelineArn']}/execution/{self.id}"
        self.created = self.modified = time.time()
        self.display_name = request.get("PipelineExecutionDisplayName", f"execution-{int(self.created * 1000)}")
        self.status = "Executing"
        self._runs: dict[str, StepRun] = {}
        self._attempts: dict[str, int] = {}
        self._properties: dict[str, Mapping[str, Any]] = {}
        self._runner = StepRunner(
            cloud, jobs, pipeline, definition, parameters, self.arn, self.created, self._properties
        )
        self._stopping = False
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        limits = request.get("ParallelismConfiguration") or pipeline.get("ParallelismConfiguration") or {}
        self._limit = limits.get("MaxParallelExecutionSteps", MAX_PARALLEL_STEPS)

    @property
    def failure_reason(self) -> str | None:
        """FailureReason of DescribePipelineExecution; the steps' own reasons say more."""
        return FAILURE if self.status == "Failed" else None

    def start(self) -> None:
        """Begin; returns at once."""
        self._announce(None)
        thread = threading.Thread(target=self._schedule, name=f"execution {self.id}", daemon=True)
        thread.start()
        self._thread = thread

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def stop(self) -> bool:
        """Begin to stop, killing the jobs of running steps; False when the execution had ended before."""
        with self._changed:
            if self.status not in {"Executing", "Stopping"}:
                return False
            before, self.status = self.status, "Stopping"
            self._stopping, self.modified = True, time.time()
            for run in self._runs.values():
                if run.end is None:
                    run.status = "Stopping"
                    if run.job is not None:
                        run.job.stop()
            self._changed.notify_all()
        if before == "Executing":
            self._announce(before)
        return True

    def retry(self) -> bool:
        """Run again what failed or was stopped, keeping what succeeded; False unless it failed or was stopped."""
        with self._changed:
            if self.status not in {"Failed", "Stopped"}:
                return False
            for name in [name for name, run in self._runs.items() if run.status != "Succeeded"]:
                del self._runs[name]
            self._stopping, self.status, self.modified = False, "Executing", time.time()
        self.start()
        return True

    def steps(self) -> list[dict[str, Any]]:
        """Every step that has started, in that order."""
        with self._changed:
            return [run.summary() for run in self._runs.values()]

    def _schedule(self) -> None:
        with self._changed:
            while True:
                running = sum(run.end is None for run in self._runs.values())
                halted = self._stopping or any(run.status == "Failed" for run in self._runs.values())
                ready = [] if halted else self._ready()
                if not running and not ready:
                    break
                for step in ready[: self._limit - running]:
                    self._launch(step)
                self._changed.wait()
            failed = any(run.status == "Failed" for run in self._runs.values())
            before = self.status
            self.status = "Stopped" if self._stopping else "Failed" if failed else "Succeeded"
            self.modified = time.time()
        self._announce(before)

    def _ready(self) -> list[Step]:
        """The steps that can start now, in order of declaration."""
        waiting = [step for step in self._definition.steps.values() if step.name not in self._runs]
        return [
            step
            for step in waiting
            if all(name in self._properties for name in step.after) and not self._of_other_branch(step)
        ]

    def _of_other_branch(self, step: Step) -> bool:
        if step.branch is None:
            return False
        condition, outcome = step.branch
        return bool(self._properties[condition]["Outcome"]) != outcome

    def _launch(self, step: Step) -> None:
        self._attempts[step.name] = self._attempts.get(step.name, 0) + 1
        run = self._runs[step.name] = StepRun(step, self._attempts[step.name])
        threading.Thread(target=self._run, args=(run,), name=f"step {step.name} of {self.id}", daemon=True).start()

    def _run(self, run: StepRun) -> None:
        status, reason = "Failed", INTERNAL_ERROR
        properties: Mapping[str, Any] = {}
        try:
            properties = self._runner.perform(run, self._attach)
            status, reason = "Succeeded", ""
        except StepStopped:
            status, reason = "Stopped", ""
        except StepError as error:
            reason = str(error)
        except Exception as error:
            logger.exception("The step %s of %s failed inside.", run.step.name, self.id)
            reason = f"{INTERNAL_ERROR} {words(error)}"
        finally:
            with self._changed:
                run.status, run.reason, run.end = status, reason or None, time.time()
                if status == "Succeeded":
                    self._properties[run.step.name] = properties
                self.modified = time.time()
                self._changed.notify_all()

    def _attach(self, run: StepRun, job: Job | None) -> bool:
        """Note that a step runs, and its job, to stop it with the execution; True when that is being stopped."""
        with self._changed:
            run.job = job
            if self._stopping and job is not None:
                job.stop()
            elif run.status == "Starting":
                run.status = "Executing"
            return self._stopping

    def _announce(self, before: str | None) -> None:
        """Put the event AWS puts when an execution's status changes."""
        ended = self.status in {"Failed", "Stopped", "Succeeded"}
        detail = {
            "pipelineArn": self.pipeline["PipelineArn"],
            "pipelineExecutionArn": self.arn,
            "pipelineExecutionDisplayName": self.display_name,
            "currentPipelineExecutionStatus": self.status,
            "executionStartTime": iso(self.created),
            **({"previousPipelineExecutionStatus": before} if before else {}),
            **({"executionEndTime": iso(self.modified)} if ended else {}),
        }
        self._cloud.put_event("aws.sagemaker", _EVENT, [self.pipeline["PipelineArn"], self.arn], detail)
