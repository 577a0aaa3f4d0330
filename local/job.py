"""A processing or training job as a thread: fetch the inputs, run the command, store the outputs, as the job's role."""

from __future__ import annotations

import shutil
import tarfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from local.api import ApiError, Cloud
from local.job_log import JobLog
from local.job_process import JobProcess
from local.transfer import TransferError

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html: FailureReason, ExitMessage
MAX_REASON = 1024
_NOT_FOUND = 127  # a shell's exit code, and a container's, for a command that cannot be started
_SERVICE_DIRECTORY = PurePosixPath("/opt/ml")


class Job(ABC):
    """What processing and training jobs have in common.

    Args:
        cloud: where the job's data, logs and role are.
        arn: of the job.
        name: of the job; its directory is called so.
        request: the checked request that created it.

    Attributes:
        directory: what the job sees as `/opt/ml`.
        status: `InProgress`, `Completed`, `Failed`, `Stopping` or `Stopped`.
        failure_reason: why it failed, or ran out of time.
        started: when its command started, epoch seconds.
        ended: when it ended, epoch seconds.
    """

    log_group: ClassVar[str]
    data_directories: ClassVar[tuple[str, ...]]

    def __init__(self, cloud: Cloud, arn: str, name: str, request: Mapping[str, Any]) -> None:
        self.cloud, self.arn, self.name, self.request = cloud, arn, name, request
        self.directory = cloud.state_dir / "jobs" / name
        self.created = self.modified = time.time()
        self.started: float | None = None
        self.ended: float | None = None
        self.status = "InProgress"
        self.failure_reason: str | None = None
        self.log: JobLog | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"job {name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def stop(self) -> bool:
        """Begin to stop, which kills the command and all its descendants; False when the job had ended before."""
        with self._lock:
            if self.status not in {"InProgress", "Stopping"}:
                return False
            self.status, self.modified = "Stopping", time.time()
        self._stopping.set()
        return True

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The response of the Describe operation."""

    @abstractmethod
    def _fetch(self, s3: Any) -> None:
        """Lay out the directory: configuration and inputs."""

    @abstractmethod
    def _command(self) -> tuple[Sequence[str], dict[str, str], Path]:
        """Command, environment and working directory."""

    @abstractmethod
    def _store(self, s3: Any) -> None:
        """Upload what a command that succeeded left."""

    @abstractmethod
    def _message(self, code: int) -> str:
        """What the command said on failing with an exit code."""

    def _leave(self, s3: Any) -> None:
        """Upload what is kept whatever the command's end; most jobs keep nothing."""
        del s3

    def _phase(self, name: str) -> None:
        """Note that the job begins to download, run or upload."""
        del name

    def _metrics(self) -> Sequence[Mapping[str, str]]:
        return ()

    def _stopped(self) -> bool:
        return self._stopping.is_set()

    def _run(self) -> None:
        end: tuple[str, str | None] = "Failed", "InternalServerError: We encountered an internal error."
        try:
            end = self._work()
        finally:
            with self._lock:
                self.status, self.failure_reason = end
                self.modified = self.ended = time.time()

    def _work(self) -> tuple[str, str | None]:
        """Status and reason of the end; the log is delivered before they are to be seen."""
        shutil.rmtree(self.directory, ignore_errors=True)
        for name in ("logs", "work", "output"):
            (self.directory / name).mkdir(parents=True)
        stream = f"{self.name}/algo-1-{int(time.time())}"
        path = self.directory / "logs" / "algo-1.log"
        self.log = JobLog(self.cloud.client("logs"), self.log_group, stream, path, self._metrics())
        try:
            self._phase("Downloading")
            self._fetch(self._s3())
            end = self._execute(self.log.line)
            if end[0] == "Completed":
                for name in self.data_directories:
                    shutil.rmtree(self.directory / name, ignore_errors=True)
        except TransferError as error:
            return "Failed", str(error)[:MAX_REASON]
        except (ApiError, BotoCoreError, ClientError) as error:
            return "Failed", f"ClientError: {getattr(error, 'message', error)}"[:MAX_REASON]
        except (OSError, tarfile.TarError) as error:
            return "Failed", f"InternalServerError: The laptop could not run the job: {error}"[:MAX_REASON]
        finally:
            self.log.close()
        return end

    def _s3(self) -> Any:
        # Asked for anew each time: a role's session does not outlast a long job.
        return self.cloud.client("s3", role_arn=self.request["RoleArn"])

    def _execute(self, line: Callable[[str], None]) -> tuple[str, str | None]:
        if self._stopped():
            return "Stopped", None
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        command, environment, directory = self._command()
        self.started = time.time()
        self._phase("Training")
        try:
            process = JobProcess(command, environment, directory, line)
        except OSError as error:
            line(f"{command[0]}: {error.strerror}")
            code: int | None = _NOT_FOUND
        else:
            code = process.wait(self._stopped, limit)
        self._phase("Uploading")
        self._leave(self._s3())
        if code is None and self._stopped():
            return "Stopped", None
        if code is None:
            self._phase("MaxRuntimeExceeded")
            return "Stopped", f"MaxRuntimeExceeded: The job ran longer than MaxRuntimeInSeconds, which is {limit}."
        if code:
            suffix = f", exit code: {code}"
            return "Failed", f"AlgorithmError: {self._message(code)}"[: MAX_REASON - len(suffix)] + suffix
        self._store(self._s3())
        return "Completed", None

    def local(self, path: str) -> Path:
        """Where a path below `/opt/ml` is in this job's directory."""
        return self.directory / PurePosixPath(path).relative_to(_SERVICE_DIRECTORY)


def is_below(path: str, root: str) -> bool:
    """Whether an absolute path lies below a directory, without going up."""
    pure = PurePosixPath(path)
    return pure.is_relative_to(root) and ".." not in pure.parts


def credentials(cloud: Cloud, request: Mapping[str, Any], *, isolated: bool) -> dict[str, str]:
    """What a job's command knows of the cloud: its role's credentials, or only the region when it has no network."""
    region = {"AWS_REGION": cloud.region, "AWS_DEFAULT_REGION": cloud.region}
    return region if isolated else {**region, **cloud.credentials(request["RoleArn"])}
