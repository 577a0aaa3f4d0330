"""Deployed stacks `cxr-{env}-*` and their outputs, the only place the commands take names from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lambdas.aws.errors import error_code
from ops.base.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudformation import CloudFormationClient

STACKS = ("data", "training", "release", "endpoint", "api", "monitoring")


@dataclasses.dataclass(frozen=True)
class Stack:
    """One deployed stack."""

    name: str
    status: str
    updated: datetime | None
    outputs: dict[str, str]
    tags: dict[str, str]
    parameters: dict[str, str]


class _Output:
    """An attribute that is an output of a part's stack, as `Deployment.output` gives it."""

    def __init__(self, part: str, key: str) -> None:
        self._part, self._key = part, key

    def __get__(self, deployment: Deployment, owner: type[Deployment]) -> str:
        return deployment.output(self._part, self._key)


class Deployment:
    """The stacks of one environment. Each is described when it is first asked for, so a command needs few calls."""

    data_bucket = _Output("data", "DataBucketName")
    """The bucket archives are uploaded to."""
    data_key = _Output("data", "DataKeyArn")
    """The ARN of the key that encrypts the buckets."""
    artifact_bucket = _Output("data", "ArtifactBucketName")
    """The bucket that models and evaluations are in."""
    signing_key = _Output("data", "SigningKeyArn")
    """The ARN of the key that signs what is registered."""
    pipeline = _Output("training", "PipelineName")
    """The name of the training pipeline."""
    site_evaluation_pipeline = _Output("training", "SiteEvaluationPipelineName")
    """The name of the pipeline that evaluates a model on a site's radiographs."""
    calibration_pipeline = _Output("training", "CalibrationPipelineName")
    """The name of the pipeline that calibrates a model on a site's radiographs."""
    label_calibration_pipeline = _Output("training", "LabelCalibrationPipelineName")
    """The name of the pipeline that calibrates a model on readers' labels."""
    monitoring_pipeline = _Output("monitoring", "MonitoringPipelineName")
    """The name of the monitoring pipeline."""
    model_package_group = _Output("training", "ModelPackageGroupName")
    """The name of the group that models are registered in."""
    endpoint = _Output("endpoint", "EndpointName")
    """The endpoint's name, which exists before the endpoint does."""

    def __init__(
        self, cloudformation: CloudFormationClient, *, env: str, region: str | None, endpoint_url: str | None = None
    ) -> None:
        self._cloudformation = cloudformation
        self._endpoint_url = endpoint_url
        self._known: dict[str, Stack | None] = {}
        self.env = env
        self.region = region

    def stack_name(self, part: str) -> str:
        """The full name of a part's stack, such as `cxr-dev-data`."""
        return f"cxr-{self.env}-{part}"

    def describe(self, part: str) -> Stack | None:
        """The stack as it is now, or None when it does not exist."""
        name = self.stack_name(part)
        try:
            answer = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except Exception as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                self._known[part] = None
                return None
            raise
        stack = Stack(
            name=name,
            status=answer["StackStatus"],
            updated=answer.get("LastUpdatedTime") or answer.get("CreationTime"),
            outputs={item["OutputKey"]: item["OutputValue"] for item in answer.get("Outputs", [])},
            tags={item["Key"]: item["Value"] for item in answer.get("Tags", [])},
            parameters={item["ParameterKey"]: item.get("ParameterValue", "") for item in answer.get("Parameters", [])},
        )
        self._known[part] = stack
        return stack

    def _deployed(self, part: str) -> Stack:
        """A part's stack, asked for once; raises CommandError when it is missing."""
        stack = self._known[part] if part in self._known else self.describe(part)
        if stack is None:
            where = f" in {self.region}" if self.region else ""
            raise CommandError(
                f"{self.stack_name(part)} is not deployed{where}: run `make deploy ENV={self.env}`, "
                "or name another environment with --env.",
                ExitCode.UNAVAILABLE,
            )
        return stack

    def output(self, part: str, key: str) -> str:
        """An output of a part's stack; raises CommandError when the stack or the output is missing."""
        stack = self._deployed(part)
        if key not in stack.outputs:
            raise CommandError(
                f"{stack.name} ({stack.status}) has no output {key}: its deployment did not finish or is of another "
                f"version; run `make deploy ENV={self.env}`.",
                ExitCode.UNAVAILABLE,
            )
        return stack.outputs[key]

    def tags(self, part: str) -> dict[str, str]:
        """The tags of a part's stack, which everything in it has; raises CommandError when it is missing."""
        return self._deployed(part).tags

    @property
    def batch_volume_key(self) -> str:
        """The ARN of the key that settings ask for on volumes of batch jobs; empty where they ask for none."""
        return self._deployed("endpoint").outputs.get("BatchVolumeKeyArn", "")

    @property
    def archive_sources(self) -> list[str]:
        """The folders of buckets, as S3 URIs, whose objects executions may read."""
        return self.output("data", "ArchiveSources").split()

    @property
    def api_key_id(self) -> str | None:
        """The identifier of the API key the stack made, whose value is read from API Gateway; None without keys."""
        self.output("api", "ApiUrl")  # raises where the stack is not there at all
        stack = self._known["api"]
        return stack.outputs.get("ApiKeyId") if stack else None

    @property
    def api_url(self) -> str:
        """URL of the HTTPS API, ending with a slash: in AWS, or in the laptop's cloud when that is in use."""
        url = self.output("api", "ApiUrl")
        if not self._endpoint_url:
            return url if url.endswith("/") else f"{url}/"
        return laptop_api_url(url, self._endpoint_url)

    def batch_model(self) -> str:
        """The name of the model that scores images in numbers; raises CommandError before the first release."""
        self.output("endpoint", "EndpointName")  # says what to do where nothing is deployed
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=self.stack_name("endpoint")
        )
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            if (
                resource["ResourceType"] == "AWS::SageMaker::Model"
                and resource["LogicalResourceId"].startswith("BatchModel")
                and resource["ResourceStatus"] != "DELETE_COMPLETE"
            ):
                return resource.get("PhysicalResourceId", "").rpartition("/")[2]
        raise CommandError("No model has been released yet: `cxr approve` releases one.")

    @property
    def async_endpoint(self) -> str:
        """The name of the asynchronous endpoint; raises CommandError where the settings name none."""
        self.output("endpoint", "EndpointName")
        stack = self._known["endpoint"]
        if stack is None or "AsyncEndpointName" not in stack.outputs:
            raise CommandError(
                f"The environment {self.env} has no asynchronous endpoint: give it `asynchronous` in cdk.json, or "
                "leave --async out."
            )
        return stack.outputs["AsyncEndpointName"]

    def newest_event(self, part: str) -> str | None:
        """The identifier of the stack's newest event, or None without a stack: what comes after it is new."""
        if self.describe(part) is None:
            return None
        events = self._cloudformation.describe_stack_events(StackName=self.stack_name(part))["StackEvents"]
        return events[0]["EventId"] if events else None

    def failures(self, part: str, *, after: str | None) -> list[str]:
        """Failures in the stack after that event, the first failure first, each as `LogicalId: reason`."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.stack_name(part))
        reasons: list[str] = []
        for event in (event for page in pages for event in page["StackEvents"]):
            if event["EventId"] == after:
                break
            if event.get("ResourceStatus", "").endswith("_FAILED"):
                reasons.append(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}")
        return reasons[::-1]


def laptop_api_url(api_url: str, endpoint_url: str) -> str:
    """The laptop's address of an API whose AWS address is https://<id>.execute-api.<region>.<suffix>/<stage>/."""
    parts = urlsplit(api_url)
    api_id = (parts.hostname or "").partition(".")[0]
    stage = parts.path.strip("/")
    return f"{endpoint_url.rstrip('/')}/_aws/execute-api/{api_id}/{stage}/"
