"""Pipeline executions as the ordinary SageMaker and CloudWatch Logs APIs tell of them."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from ops.errors import CommandError, error_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sagemaker import SageMakerClient

FINISHED = frozenset({"Succeeded", "Failed", "Stopped"})
# Where SageMaker writes the output of a job, by the member of a step's metadata that names it.
_LOG_GROUPS = {"ProcessingJob": "/aws/sagemaker/ProcessingJobs", "TrainingJob": "/aws/sagemaker/TrainingJobs"}
# TensorFlow's C++ side logs in absl's format, about the machine and not about the step; `cxr logs` shows it all.
_NATIVE_LOG = re.compile(
    r"[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] |WARNING: All log messages before absl"
)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of an execution; `job`, `log_group` and `model_package` are empty where it has none."""

    name: str
    status: str
    started: datetime | None = None
    ended: datetime | None = None
    failure_reason: str = ""
    cached: bool = False
    job: str = ""
    log_group: str = ""
    model_package: str = ""


@dataclasses.dataclass(frozen=True)
class Execution:
    """An execution; `steps` is in order of start, and empty where a listing left them out."""

    arn: str
    status: str
    started: datetime | None
    ended: datetime | None
    failure_reason: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in FINISHED

    @property
    def reason(self) -> str:
        """Why it did not succeed: the failed step's reason, which says more than the execution's own."""
        for step in self.steps:
            if step.status == "Failed" and step.failure_reason:
                return f"{step.name}: {step.failure_reason}"
        return self.failure_reason

    @property
    def registered_version(self) -> str:
        """The model version that this execution registered, or an empty string."""
        return next((step.model_package.rpartition("/")[2] for step in self.steps if step.model_package), "")

    def as_json(self) -> dict[str, Any]:
        """A document with stable names for scripts."""
        return {
            "id": self.id,
            "arn": self.arn,
            "status": self.status,
            "started": self.started,
            "ended": self.ended,
            "reason": self.reason or None,
            "model_version": self.registered_version or None,
            "steps": [
                {
                    "name": step.name,
                    "status": step.status,
                    "started": step.started,
                    "ended": step.ended,
                    "reason": step.failure_reason or None,
                    "cached": step.cached,
                    "job": step.job or None,
                }
                for step in self.steps
            ],
        }


