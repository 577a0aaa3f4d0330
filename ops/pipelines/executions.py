"""Pipeline executions, read from the SageMaker and CloudWatch Logs APIs."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code
from ops.base.errors import CommandError
from ops.pipelines.job_logs import JobLogs
from ops.pipelines.tuning import read_search

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sagemaker import SageMakerClient

    from ops.pipelines.tuning import Search

FINISHED = frozenset({"Succeeded", "Failed", "Stopped"})
_KILLED = 137  # 128 and the number of SIGKILL, as a container reports it
_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
# Where SageMaker writes the output of a job, by the member of a step's metadata that names it.
_LOG_GROUPS = {"ProcessingJob": "/aws/sagemaker/ProcessingJobs", "TrainingJob": _TRAINING_LOGS}


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of an execution; what it does not have is empty or None.

    Attributes:
        job: the name of its processing or training job, which logs to `log_group`.
        search: the training jobs of a Tuning step.
        outputs: output parameters of a Lambda step.
        model_package: the ARN of the model version it registered.
    """

    name: str
    status: str
    started: datetime | None = None
    ended: datetime | None = None
    failure_reason: str = ""
    cached: bool = False
    job: str = ""
    log_group: str = ""
    search: Search | None = None
    outputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    model_package: str = ""

    @property
    def has_log(self) -> bool:
        """Whether there is something it logs."""
        return bool(self.job or self.search)


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
        """Reason why it did not succeed: the failed step's, which says more than the execution's own."""
        for step in self.steps:
            if step.status == "Failed" and step.failure_reason:
                return f"{step.name}: {step.failure_reason}{_killed(step.failure_reason)}"
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
                    "job": step.job or (step.search.job if step.search else None),
                    "search": step.search.as_json() if step.search else None,
                    "outputs": dict(step.outputs) or None,
                }
                for step in self.steps
            ],
        }


