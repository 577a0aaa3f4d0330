"""One running copy of a model, behind an endpoint or in a batch transform job: its process, port, files and logs."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

from botocore.exceptions import BotoCoreError, ClientError

from local.containers.hosted_model import HostedModel
from local.containers.liveness import Limits, Liveness
from local.core.api import ApiError, Cloud
from local.core.child_process import end
from model_code.export.unpacking import UnpackError, unpack

logger = logging.getLogger("endpoints")

_SERVER = (sys.executable, "-m", "local.containers.serving")
_STOP_SECONDS = 5
# A container whose process has ended answers no ping. SageMaker takes such an instance out of service and replaces it
# (https://developers.deepgram.com/docs/health-checks-sagemaker, read 2026-11; it does not say how soon).
_RESTART_SECONDS = 1.0
_LOG_INTERVAL_SECONDS = 0.5
# While a process starts: the time that SageMaker gives one question, and the pause until the next.
_FIRST_PING_SECONDS, _LOOK_SECONDS = 2.0, 0.1


class Answer(NamedTuple):
    """A container's answer to an invocation."""

    status: int
    content_type: str
    body: bytes


def _own_environment() -> dict[str, str]:
    # The emulator runs as the account's root, with settings of its own: a container inherits neither.
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINISTACK_"))}


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


