"""One embedded cloud as a process of its own, and the app deployed to it: what the demo and the system tests share."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import boto3

from local.core.child_process import Command
from local.supervisor import HOST, REGION, Server

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = "laptop"


class Laptop:
    """The embedded cloud on 127.0.0.1, from `start` to `stop`; a context manager.

    Args:
        state_dir: folder of jobs, endpoints and the log; emptied at the start, since the cloud remembers nothing.
        port: port that the cloud listens on; 0 takes a free one.
    """

    def __init__(self, state_dir: Path, *, port: int = 4566) -> None:
        self.state_dir = state_dir.resolve()
        self.port = port or _free_port()
        self._server = Server(self.port, self.state_dir, log=self.log)
        self._clients: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """File with the cloud's own output; jobs and functions log to its CloudWatch Logs."""
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
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
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
            ServerError: the port or the folder is taken, or the cloud did not come up.
        """
        self._server.start(fresh=True)

    def stop(self) -> None:
        """End the cloud and everything it started; does nothing when it is not running."""
        self._server.stop()

    def wait(self) -> NoReturn:
        """Wait until the cloud ends by itself.

        Raises:
            ServerLostError: it has.
        """
        self._server.wait()

    def check(self) -> None:
        """Refuse to go on without the cloud.

        Raises:
            ServerLostError: it was started, and has ended by itself.
        """
        self._server.check()

    def __enter__(self) -> Laptop:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(
        self, command: Sequence[str], *, cwd: Path = REPOSITORY, capture: bool = True, timeout: float | None = 600
    ) -> CompletedProcess[str]:
        """Run a command against this cloud; with `capture` its output comes back, else it goes to the terminal.

        Raises:
            ServerLostError: the cloud has ended by itself, which ends the command.
            subprocess.TimeoutExpired: the command ran longer, and was ended.
        """
        self.check()
        with self.begin(command, cwd=cwd, capture=capture) as begun:
            return begun.wait(self.check, timeout)

    def begin(self, command: Sequence[str], *, cwd: Path = REPOSITORY, capture: bool = True) -> Command:
        """Start a command as `run` does, without waiting for it."""
        return Command(command, cwd=cwd, environment=self.command_environment(), capture=capture)

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud, as the account's root; one for each service."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.url,
                region_name=self.environment["AWS_REGION"],
                aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            )
        return self._clients[service]

    def outputs(self) -> dict[str, str]:
        """The outputs of every deployed stack, in one dictionary: their keys are unique across the app."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for stack in stacks for output in stack.get("Outputs", [])}

    def api_url(self) -> str:
        """URL of the deployed HTTPS API on this machine, ending in a slash."""
        url = urlsplit(self.outputs()["ApiUrl"])
        return f"{self.url}/_aws/execute-api/{url.netloc.split('.')[0]}{url.path}"

    def page_url(self) -> str:
        """The API's address by another name, for a browser.

        The page has another origin there than S3, which forms name by its address (127.0.0.1): as in AWS, a browser
        sends nothing that the page's policy does not name, and gives the page no answer without a CORS rule.
        """
        return self.api_url().replace(f"//{HOST}:", "//localhost:", 1)

    def api_key(self) -> str:
        """The value of the API's key."""
        answer = self.client("apigateway").get_api_key(apiKey=self.outputs()["ApiKeyId"], includeValue=True)
        return str(answer["value"])

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the cloud's own log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def synth(output: Path) -> list[str]:
    """The command that writes the app's templates for the laptop to `output`; it needs no cloud."""
    return ["cdk", "synth", "--quiet", "--context", f"env={ENVIRONMENT}", "--no-notices", "--output", str(output)]


def deploy(assembly: Path, *stacks: str) -> list[str]:
    """The command that deploys `assembly`, or only the named stacks of it, without asking.

    Without change sets, after each of which the CDK command line waits for seconds.
    """
    chosen = [*stacks, "--exclusively"] if stacks else ["--all"]
    return [
        "cdk",
        "deploy",
        *chosen,
        "--app",
        str(assembly),
        "--method=direct",
        "--require-approval=never",
        "--no-notices",
    ]


def destroy(assembly: Path) -> list[str]:
    """The command that removes every stack of `assembly` without asking."""
    return ["cdk", "destroy", "--all", "--app", str(assembly), "--force", "--no-notices"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
