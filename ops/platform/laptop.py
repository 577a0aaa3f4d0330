"""The laptop's cloud in the background: started, deployed to, ended. It is `python -m local`, a process of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from ops.base.errors import CommandError
from ops.base.tools import REPOSITORY

ENVIRONMENT = "laptop"
# Beside that of `make demo`, which empties its own.
FOLDER = REPOSITORY / ".laptop" / "up"
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1
_READY = "Ready: "


class LaptopCloud:
    """The cloud of this repository on 127.0.0.1; what it is doing is in its folder, so another shell can end it.

    Args:
        folder: holds the process's number, its log, and the variables that lead to it.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.log = folder / "cloud.log"
        self.deploy_log = folder / "deploy.log"
        self.variables_file = folder / "environment"
        self._pid_file = folder / "pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the running process; None when it does not run, or when it is another by now."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        try:
            number = int(self._pid_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return number if _is_ours(number) else None

    def start(self, port: int) -> dict[str, str]:
        """Start the cloud and wait until it can be deployed to; the variables that lead a client to it.

        Raises:
            CommandError: it runs already, or did not start: with the end of its log.
        """
        if self.pid is not None:
            raise CommandError("The laptop's cloud is running already: end it with `cxr down`.")
        # It remembers nothing: what an earlier one left only misleads.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with self.log.open("wb") as output:
            self._process = process = subprocess.Popen(  # noqa: S603
                _command(port, self.folder),
                cwd=REPOSITORY,
                env=inherited,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it outlives this command, and Ctrl-C does not reach it
            )
        self._pid_file.write_text(str(process.pid), encoding="utf-8")
        deadline = time.monotonic() + _START_SECONDS
        while (ready := self._ready()) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise CommandError(f"The laptop's cloud did not start: {self._last_words()} (log: {self.log}).")
            time.sleep(_POLL_SECONDS)
        variables = {**ready, **_for_clients(ready)}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
        self.variables_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return variables

    def check(self) -> None:
        """Refuse to go on without the cloud that `start` started.

        Raises:
            CommandError: it has ended, with what it said last.
        """
        if self._process is None or (status := self._process.poll()) is None:
            return
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
        raise CommandError(
            f"The laptop's cloud (process {self._process.pid}) {how}: {self._last_words()} (log: {self.log}; `cxr up` "
            "starts another)."
        )

    def stop(self) -> bool:
        """End the cloud and all that it started; False when it was not running."""
        number = self.pid
        self._pid_file.unlink(missing_ok=True)
        self.variables_file.unlink(missing_ok=True)
        if number is None:
            return False
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._process.poll() is None if self._process else _is_ours(number):
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(number, signal.SIGKILL)
                break
            time.sleep(_POLL_SECONDS)
        if self._process is not None:
            self._process.wait()
        return True

    def _ready(self) -> dict[str, str] | None:
        """The variables of the line that says it is ready."""
        with contextlib.suppress(OSError):
            for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(_READY):
                    words = line.removeprefix(_READY).split()
                    return dict(word.split("=", 1) for word in words if word.startswith("AWS_"))
        return None

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, IndexError):
            return self.log.read_text(encoding="utf-8", errors="replace").split("\n")[-2].rstrip(".")
        return "it said nothing"


def deploy_commands() -> list[list[str]]:
    """Commands that deploy the app to the cloud; without change sets, for each of which the CDK waits for seconds."""
    assembly = str(FOLDER / "cdk.out")
    return [
        ["cdk", "synth", "--quiet", "--context", f"env={ENVIRONMENT}", "--no-notices", "--output", assembly],
        ["cdk", "deploy", "--all", "--app", assembly, "--method=direct", "--require-approval=never", "--no-notices"],
    ]


def only_here(variables: dict[str, str]) -> dict[str, str]:
    """The variables for a command that must reach this cloud and no other: nor does a profile lead it astray."""
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_PROFILE": ""}
    return {**nowhere, **variables}


def _command(port: int, folder: Path) -> list[str]:
    return [sys.executable, "-m", "local", "--port", str(port), "--state-dir", str(folder)]


def _for_clients(ready: dict[str, str]) -> dict[str, str]:
    """Variables that clients of this cloud want besides its address and keys."""
    return {
        # The CDK command line reads the S3 address that CloudFormation should use from a variable of its own.
        "AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION": ready.get("AWS_ENDPOINT_URL", ""),
        "AWS_DEFAULT_REGION": ready.get("AWS_REGION", ""),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CXR_ENV": ENVIRONMENT,
        # Validating templates takes most of a synthesis and is `make test`'s to do.
        "CDK_VALIDATION": "false",
        "NODE_NO_WARNINGS": "1",
    }


def _is_ours(number: int) -> bool:
    """Whether the process exists and is this cloud: numbers are given again to others."""
    found = subprocess.run(  # noqa: S603
        ["ps", "-ww", "-o", "stat=,command=", "-p", str(number)],  # noqa: S607 - never cut off at a terminal's width
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, command = found.stdout.strip().partition(" ")
    # A zombie has ended; whoever started it has not yet asked.
    return bool(state) and not state.startswith("Z") and " -m local " in command