class ExecutionReader:
    """Reads the executions of one pipeline."""

    def __init__(self, sagemaker: SageMakerClient, logs: CloudWatchLogsClient, pipeline: str) -> None:
        self._sagemaker = sagemaker
        self._logs = logs
        self._pipeline = pipeline

    def recent(self, limit: int) -> list[Execution]:
        """The newest executions, newest first; failed ones with their steps, which tell why."""
        answer = self._sagemaker.list_pipeline_executions(
            PipelineName=self._pipeline, SortBy="CreationTime", SortOrder="Descending", MaxResults=min(limit, 100)
        )
        found = []
        for summary in answer["PipelineExecutionSummaries"]:
            arn = summary["PipelineExecutionArn"]
            details = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            execution = _execution(details)
            found.append(self.read(arn) if execution.status == "Failed" else execution)
        return found

    def latest(self) -> str:
        """The newest execution's ARN; raises CommandError when there is none."""
        answer = self._sagemaker.list_pipeline_executions(
            PipelineName=self._pipeline, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
        )
        if not answer["PipelineExecutionSummaries"]:
            raise CommandError(f"{self._pipeline} has no executions yet: upload an archive with `cxr upload PATH`.")
        return answer["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]

    def resolve(self, execution: str | None) -> str:
        """The ARN of an execution named by its identifier or ARN, or of the newest one."""
        if execution is None or execution == "latest":
            return self.latest()
        if execution.startswith("arn:"):
            return execution
        pipeline_arn = self._sagemaker.describe_pipeline(PipelineName=self._pipeline)["PipelineArn"]
        return f"{pipeline_arn}/execution/{execution}"

    def read(self, arn: str) -> Execution:
        """The execution with its steps as they are now; raises CommandError when there is no such execution."""
        try:
            details = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        except Exception as error:
            if error_code(error) in {"ResourceNotFound", "ResourceNotFoundException"}:
                message = f"{self._pipeline} has no execution {arn.rpartition('/')[2]}: `cxr executions` lists them."
                raise CommandError(message) from error
            raise
        pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        steps = [_step(item) for page in pages for item in page["PipelineExecutionSteps"]]
        return dataclasses.replace(_execution(details), steps=tuple(steps))

    def find(self, token: str) -> str | None:
        """The ARN of a recent execution that works on the archive copied under this token, or None."""
        answer = self._sagemaker.list_pipeline_executions(
            PipelineName=self._pipeline, SortBy="CreationTime", SortOrder="Descending", MaxResults=10
        )
        for summary in answer["PipelineExecutionSummaries"]:
            arn = summary["PipelineExecutionArn"]
            parameters = self._sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
            if any(f"/{token}/" in parameter["Value"] for parameter in parameters["PipelineParameters"]):
                return arn
        return None

    def planned_steps(self, arn: str) -> list[str]:
        """Names of the steps every run of this execution's definition comes to, leaving out a condition's branches."""
        try:
            answer = self._sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
        except Exception as error:
            # Only decoration depends on it: a role that may watch need not be allowed to read definitions.
            if error_code(error):
                return []
            raise
        return [step["Name"] for step in json.loads(answer["PipelineDefinition"])["Steps"]]

    def last_line(self, step: Step) -> str:
        """The newest line of its own that the step's job logged; empty when there is none yet."""
        for stream in self._streams(step)[:1]:
            answer = self._logs.get_log_events(
                logGroupName=step.log_group, logStreamName=stream, limit=20, startFromHead=False
            )
            lines = [event["message"].strip() for event in answer["events"]]
            telling = [line for line in lines if line and not _NATIVE_LOG.match(line)]
            return telling[-1] if telling else ""
        return ""

    def log_lines(self, step: Step) -> Iterator[str]:
        """All lines that the step's job logged, oldest first, one stream after the other."""
        for stream in self._streams(step):
            token: str | None = None
            while True:
                more: Any = {"nextToken": token} if token else {}
                answer = self._logs.get_log_events(
                    logGroupName=step.log_group, logStreamName=stream, startFromHead=True, **more
                )
                for event in answer["events"]:
                    yield event["message"].rstrip("\n")
                # CloudWatch Logs answers the same token again at the end of a stream.
                if not answer["events"] or answer["nextForwardToken"] == token:
                    break
                token = answer["nextForwardToken"]

    def _streams(self, step: Step) -> list[str]:
        """The job's log streams, the one written last first."""
        if not step.job:
            return []
        try:
            answer = self._logs.describe_log_streams(logGroupName=step.log_group, logStreamNamePrefix=f"{step.job}/")
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                return []
            raise
        streams = sorted(answer["logStreams"], key=lambda stream: stream.get("lastEventTimestamp", 0), reverse=True)
        return [stream["logStreamName"] for stream in streams]


def _execution(details: Any) -> Execution:
    status = details["PipelineExecutionStatus"]
    return Execution(
        arn=details["PipelineExecutionArn"],
        status=status,
        started=details.get("CreationTime"),
        ended=details.get("LastModifiedTime") if status in FINISHED else None,
        failure_reason=details.get("FailureReason", ""),
    )


def _step(item: Any) -> Step:
    metadata = item.get("Metadata", {})
    job = log_group = ""
    for member, group in _LOG_GROUPS.items():
        if arn := metadata.get(member, {}).get("Arn"):
            job, log_group = arn.rpartition("/")[2], group
    return Step(
        name=item["StepName"],
        status=item["StepStatus"],
        started=item.get("StartTime"),
        ended=item.get("EndTime"),
        failure_reason=item.get("FailureReason", ""),
        cached=bool(item.get("CacheHitResult")),
        job=job,
        log_group=log_group,
        model_package=metadata.get("RegisterModel", {}).get("Arn", ""),
    )