class Container:
    """The serving process of one model: `local.containers.serving`.

    Args:
        owner: name of what it runs for, in messages: a production variant or a job.
        directory: folder for its files; it makes one of its own below, and removes that.
        log_group: CloudWatch log group of its lines.
        stream: prefix of its log stream's name.
        model: model that it serves. The artifact is read and the logs are written with the model's role.
        environment: variables besides the model's own.
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        owner: str,
        directory: Path,
        log_group: str,
        stream: str,
        model: HostedModel,
        environment: Mapping[str, str] | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._cloud = cloud
        self._owner = owner
        self._model = model
        self.role_arn = model.role_arn
        self._environment = {**model.environment, **(environment or {})}
        self.log_group = log_group
        self.log_stream = f"{stream}/i-{uuid.uuid4().hex[:17]}"
        self._directory = directory / uuid.uuid4().hex[:12]
        self._model_directory = self._directory / "model"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._limits = limits
        self._liveness = Liveness(self._ping, limits)
        # Held while a process is started: none is after `stop`.
        self._starting = threading.Lock()
        self._stopped = threading.Event()
        self._last_lines: deque[str] = deque(maxlen=5)
        self._lines: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._shipper: threading.Thread | None = None

    def start(self) -> None:
        """Fetch and unpack the artifact, start the process and wait until it answers `/ping`.

        Raises:
            ApiError: with SageMaker's reason when the artifact cannot be read or the container does not become healthy.
        """
        self._model_directory.mkdir(parents=True)
        self._fetch(self._model.artifact, self._model_directory)
        process = self._launch()
        self._shipper = threading.Thread(target=self._ship_lines, daemon=True)
        self._shipper.start()
        self._wait_until_healthy()
        threading.Thread(target=self._keep, args=(process,), daemon=True).start()

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        """Send one invocation to the process.

        Args:
            body: the payload as the caller sent it.
            headers: HTTP headers for the container, such as Content-Type.
            timeout: seconds until it counts as failed.

        Raises:
            TimeoutError: when no answer came in time.
            OSError: when the process is gone.
        """
        liveness = self._liveness
        answer = self._request("POST", "/invocations", body, headers, timeout)
        liveness.answered()
        return answer

    def stop(self) -> None:
        """End the process and remove its directory. Returns when both are gone."""
        with self._starting:
            self._stopped.set()
            process = self._process
        if process is not None:
            end(process, _STOP_SECONDS)
            if self._reader is not None:
                self._reader.join(_STOP_SECONDS)
            self._lines.put(None)
            if self._shipper is not None:
                self._shipper.join(_STOP_SECONDS)
            _close_input(process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _launch(self) -> subprocess.Popen[bytes] | None:
        """Start the serving process on a port of its own; None after `stop`."""
        with self._starting, socket.create_server(("127.0.0.1", 0)) as listener:
            if self._stopped.is_set():
                return None
            self._port = listener.getsockname()[1]
            self._liveness = Liveness(self._ping, self._limits)
            self._process = process = subprocess.Popen(
                [
                    *_SERVER,
                    *("--model-dir", str(self._model_directory), "--fd", str(listener.fileno())),
                ],
                env={**_own_environment(), **self._environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
            )
            self._reader = threading.Thread(target=self._read_lines, args=(process,), daemon=True)
            self._reader.start()
        return process

    def _keep(self, process: subprocess.Popen[bytes] | None) -> None:
        """Start the process anew whenever it ends by itself or hangs, until `stop`."""
        while process is not None:
            is_hung = self._liveness.wait(process)
            if self._stopped.wait(_RESTART_SECONDS):
                return
            how = "answered nothing any more, was killed" if is_hung else f"ended with exit code {process.returncode}"
            logger.warning("The container of %s %s and is started again.", self._owner, how)
            self._say(f"The container {how} and is started again.")
            _close_input(process)
            process = self._launch()

    def _say(self, text: str) -> None:
        """A line of the log."""
        self._lines.put((int(time.time() * 1000), text))

    def _fetch(self, artifact: str, directory: Path) -> None:
        location = urlparse(artifact)
        archive = self._directory / "model.tar.gz"
        try:
            s3 = self._cloud.client("s3", role_arn=self.role_arn)
            s3.download_file(location.netloc, location.path.lstrip("/"), str(archive))
        except (ClientError, BotoCoreError) as error:
            raise ApiError(
                "ValidationException",
                f"Could not access model data at {artifact}. Please ensure that the role {self.role_arn} exists and "
                f"that its trust relationship policy allows the action sts:AssumeRole for the service principal "
                f"sagemaker.amazonaws.com. Also ensure that the role has s3:GetObject permissions and that the object "
                f"is located in {self._cloud.region}. ({error})",
            ) from error
        try:
            unpack(archive, directory)
        except UnpackError as error:
            raise ApiError(
                "ValidationException", f"Failed to extract model data archive from {artifact}: {error}."
            ) from error
        finally:
            archive.unlink(missing_ok=True)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + self._limits.start_seconds
        process = self._process
        while process is not None and process.poll() is None and time.monotonic() < deadline:
            if self._ping(_FIRST_PING_SECONDS):
                self._liveness.answered()
                return
            time.sleep(_LOOK_SECONDS)
        if self._reader is not None:
            self._reader.join(1 if process is None or process.poll() is None else _STOP_SECONDS)
        said = self._last_lines[-1] if self._last_lines else "nothing"
        raise ApiError(
            "ValidationException",
            f"The primary container for {self._owner} did not pass the ping health check. "
            f"Please check CloudWatch logs for this endpoint. Its last line was: {said}",
        )

    def _ping(self, timeout: float) -> bool:
        """Whether the process says in time that it is well."""
        try:
            return self._request("GET", "/ping", b"", {}, timeout).status == http.HTTPStatus.OK
        except OSError:
            return False

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content_type = response.getheader("Content-Type") or "application/octet-stream"
            return Answer(response.status, content_type, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"the container broke off: {error!r}") from error
        finally:
            connection.close()

    def _read_lines(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as stream:
            for line in stream:
                text = line.decode(errors="replace").rstrip()
                if text:
                    self._last_lines.append(text)
                    self._say(text)

    def _ship_lines(self) -> None:
        """Write the log as CloudWatch gets it: in batches, with the execution role, which may not be allowed to."""
        try:
            logs = self._cloud.client("logs", role_arn=self.role_arn)
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=self.log_group)
            logs.create_log_stream(logGroupName=self.log_group, logStreamName=self.log_stream)
            open_ended = True
            while open_ended:
                time.sleep(_LOG_INTERVAL_SECONDS)
                batch, open_ended = self._take_batch()
                if batch:
                    logs.put_log_events(logGroupName=self.log_group, logStreamName=self.log_stream, logEvents=batch)
        except (ApiError, ClientError, BotoCoreError) as error:
            # As in AWS: an execution role without permission for logs serves all the same.
            logger.warning("No logs of %s in CloudWatch: %s", self.log_stream, error)

    def _take_batch(self) -> tuple[list[dict[str, Any]], bool]:
        batch: list[dict[str, Any]] = []
        while not self._lines.empty():
            entry = self._lines.get()
            if entry is None:
                return batch, False
            batch.append({"timestamp": entry[0], "message": entry[1]})
        return batch, True
