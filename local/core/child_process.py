"""Processes that this one starts, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 2.0
_INTERRUPTED_SECONDS = 1.0


def end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ask the process to stop, make it stop when it has not after the grace, and return when it is gone."""
    process.terminate()  # does nothing to one that has ended
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Command:
    """A command that runs beside this process; as a context manager it does not outlast the block.

    Args:
        environment: all of its environment variables.
        capture: whether its output is kept for `wait`, instead of going to the terminal. A command whose output is kept
            is the first of a process group of its own: what it started ends with it.
    """

    def __init__(self, words: Sequence[str], *, cwd: Path, environment: Mapping[str, str], capture: bool) -> None:
        self._words = list(words)
        # Files, since a pipe that nobody reads while something else is done would stop the command.
        self._output: tuple[IO[bytes], IO[bytes]] | None = None
        if capture:
            self._output = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - __exit__ closes them
        out, err = self._output or (None, None)
        self._process = subprocess.Popen(
            self._words,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            process_group=0 if capture else None,
        )

    def wait(self, check: Callable[[], None], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Wait for the end.

        Args:
            check: called often; what it raises ends the wait. It goes before what the command has to say of its end.
            timeout: seconds after which it ends too.

        Raises:
            subprocess.TimeoutExpired: the command runs longer.
        """
        limit = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
            if self._process.returncode == 0:
                break
            check()
            if self._process.returncode is not None:
                break
            if time.monotonic() > limit:
                raise subprocess.TimeoutExpired(self._words, timeout or 0)
        out, err = (_text(stream) for stream in self._output) if self._output else (None, None)
        return subprocess.CompletedProcess(self._words, self._process.returncode, out, err)

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt and not self._output:
            # Ctrl-C has reached it too, and a second one would come into its own end.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_INTERRUPTED_SECONDS)
        # As Ctrl-C does first: a command that draws on the terminal then leaves it as it was.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._send(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
        if self._output:
            self._send(signal.SIGKILL)
            for file in self._output:
                file.close()

    def _send(self, number: signal.Signals) -> None:
        if not self._output:
            self._process.send_signal(number)
            return
        # macOS answers EPERM where only the leader is left, which nobody has asked for its status yet.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
