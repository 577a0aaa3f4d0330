"""A job that runs a command on its instances: fetch the inputs, run it side by side, store the outputs, as its role."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.core.api import ApiError, Cloud
from local.core.machine_errors import words
from local.core.transfer import TransferError
from local.jobs.instance import Instance
from local.jobs.job import MAX_REASON, Job
from local.jobs.job_log import JobLog
from local.jobs.job_process import JobProcess

_NOT_FOUND = 127  # a shell's exit code, and a container's, for a command that cannot be started


class Command(NamedTuple):
    """Command of an instance, its environment and its working directory."""

    words: Sequence[str]
    environment: dict[str, str]
    directory: Path


class CommandJob(Job):
    """Base of processing and training jobs.

    A command that fails on one instance fails the job and ends the command on the others, as the service does.

    Attributes:
        instances: the machines of the job, `algo-1` first; empty until it begins to download.
        started: when its command started, epoch seconds.
    """

    log_group: ClassVar[str]
    data_directories: ClassVar[tuple[str, ...]]

    def __init__(self, cloud: Cloud, arn: str, name: str, request: Mapping[str, Any]) -> None:
        super().__init__(cloud, arn, name, request)
        self.directory = cloud.state_dir / "jobs" / name
        self.instances: list[Instance] = []
        self.started: float | None = None
        self._failed: tuple[Instance, int] | None = None

    @property
    @abstractmethod
    def instance_count(self) -> int:
        """Number of instances that the request asks for."""

    @property
    def hosts(self) -> list[str]:
        """The instances' names as the service lists them in `resourceconfig.json`: `algo-10` before `algo-2`."""
        return sorted(f"algo-{number}" for number in range(1, self.instance_count + 1))

    @abstractmethod
    def _fetch(self, s3: Any) -> None:
        """Lay out the instances' directories: configuration and inputs."""

    @abstractmethod
    def _command(self, instance: Instance) -> Command:
        """Command of an instance."""

    @abstractmethod
    def _store(self, s3: Any) -> None:
        """Upload what commands that succeeded left."""

    @abstractmethod
    def _message(self, instance: Instance, code: int) -> str:
        """Failure message of a command that ended with an exit code."""

    def _alongside(self) -> AbstractContextManager[Any]:
        """Work beside the running commands; for most jobs none."""
        return contextlib.nullcontext()

    def _leave(self, s3: Any, told: Instance) -> None:
        """Upload what is kept even if the commands failed, with the message of the instance `told`."""
        del s3, told

    def _phase(self, name: str) -> None:
        """Note that the job begins to download, run or upload."""
        del name

    def _metrics(self) -> Sequence[Mapping[str, str]]:
        return ()

    def _work(self) -> tuple[str, str | None]:
        """Status and reason of the end; the logs are delivered before they are to be seen."""
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "logs").mkdir(parents=True)
        self.instances = [self._instance(f"algo-{number}") for number in range(1, self.instance_count + 1)]
        try:
            self._phase("Downloading")
            self._fetch(self._s3())
            end = self._execute()
            if end[0] == "Completed":
                self._clear()
        except TransferError as error:
            return "Failed", str(error)[:MAX_REASON]
        except (ApiError, BotoCoreError, ClientError) as error:
            return "Failed", f"ClientError: {getattr(error, 'message', error)}"[:MAX_REASON]
        except (OSError, tarfile.TarError) as error:
            return "Failed", f"InternalServerError: The laptop could not run the job. {words(error)}"[:MAX_REASON]
        finally:
            for instance in self.instances:
                instance.log.close()
        return end

    def _instance(self, host: str) -> Instance:
        directory = self.directory / host
        for name in ("work", "output"):
            (directory / name).mkdir(parents=True)
        stream, path = f"{self.name}/{host}-{int(time.time())}", self.directory / "logs" / f"{host}.log"
        return Instance(
            host, directory, JobLog(self.cloud.client("logs"), self.log_group, stream, path, self._metrics())
        )

    def _clear(self) -> None:
        for instance in self.instances:
            for name in self.data_directories:
                shutil.rmtree(instance.directory / name, ignore_errors=True)

    def _s3(self) -> Any:
        # Asked for anew each time: a role's session does not outlast a long job.
        return self.cloud.client("s3", role_arn=self.request["RoleArn"])

    def _execute(self) -> tuple[str, str | None]:
        if self._stopped():
            return "Stopped", None
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        commands = [self._command(instance) for instance in self.instances]
        self.started = time.time()
        self._phase("Training")
        with self._alongside(), ThreadPoolExecutor(len(commands), f"instance of {self.name}") as pool:
            codes = list(pool.map(self._run_on, self.instances, commands, [limit] * len(commands)))
        self._phase("Uploading")
        self._leave(self._s3(), self._failed[0] if self._failed else self.instances[0])
        if self._failed is not None:
            instance, code = self._failed
            suffix = f", exit code: {code}"
            return "Failed", f"AlgorithmError: {self._message(instance, code)}"[: MAX_REASON - len(suffix)] + suffix
        if None in codes and self._stopped():
            return "Stopped", None
        if None in codes:
            self._phase("MaxRuntimeExceeded")
            return "Stopped", f"MaxRuntimeExceeded: The job ran longer than MaxRuntimeInSeconds, which is {limit}."
        self._store(self._s3())
        return "Completed", None

    def _run_on(self, instance: Instance, command: Command, limit: float | None) -> int | None:
        """Run the command on an instance; its exit code, or None when it was ended from here."""
        code: int | None
        try:
            process = JobProcess(command.words, command.environment, command.directory, instance.log.line)
        except OSError as error:
            instance.log.line(f"{command.words[0]}: {error.strerror}")
            code = _NOT_FOUND
        else:
            code = process.wait(lambda: self._stopped() or self._failed is not None, limit)
        if code:
            with self._lock:
                self._failed = self._failed or (instance, code)
        return code


def is_below(path: str, root: str) -> bool:
    """Whether an absolute path lies below a directory, without going up."""
    pure = PurePosixPath(path)
    return pure.is_relative_to(root) and ".." not in pure.parts


def credentials(cloud: Cloud, request: Mapping[str, Any], *, isolated: bool) -> dict[str, str]:
    """Environment variables with the role's credentials, or only the region when the job has no network."""
    region = {"AWS_REGION": cloud.region, "AWS_DEFAULT_REGION": cloud.region}
    return region if isolated else {**region, **cloud.credentials(request["RoleArn"])}
