"""What each type of pipeline step does, acting as the pipeline's role."""

from __future__ import annotations

import contextlib
import json
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local import expressions, requests, transfer
from local.api import ApiError, Cloud
from local.expressions import ExpressionError, Scope
from local.job import Job
from local.jobs import JobService
from local.pipeline_definition import Definition, Step
from local.transfer import TransferError

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html
MAX_REASON = 1024
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html: ProcessingJobName
MAX_JOB_NAME = 63
_ALPHANUMERIC = string.ascii_letters + string.digits


class StepError(Exception):
    """A step that failed; the message is its FailureReason."""


class StepStopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """A step that ended because its execution was stopped."""


@dataclass
class StepRun:
    """What ListPipelineExecutionSteps tells of a step that has started."""

    step: Step
    attempt: int
    status: str = "Starting"
    begin: float = field(default_factory=time.time)
    end: float | None = None
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    job: Job | None = None

    def summary(self) -> dict[str, Any]:
        """As a member of `PipelineExecutionSteps`."""
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


@dataclass(frozen=True)
class StepRunner:
    """Performs the steps of one execution.

    Attributes:
        cloud: where they act.
        jobs: runs the jobs of Processing and Training steps.
        pipeline: DescribePipeline's answer, for name, ARN and role.
        definition: the pipeline's definition, checked.
        parameters: of the execution, typed.
        arn: of the execution.
        created: when the execution was, epoch seconds.
        properties: of the steps that have succeeded; grows while the execution runs.
    """

    cloud: Cloud
    jobs: JobService
    pipeline: Mapping[str, Any]
    definition: Definition
    parameters: Mapping[str, Any]
    arn: str
    created: float
    properties: Mapping[str, Mapping[str, Any]]

    def perform(self, run: StepRun, attach: Callable[[StepRun, Job], bool]) -> Mapping[str, Any]:
        """Do what a step does, and wait for it.

        Args:
            run: the step; its metadata is filled in as it is known.
            attach: told of the step's job once it runs; afterwards asked again whether the execution is being stopped.

        Returns:
            The step's properties, which later steps may refer to.

        Raises:
            StepError: it failed.
            StepStopped: it was stopped with its execution.
        """
        arguments: Any = run.step.arguments
        try:
            if run.step.type == "Condition":
                return self._decide(run, arguments)
            arguments = expressions.evaluate(arguments, self._scope())
        except ExpressionError as error:
            raise StepError(str(error)) from error
        except TransferError as error:
            raise StepError(str(error)) from error
        if run.step.type == "Fail":
            message = arguments.get("ErrorMessage", "")
            run.metadata["Fail"] = {"ErrorMessage": message}
            raise StepError(message)
        return self._register(run, arguments) if run.step.type == "RegisterModel" else self._job(run, arguments, attach)

    def _decide(self, run: StepRun, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        scope = self._scope()
        outcome = all(expressions.holds(condition, scope) for condition in arguments["Conditions"])
        run.metadata["Condition"] = {"Outcome": str(outcome)}
        return {"Outcome": outcome}

    def _job(
        self, run: StepRun, arguments: Mapping[str, Any], attach: Callable[[StepRun, Job], bool]
    ) -> Mapping[str, Any]:
        kind = run.step.type
        name = self._job_name(run.step.name)
        tags = {"sagemaker:pipeline-execution-arn": self.arn, "sagemaker:pipeline-step-name": run.step.name}
        request = {
            **arguments,
            f"{kind}JobName": name,
            "Tags": [*arguments.get("Tags", ()), *({"Key": k, "Value": v} for k, v in tags.items())],
        }
        action = f"sagemaker:Create{kind}Job"
        with _invoking(action):
            arn = self.jobs.arn(kind, name)
            requests.check(f"Create{kind}Job", request)
            self._authorize(action, arn)
            # Pipelines tags what it creates, which AWS authorizes on its own.
            self._authorize("sagemaker:AddTags", arn)
            self._authorize("iam:PassRole", request["RoleArn"], {"iam:PassedToService": "sagemaker.amazonaws.com"})
            job = self.jobs.create(kind, request)
        run.metadata[f"{kind}Job"] = {"Arn": arn}
        attach(run, job)
        job.wait()
        if job.status == "Completed":
            return job.describe()
        if job.status == "Stopped" and attach(run, job):
            raise StepStopped
        raise StepError(f"ClientError: {job.failure_reason or f'The job {name} was stopped.'}")

    def _job_name(self, step: str) -> str:
        start = f"pipelines-{self.arn.rsplit('/', 1)[-1]}-"
        end = "-" + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(10))
        return start + step.replace("_", "-")[: MAX_JOB_NAME - len(start) - len(end)].strip("-") + end

    def _register(self, run: StepRun, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with _invoking("sagemaker:CreateModelPackage"):
            requests.check("CreateModelPackage", arguments)
            group = arguments.get("ModelPackageGroupName", "").rsplit("/", 1)[-1]
            listed = self.cloud.registry("ListModelPackages", {"ModelPackageGroupName": group, "MaxResults": 100})
            versions = [p.get("ModelPackageVersion", 0) for p in listed.get("ModelPackageSummaryList", ())]
            package = f"model-package/{group}/{max(versions, default=0) + 1}"
            arn = f"arn:aws:sagemaker:{self.cloud.region}:{self.cloud.account}:{package}"
            self._authorize("sagemaker:CreateModelPackage", arn)
            created: str = self.cloud.registry("CreateModelPackage", arguments)["ModelPackageArn"]
            run.metadata["RegisterModel"] = {"Arn": created}
            return self.cloud.registry("DescribeModelPackage", {"ModelPackageName": created})

    def _authorize(self, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        self.cloud.authorize(self.pipeline["RoleArn"], action, resource, context)

    def _scope(self) -> Scope:
        execution = {
            "PipelineName": self.pipeline["PipelineName"],
            "PipelineArn": self.pipeline["PipelineArn"],
            "PipelineExecutionArn": self.arn,
            "PipelineExecutionId": self.arn.rsplit("/", 1)[-1],
            "StartDateTime": iso(self.created),
            "CurrentDateTime": iso(time.time()),
        }
        return Scope(self.parameters, execution, self.properties, self._property_file, self._json_at)

    def _property_file(self, step: str, name: str) -> Any:
        output, path = self.definition.steps[step].property_files[name]
        where = ["ProcessingOutputConfig", "Outputs", output, "S3Output", "S3Uri"]
        uri = expressions.look_up(self.properties[step], where, f"Steps.{step}.PropertyFiles.{name}")
        return self._json_at(f"{uri.rstrip('/')}/{path}")

    def _json_at(self, uri: str) -> Any:
        try:
            s3 = self.cloud.client("s3", role_arn=self.pipeline["RoleArn"])
            return json.loads(transfer.read(s3, uri), parse_constant=_refuse_constant)
        except ApiError as error:
            raise ExpressionError(f"ClientError: The pipeline's role cannot be used: {error.message}") from error
        except ValueError as error:
            raise ExpressionError(f"ClientError: The content of {uri} is not valid JSON: {error}.") from error


@contextlib.contextmanager
def _invoking(action: str) -> Iterator[None]:
    """Words an API's refusal as a step's FailureReason, as Pipelines does."""
    try:
        yield
    except ApiError as error:
        details = f"{error.message} ({error.code})"
        raise StepError(f"ClientError: Failed to invoke {action}. Error Details: {details}") from error


def iso(moment: float) -> str:
    """A time in epoch seconds as ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