class ExecutionReader:
    """Reads, and starts, the executions of one pipeline."""

    def __init__(
        self,
        sagemaker: SageMakerClient,
        logs: CloudWatchLogsClient,
        pipeline: str,
        *,
        first: str = "upload an archive with `cxr upload PATH`",
    ) -> None:
        self._sagemaker = sagemaker
        self._logs = JobLogs(logs)
        self._pipeline = pipeline
        self._first = first  # what makes the first execution

    def recent(self, limit: int) -> list[Execution]:
        """The newest executions, newest first; failed ones with their steps, which tell why."""
        found = []
        for arn in self._newest(limit):
            details = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            execution = _execution(details)
            found.append(self.read(arn) if execution.status == "Failed" else execution)
        return found

    def latest(self) -> str:
        """The newest execution's ARN; raises CommandError when there is none."""
        newest = next(self._newest(1), None)
        if newest is None:
            raise CommandError(f"{self._pipeline} has no executions yet: {self._first}.")
        return newest

    def _newest(self, limit: int) -> Iterator[str]:
        """ARNs of the newest executions, newest first, over as many pages as it takes."""
        pages = self._sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=self._pipeline,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": limit, "PageSize": min(limit, 100)},
        )
        for page in pages:
            for summary in page["PipelineExecutionSummaries"]:
                yield summary["PipelineExecutionArn"]

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
                message = f"{self._pipeline} has no execution {arn.rpartition('/')[2]}: `cxr executions` lists them"
                raise CommandError(f"{message}, and one of another pipeline is named by its ARN.") from error
            raise
        pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        steps = [self._step(item) for page in pages for item in page["PipelineExecutionSteps"]]
        return dataclasses.replace(_execution(details), steps=tuple(steps))

    def definition(self) -> dict[str, Any]:
        """The pipeline's definition as it is deployed: its parameters are what a start may name."""
        answer = self._sagemaker.describe_pipeline(PipelineName=self._pipeline)
        return dict(json.loads(answer["PipelineDefinition"]))

    def start(self, parameters: Mapping[str, str], *, name: str) -> str:
        """Start an execution with these parameters, the others at their defaults; its ARN.

        Args:
            parameters: values by the parameters' names, checked against `definition` before.
            name: shown in SageMaker Studio, at most 82 letters, digits and dashes.
        """
        answer = self._sagemaker.start_pipeline_execution(
            PipelineName=self._pipeline,
            PipelineExecutionDisplayName=name,
            PipelineParameters=[{"Name": key, "Value": value} for key, value in parameters.items()],
            ClientRequestToken=uuid.uuid4().hex,  # the SDK repeats a request that got no answer
        )
        return answer["PipelineExecutionArn"]

    def find(self, token: str) -> str | None:
        """The ARN of a recent execution that works on the archive copied under this token, or None."""
        for arn in self._newest(50):  # as many archives may be uploaded at once
            if any(f"/{token}/" in value for value in self.parameters(arn).values()):
                return arn
        return None

    def parameters(self, arn: str) -> dict[str, str]:
        """The parameters that an execution was started with, by name."""
        pages = self._sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
            PipelineExecutionArn=arn
        )
        return {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["PipelineParameters"]}

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

    def last_lines(self, step: Step) -> list[str]:
        """The newest line of its own of everything that runs for the step, named where there are several."""
        if step.search is None:
            return _named(self._logs.last_lines(step.log_group, step.job))
        newest = {}
        for trial in step.search.running:
            for line in self._logs.last_lines(_TRAINING_LOGS, trial.job).values():
                newest[trial.label] = line
        return [f"{label}: {line}" for label, line in newest.items()]

    def log_lines(self, step: Step) -> Iterator[str]:
        """All lines that the step's jobs logged, oldest first, one instance or training job after the other."""
        if step.search is None:
            yield from _sections(self._logs.lines(step.log_group, step.job))
            return
        for trial in step.search.trials:
            yield from _sections((trial.label, line) for _, line in self._logs.lines(_TRAINING_LOGS, trial.job))

    def _step(self, item: Any) -> Step:
        metadata = item.get("Metadata", {})
        job = log_group = ""
        for member, group in _LOG_GROUPS.items():
            if arn := metadata.get(member, {}).get("Arn"):
                job, log_group = arn.rpartition("/")[2], group
        tuning = metadata.get("TuningJob", {}).get("Arn", "").rpartition("/")[2]
        outputs = metadata.get("Lambda", {}).get("OutputParameters", [])
        return Step(
            name=item["StepName"],
            status=item["StepStatus"],
            started=item.get("StartTime"),
            ended=item.get("EndTime"),
            failure_reason=item.get("FailureReason", ""),
            cached=bool(item.get("CacheHitResult")),
            job=job,
            log_group=log_group,
            search=read_search(self._sagemaker, tuning) if tuning else None,
            outputs={output["Name"]: output["Value"] for output in outputs},
            model_package=metadata.get("RegisterModel", {}).get("Arn", ""),
        )


def _killed(reason: str) -> str:
    """Advice for a job that the kernel ended, of which the service tells the exit code alone; else empty."""
    if not reason.endswith(f"exit code: {_KILLED}"):
        return ""
    return (
        " (the job was killed, most often for want of memory: choose a larger instance by "
        "--set ProcessingInstanceType=... or --set TrainingInstanceType=...)"
    )


def _named(lines: Mapping[str, str]) -> list[str]:
    return [f"{host}: {line}" if len(lines) > 1 else line for host, line in lines.items()]


def _sections(lines: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Lines under the name of what logged them, where they have one."""
    above = ""
    for name, line in lines:
        if name != above:
            above = name
            yield f"==> {name} <=="
        yield line


def _execution(details: Any) -> Execution:
    status = details["PipelineExecutionStatus"]
    return Execution(
        arn=details["PipelineExecutionArn"],
        status=status,
        started=details.get("CreationTime"),
        ended=details.get("LastModifiedTime") if status in FINISHED else None,
        failure_reason=details.get("FailureReason", ""),
    )
