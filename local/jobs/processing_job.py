"""Processing jobs: inputs and outputs mapped below `/opt/ml/processing`, the request's own command run as processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, ClassVar

from local.core import transfer
from local.core.api import ApiError
from local.jobs.command_job import Command, CommandJob, credentials, is_below
from local.jobs.instance import Instance
from local.jobs.job import MAX_REASON, members
from local.jobs.job_process import base_environment
from local.jobs.training_image import check_image

# Every instance is a process of this machine; the service takes up to 100.
MAX_INSTANCES = 16
_ROOT = "/opt/ml/processing"
_SUMMARY = frozenset(
    {
        *("ProcessingJobName", "ProcessingJobArn", "ProcessingJobStatus", "CreationTime", "LastModifiedTime"),
        *("ProcessingEndTime", "FailureReason", "ExitMessage"),
    }
)


def check(request: Mapping[str, Any]) -> None:
    """Refuse what the laptop cannot do, before the job exists.

    Raises:
        ApiError: `ValidationException` naming the member.
    """
    check_image(request["AppSpecification"]["ImageUri"])
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        raise ApiError("ValidationException", "AppSpecification.ContainerEntrypoint is needed: there is no container.")
    if not 1 <= _instances(request) <= MAX_INSTANCES:
        raise ApiError(
            "ValidationException",
            f"ClusterConfig.InstanceCount must be from 1 to {MAX_INSTANCES} on the laptop, not {_instances(request)}.",
        )
    if "RoleArn" not in request:
        raise ApiError("ValidationException", "RoleArn is needed.")
    for item in request.get("ProcessingInputs", ()):
        _check_input(item["InputName"], item)
    for item in request.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        name = item["OutputName"]
        if "S3Output" not in item:
            raise ApiError("ValidationException", f"Output '{name}' has no S3Output; the laptop knows no other kind.")
        _check_path(f"output '{name}'", item["S3Output"].get("LocalPath", ""))


def _instances(request: Mapping[str, Any]) -> int:
    return int(request["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1))


def _check_input(name: str, item: Mapping[str, Any]) -> None:
    source = item.get("S3Input")
    if source is None:
        raise ApiError("ValidationException", f"Input '{name}' has no S3Input; the laptop knows no other kind.")
    supported = {"S3DataType": "S3Prefix", "S3InputMode": "File", "S3CompressionType": "None"}
    for member, value in supported.items():
        if source.get(member, value) != value:
            raise ApiError(
                "ValidationException",
                f"Input '{name}': {member} '{source[member]}' is not supported on the laptop, only '{value}'.",
            )
    _check_path(f"input '{name}'", source.get("LocalPath", ""))


def _check_path(what: str, path: str) -> None:
    if not is_below(path, _ROOT):
        raise ApiError("ValidationException", f"The LocalPath of {what} must be below {_ROOT}, not '{path}'.")


class ProcessingJob(CommandJob):
    """A processing job, on this machine.

    Differences to AWS: outputs are uploaded once the command has succeeded on every instance, those in mode
    `Continuous` too; instances share this machine's processors; instance type and volume size mean nothing.

    The outputs of all instances go below the same prefix, so what one names like another overwrites it, as in AWS.
    """

    log_group: ClassVar[str] = "/aws/sagemaker/ProcessingJobs"
    data_directories: ClassVar[tuple[str, ...]] = ("processing", "home", "work")
    exit_message: str | None = None

    @property
    def instance_count(self) -> int:
        """Number of instances that the request asks for."""
        return _instances(self.request)

    def describe(self) -> dict[str, Any]:
        """DescribeProcessingJob's answer."""
        answer = {key: value for key, value in self.request.items() if key != "Tags"} | {
            "ProcessingJobName": self.name,
            "ProcessingJobArn": self.arn,
            "ProcessingJobStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "ProcessingStartTime": self.started,
            "ProcessingEndTime": self.ended,
            "FailureReason": self.failure_reason,
            "ExitMessage": self.exit_message,
        }
        return {key: value for key, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """The job in ListProcessingJobs' answer."""
        return members(self.describe(), _SUMMARY)

    def _fetch(self, s3: Any) -> None:
        job = {**self.request, "ProcessingJobName": self.name, "ProcessingJobArn": self.arn}
        for instance in self.instances:
            config = instance.directory / "config"
            config.mkdir()
            (config / "processingjobconfig.json").write_text(json.dumps(job))
            resources = {"current_host": instance.host, "hosts": self.hosts}
            (config / "resourceconfig.json").write_text(json.dumps(resources))
            for output in self._outputs():
                instance.local(output["LocalPath"]).mkdir(parents=True, exist_ok=True)
        for item in self.request.get("ProcessingInputs", ()):
            self._fetch_input(s3, item["S3Input"])

    def _fetch_input(self, s3: Any, source: Mapping[str, Any]) -> None:
        targets = [instance.local(source["LocalPath"]) for instance in self.instances]
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            for number, target in enumerate(targets):
                shard = number, len(targets)
                transfer.download(s3, source["S3Uri"], target, shard=shard, stopped=self._stopped)
        else:
            # Copies and not links: an instance may write over its inputs without another seeing it.
            transfer.download(s3, source["S3Uri"], targets[0], copies=targets[1:], stopped=self._stopped)

    def _command(self, instance: Instance) -> Command:
        specification = self.request["AppSpecification"]
        isolated = self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
        environment = {
            **base_environment(instance.directory),
            **credentials(self.cloud, self.request, isolated=isolated),
            **self.request.get("Environment", {}),
            "SAGEMAKER_BASE_DIR": os.fspath(instance.directory),
        }
        words = [*specification["ContainerEntrypoint"], *specification.get("ContainerArguments", ())]
        return Command(words, environment, instance.directory / "work")

    def _leave(self, s3: Any, told: Instance) -> None:
        del s3
        message = told.directory / "output" / "message"
        if message.is_file():
            self.exit_message = message.read_text(errors="replace").strip()[:MAX_REASON] or None

    def _message(self, instance: Instance, code: int) -> str:
        del instance, code
        return self.exit_message or ""

    def _store(self, s3: Any) -> None:
        kms_key = self.request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        for instance in self.instances:
            for output in self._outputs():
                transfer.upload(s3, instance.local(output["LocalPath"]), output["S3Uri"], kms_key)

    def _outputs(self) -> list[dict[str, Any]]:
        outputs = self.request.get("ProcessingOutputConfig", {}).get("Outputs", ())
        return [output["S3Output"] for output in outputs]
