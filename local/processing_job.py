"""Processing jobs: inputs and outputs mapped below `/opt/ml/processing`, the request's own command run as a process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from local import transfer
from local.api import ApiError
from local.job import MAX_REASON, Job, credentials, is_below
from local.job_process import base_environment
from local.training_image import check_image

_ROOT = "/opt/ml/processing"


def check(request: Mapping[str, Any]) -> None:
    """Refuse what the laptop cannot do, before the job exists.

    Raises:
        ApiError: `ValidationException` naming the member.
    """
    check_image(request["AppSpecification"]["ImageUri"])
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        raise ApiError("ValidationException", "AppSpecification.ContainerEntrypoint is needed: there is no container.")
    if request["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1) != 1:
        raise ApiError(
            "ValidationException", "The laptop runs one instance a job: ClusterConfig.InstanceCount must be 1."
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


class ProcessingJob(Job):
    """A processing job, on this machine.

    Differences to AWS: outputs are uploaded once the command has succeeded, those in mode `Continuous` too;
    `ShardedByS3Key` is the same as `FullyReplicated` on one instance; instance type and volume size mean nothing.
    """

    log_group: ClassVar[str] = "/aws/sagemaker/ProcessingJobs"
    data_directories: ClassVar[tuple[str, ...]] = ("processing", "home", "work")
    exit_message: str | None = None

    def describe(self) -> dict[str, Any]:
        """As DescribeProcessingJob answers."""
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

    def _fetch(self, s3: Any) -> None:
        config = self.directory / "config"
        config.mkdir()
        job = {**self.request, "ProcessingJobName": self.name, "ProcessingJobArn": self.arn}
        (config / "processingjobconfig.json").write_text(json.dumps(job))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
        for item in self.request.get("ProcessingInputs", ()):
            source = item["S3Input"]
            transfer.download(s3, source["S3Uri"], self.local(source["LocalPath"]), stopped=self._stopped)
        for output in self._outputs():
            self.local(output["LocalPath"]).mkdir(parents=True, exist_ok=True)

    def _command(self) -> tuple[Sequence[str], dict[str, str], Path]:
        specification = self.request["AppSpecification"]
        isolated = self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
        environment = {
            **base_environment(self.directory),
            **credentials(self.cloud, self.request, isolated=isolated),
            **self.request.get("Environment", {}),
            "SAGEMAKER_BASE_DIR": os.fspath(self.directory),
        }
        command = [*specification["ContainerEntrypoint"], *specification.get("ContainerArguments", ())]
        return command, environment, self.directory / "work"

    def _leave(self, s3: Any) -> None:
        del s3
        message = self.directory / "output" / "message"
        if message.is_file():
            self.exit_message = message.read_text(errors="replace").strip()[:MAX_REASON] or None

    def _message(self, code: int) -> str:
        del code
        return self.exit_message or ""

    def _store(self, s3: Any) -> None:
        kms_key = self.request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        for output in self._outputs():
            transfer.upload(s3, self.local(output["LocalPath"]), output["S3Uri"], kms_key)

    def _outputs(self) -> list[dict[str, Any]]:
        outputs = self.request.get("ProcessingOutputConfig", {}).get("Outputs", ())
        return [output["S3Output"] for output in outputs]
