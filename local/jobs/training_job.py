"""Training jobs in script mode: the uploaded source's program over channels, as the image's toolkit runs it."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from local.core import transfer
from local.core.api import ApiError
from local.jobs import training_toolkit
from local.jobs.command_job import Command, CommandJob, credentials, is_below
from local.jobs.instance import Instance
from local.jobs.job import members
from local.jobs.job_process import base_environment
from local.jobs.sync import Sync
from local.jobs.training_image import check_image
from model_code.export.unpacking import UnpackError, unpack

_CHECKPOINTS = "/opt/ml/checkpoints"
_TENSORBOARD = "/opt/ml/output/tensorboard"
_SUMMARY = frozenset(
    {
        *("TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "CreationTime"),
        *("LastModifiedTime", "TrainingEndTime"),
    }
)
_PHASES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training in progress",
    "Uploading": "Uploading generated training model",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
}


def check(request: Mapping[str, Any]) -> None:
    """Refuse what the laptop cannot do, before the job exists.

    Raises:
        ApiError: `ValidationException` naming the member.
    """
    algorithm = request["AlgorithmSpecification"]
    check_image(algorithm.get("TrainingImage"))
    for member in ("ContainerEntrypoint", "ContainerArguments"):
        if algorithm.get(member):
            raise ApiError("ValidationException", f"{member} is not supported on the laptop, which runs script mode.")
    for name in ("sagemaker_program", "sagemaker_submit_directory"):
        if not request.get("HyperParameters", {}).get(name):
            raise ApiError(
                "ValidationException", f"The hyperparameter '{name}' is needed: the laptop runs script mode."
            )
    resources = request.get("ResourceConfig", {})
    if resources.get("InstanceCount") != 1 or "InstanceType" not in resources:
        raise ApiError(
            "ValidationException",
            "The laptop runs one instance a job: ResourceConfig needs an InstanceType and an InstanceCount of 1.",
        )
    if request["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
        raise ApiError("ValidationException", "OutputDataConfig.CompressionType is GZIP only on the laptop.")
    for channel in request.get("InputDataConfig", ()):
        _check_channel(channel, algorithm["TrainingInputMode"])
    for member, usual in (("CheckpointConfig", _CHECKPOINTS), ("TensorBoardOutputConfig", _TENSORBOARD)):
        if not is_below(request.get(member, {}).get("LocalPath", usual), "/opt/ml"):
            raise ApiError("ValidationException", f"{member}.LocalPath must be below /opt/ml.")


def _check_channel(channel: Mapping[str, Any], mode: str) -> None:
    name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
    if source is None or source["S3DataType"] != "S3Prefix":
        raise ApiError("ValidationException", f"Channel '{name}': the laptop reads S3DataSource of type S3Prefix only.")
    if channel.get("InputMode", mode) == "Pipe":
        raise ApiError("ValidationException", f"Channel '{name}': input mode Pipe is not supported on the laptop.")
    if channel.get("CompressionType", "None") != "None":
        raise ApiError("ValidationException", f"Channel '{name}': CompressionType is 'None' only on the laptop.")


class TrainingJob(CommandJob):
    """A training job, on this machine.

    Checkpoints and TensorBoard's event files are stored all along, so that a job which is killed leaves them, and
    checkpoints are fetched before it starts.

    Differences to AWS: `FastFile` channels are downloaded like `File` ones; a stopped job stores no model; spot
    (nothing interrupts a job here, and none is restarted), warm pools, the debugger and the profiler do nothing.

    Attributes:
        tuning_job_arn: ARN of the tuning job that created it, if one did.
    """

    log_group: ClassVar[str] = "/aws/sagemaker/TrainingJobs"
    data_directories: ClassVar[tuple[str, ...]] = (
        "input/data",
        "output/data",
        "output/tensorboard",
        "code",
        "model",
        "checkpoints",
        "home",
        "work",
    )
    tuning_job_arn: str | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._transitions: list[tuple[str, float]] = [("Starting", self.created)]
        self._files: dict[str, Any] = {}
        self._syncs: list[Sync] = []

    @property
    def instance_count(self) -> int:
        """One: `check` refuses any other number."""
        return 1

    def describe(self) -> dict[str, Any]:
        """DescribeTrainingJob's answer."""
        entered = [*self._transitions]
        if self.ended and entered[-1][0] != "MaxRuntimeExceeded":
            entered.append((self.status, self.ended))
        ends = [begin for _, begin in entered[1:]] + [self.ended]
        seconds = int((self.ended or time.time()) - self.started) if self.started else None
        answer = {key: value for key, value in self.request.items() if key != "Tags"} | {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "TuningJobArn": self.tuning_job_arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": "Stopping" if self.status == "Stopping" else entered[-1][0],
            "SecondaryStatusTransitions": [
                {"Status": s, "StartTime": b, "StatusMessage": _PHASES[s], **({"EndTime": e} if e else {})}
                for (s, b), e in zip(entered, ends, strict=True)
            ],
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TrainingStartTime": self.started,
            "TrainingEndTime": self.ended,
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": seconds,
            "FailureReason": self.failure_reason,
            "FinalMetricDataList": self.metrics() or None,
        }
        if self.status == "Completed":
            answer["ModelArtifacts"] = {"S3ModelArtifacts": f"{self._output}/model.tar.gz"}
        return {key: value for key, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """The job in ListTrainingJobs' answer."""
        return members(self.describe(), _SUMMARY)

    def metrics(self) -> list[dict[str, Any]]:
        """The last value of every metric found in the log so far, as `FinalMetricDataList`."""
        return self.instances[0].log.metrics() if self.instances else []

    @property
    def _output(self) -> str:
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"

    def _phase(self, name: str) -> None:
        self._transitions.append((name, time.time()))

    def _metrics(self) -> Sequence[Mapping[str, str]]:
        metrics: Sequence[Mapping[str, str]] = self.request["AlgorithmSpecification"].get("MetricDefinitions", ())
        return metrics

    def _fetch(self, s3: Any) -> None:
        (instance,) = self.instances
        self._files = training_toolkit.configuration(self.request, self.request["HyperParameters"])
        config = instance.directory / "input" / "config"
        for directory in (config, instance.directory / "model", instance.directory / "output" / "data"):
            directory.mkdir(parents=True)
        for name, content in self._files.items():
            (config / name).write_text(json.dumps(content))
        for channel in self.request.get("InputDataConfig", ()):
            target = instance.directory / "input" / "data" / channel["ChannelName"]
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            transfer.download(s3, uri, target, stopped=self._stopped)
        self._syncs = [*self._sync_checkpoints(s3, instance), *self._sync_tensorboard(instance)]
        source = transfer.read(s3, self.request["HyperParameters"]["sagemaker_submit_directory"])
        try:
            unpack(io.BytesIO(source), instance.directory / "code")
        except UnpackError as error:
            raise transfer.TransferError(f"ClientError: The source archive cannot be unpacked: {error}.") from error

    def _sync_checkpoints(self, s3: Any, instance: Instance) -> Iterator[Sync]:
        if config := self.request.get("CheckpointConfig"):
            directory = instance.local(config.get("LocalPath", _CHECKPOINTS))
            transfer.download(s3, config["S3Uri"], directory, stopped=self._stopped, may_be_empty=True)
            yield Sync(directory, config["S3Uri"], self._s3, removes=True)

    def _sync_tensorboard(self, instance: Instance) -> Iterator[Sync]:
        # The layout: sagemaker.core.training.configs, TensorBoardOutputConfig.
        if config := self.request.get("TensorBoardOutputConfig"):
            uri = f"{config['S3OutputPath'].rstrip('/')}/{self.name}/tensorboard-output"
            yield Sync(instance.local(config.get("LocalPath", _TENSORBOARD)), uri, self._s3)

    def _command(self, instance: Instance) -> Command:
        code = instance.directory / "code"
        if (code / "requirements.txt").exists():
            instance.log.line("requirements.txt is not installed on the laptop: its own environment is used.")
        environment = {
            **base_environment(instance.directory),
            **credentials(self.cloud, self.request, isolated=self.request.get("EnableNetworkIsolation", False)),
            **self.request.get("Environment", {}),
            **training_toolkit.environment(instance.directory, self._files, self.name),
            "SAGEMAKER_REGION": self.cloud.region,
            "TRAINING_JOB_ARN": self.arn,
        }
        return Command(self._words(), environment, code)

    def _words(self) -> list[str]:
        own, hyperparameters = training_toolkit.decode(self.request["HyperParameters"])
        script = training_toolkit.script_hyperparameters(own, hyperparameters, self.name)
        return training_toolkit.command(own["sagemaker_program"], training_toolkit.arguments(script))

    @contextlib.contextmanager
    def _alongside(self) -> Iterator[None]:
        with contextlib.ExitStack() as running:
            for sync in self._syncs:
                running.enter_context(sync)
            yield

    def _leave(self, s3: Any, told: Instance) -> None:
        del s3, told
        for sync in self._syncs:
            sync.look()

    def _message(self, instance: Instance, code: int) -> str:
        failure = instance.directory / "output" / "failure"
        if failure.is_file():
            return failure.read_text(errors="replace").strip()
        return training_toolkit.failure(instance.log.tail, code, self._words()[-1])

    def _store(self, s3: Any) -> None:
        (instance,) = self.instances
        kms_key = self.request["OutputDataConfig"].get("KmsKeyId")
        outputs = {"model": instance.directory / "model", "output": instance.directory / "output" / "data"}
        for name, content in outputs.items():
            if name == "output" and not any(content.iterdir()):
                continue
            packed = instance.directory / "work" / f"{name}.tar.gz"
            # Weights hardly compress: the fastest level is a few percent larger and several times quicker.
            with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
                for path in sorted(content.iterdir()):
                    archive.add(path, arcname=path.name)
            transfer.upload(s3, packed, f"{self._output}/{name}.tar.gz", kms_key)
            packed.unlink()
