"""One embedded cloud as a process of its own, and the app deployed to it: what the demo and the system tests share."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = "laptop"
_START_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 20


class LaptopError(Exception):
    """A sentence for the person at the laptop: what did not work, and what to do."""


class Laptop:
    """The embedded cloud on 127.0.0.1, from `start` to `stop`; a context manager.

    Args:
        state_dir: where jobs, endpoints and the log live; emptied at the start, since the cloud remembers nothing.
        port: where the cloud listens; 0 takes a free one.
    """

    def __init__(self, state_dir: Path, *, port: int = 4566) -> None:
        self.state_dir = state_dir.resolve()
        self.port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What the cloud itself prints; jobs and functions log to its CloudWatch Logs."""
        return self.state_dir / "cloud.log"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point every AWS client, the CDK command line and `cxr` at this cloud and no other."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            # The CDK command line reads the S3 address that CloudFormation should use from a variable of its own.
            "AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CXR_ENV": ENVIRONMENT,
            # Validating templates takes most of a synth's time and is `make test`'s to do.
            "CDK_VALIDATION": "false",
            "NODE_NO_WARNINGS": "1",  # which Node the CDK's own libraries will want next year
        }

    def command_environment(self) -> dict[str, str]:
        """The caller's environment without its AWS settings, plus this cloud's, for a subprocess."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        tools = [str(Path(sys.executable).parent), str(REPOSITORY / "node_modules" / ".bin"), inherited.get("PATH", "")]
        # A profile in the person's configuration must not reach the laptop's cloud, nor the other way round.
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {**inherited, **nowhere, **self.environment, "PATH": os.pathsep.join(tools)}

    def start(self) -> None:
        """Start the cloud and wait until it answers.

        Raises:
            LaptopError: the port is taken, or the cloud ended or stayed silent; with the end of its log.
        """
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError:
                raise LaptopError(
                    f"port {self.port} is in use, perhaps by another demo: stop that one or choose a port with PORT="
                ) from None
        shutil.rmtree(self.state_dir, ignore_errors=True)
        self.state_dir.mkdir(parents=True)
        command = [sys.executable, "-m", "local", "--port", str(self.port), "--state-dir", str(self.state_dir)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self.command_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches whoever started it, who then stops it in order
            )
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise LaptopError(f"the embedded cloud did not start; its log ends with:\n{self.log_tail()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the cloud and everything it started; does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Whatever is left of its session goes too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> Laptop:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(
        self, command: Sequence[str], *, cwd: Path = REPOSITORY, capture: bool = True, timeout: float | None = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a command against this cloud; with `capture` its output comes back, else it goes to the terminal."""
        return subprocess.run(
            list(command),
            cwd=cwd,
            env=self.command_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=capture,
            text=True,
            check=False,
            timeout=timeout,
        )

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud, as the account's root."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def outputs(self) -> dict[str, str]:
        """The outputs of every deployed stack, in one dictionary: their keys are unique across the app."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for stack in stacks for output in stack.get("Outputs", [])}

    def api_url(self) -> str:
        """Where the deployed HTTPS API answers on this machine, ending in a slash."""
        url = urlsplit(self.outputs()["ApiUrl"])
        return f"{self.url}/_aws/execute-api/{url.netloc.split('.')[0]}{url.path}"

    def api_key(self) -> str:
        """The value of the API's key."""
        answer = self.client("apigateway").get_api_key(apiKey=self.outputs()["ApiKeyId"], includeValue=True)
        return str(answer["value"])

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the cloud's own log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def cdk(action: str, *arguments: str, output: Path) -> list[str]:
    """The CDK command line for this cloud, through `output`, without news; `arguments` name the stacks."""
    return [
        "cdk",
        action,
        "--context",
        f"env={ENVIRONMENT}",
        "--no-notices",
        "--output",
        str(output),
        *arguments,
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
