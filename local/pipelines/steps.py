"""Performing pipeline steps of each type, as the pipeline's role."""

from __future__ import annotations

import contextlib
import json
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.core import requests, transfer
from local.core.api import ApiError, Cloud
from local.core.authorization import passed_roles
from local.core.transfer import TransferError
from local.jobs.job import Job
from local.jobs.job_service import TUNING, JobService
from local.pipelines import expressions, lambda_step
from local.pipelines.expressions import ExpressionError, Scope
from local.pipelines.pipeline_definition import Definition
from local.pipelines.step_run import StepError, StepRun, StepStopped

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html: ProcessingJobName
MAX_JOB_NAME = 63
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
MAX_TUNING_JOB_NAME = 32
_ALPHANUMERIC = string.ascii_letters + string.digits
# By the step's type: the kind of its job, and the member of the step's metadata that names the job.
_JOBS = {
    "Processing": ("Processing", "ProcessingJob"),
    "Training": ("Training", "TrainingJob"),
    "Tuning": (TUNING, "TuningJob"),
}
Attach = Callable[[StepRun, Job | None], bool]


@dataclass(frozen=True)
class StepRunner:
    """Performs the steps of one execution.

    Attributes:
        pipeline: DescribePipeline's answer, for name, ARN and role.
        definition: the pipeline's definition, checked.
        parameters: parameters of the execution, typed.
        created: when the execution was, epoch seconds.
        properties: properties of the steps that have succeeded; grows while the execution runs.
    """

    cloud: Cloud
    jobs: JobService
    pipeline: Mapping[str, Any]
    definition: Definition
    parameters: Mapping[str, Any]
    arn: str
    created: float
    properties: Mapping[str, Mapping[str, Any]]

    def perform(self, run: StepRun, attach: Attach) -> Mapping[str, Any]:
        """Do what a step does, and wait for it.

        Args:
            run: the step; its metadata is filled in as it is known.
            attach: told that the step runs, and of its job; afterwards asked again whether the execution is being
                stopped.

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
        if run.step.type == "RegisterModel":
            return self._register(run, arguments)
        return self._call(run, arguments, attach) if run.step.type == "Lambda" else self._job(run, arguments, attach)

    def _decide(self, run: StepRun, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        scope = self._scope()
        outcome = all(expressions.holds(condition, scope) for condition in arguments["Conditions"])
        run.metadata["Condition"] = {"Outcome": str(outcome)}
        return {"Outcome": outcome}

    def _call(self, run: StepRun, arguments: Mapping[str, Any], attach: Attach) -> Mapping[str, Any]:
        """Call a Lambda step's function. A call cannot be taken back: stopping the execution waits for its end."""
        step = run.step
        function = expressions.evaluate(step.function, self._scope())
        run.metadata["Lambda"] = {"Arn": function}
        attach(run, None)
        with _invoking("lambda:InvokeFunction"):
            client = self.cloud.client("lambda", role_arn=self.pipeline["RoleArn"])
        outputs = lambda_step.invoke(client, function, arguments, step.outputs)
        run.metadata["Lambda"]["OutputParameters"] = [
            {"Name": name, "Value": lambda_step.text(value)} for name, value in outputs.items()
        ]
        return {"OutputParameters": outputs}

    def _job(self, run: StepRun, arguments: Mapping[str, Any], attach: Attach) -> Mapping[str, Any]:
        kind, member = _JOBS[run.step.type]
        name = self._job_name(kind, run.step.name)
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
            for role in passed_roles(request):
                self._authorize("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})
            job = self.jobs.create(kind, request)
        run.metadata[member] = {"Arn": arn}
        attach(run, job)
        job.wait()
        if job.status == "Completed":
            return job.properties()
        if job.status == "Stopped" and attach(run, job):
            raise StepStopped
        raise StepError(f"ClientError: {job.failure_reason or f'The job {name} was stopped.'}")

    def _job_name(self, kind: str, step: str) -> str:
        """A name as Pipelines makes it; that of a tuning job is short and begins with the execution."""
        execution = self.arn.rsplit("/", 1)[-1]
        if kind == TUNING:
            start, most = f"{execution}-", MAX_TUNING_JOB_NAME
        else:
            start, most = f"pipelines-{execution}-", MAX_JOB_NAME
        end = "-" + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(10))
        return start + step.replace("_", "-")[: most - len(start) - len(end)].strip("-") + end

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
