"""Runs a job's command as a process group of its own, which ends with the job, and with this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# SageMaker gives a container 120 seconds between SIGTERM and SIGKILL; nobody waits that long on a laptop.
GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05
# What a job may know of the machine it runs on; everything else of the emulator's own environment, credentials
# included, stays out.
_INHERITED = (
    *("LANG", "LC_ALL", "KERAS_HOME", "OMP_NUM_THREADS", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"),
    # Which kernels compute: with others, the same training takes another course (tests/system/matrix.py).
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS"),
)


# A job has a process group of its own, which the end of the emulator does not reach. Its standard input does: a process
# of the group reads it, gets nothing but the end, when whoever holds the other end is gone, and kills the group. It is
# no child of the command, which could wait for it.
_UNTIL_THE_END_OF_INPUT = """
exec 3<&0 </dev/null
( ( read -r _; kill -KILL 0 ) <&3 >/dev/null 2>&1 & )
exec "$@" 3<&-
"""


class JobProcess:
    """A command, its descendants and its output.

    Args:
        command: program and arguments.
        environment: all of its environment variables.
        line: gets every line of stdout and stderr, as one stream in order.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, line: Callable[[str], None]
    ) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _UNTIL_THE_END_OF_INPUT, "job", *command],
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, args=(line,), name=f"output of {self.pid}", daemon=True)
        self._reader.start()

    def wait(self, stopped: Callable[[], bool], seconds: float | None) -> int | None:
        """Wait for the end; whatever the command left running in its group is killed then.

        Args:
            stopped: asked often; ends the command when true.
            seconds: the most it may run.

        Returns:
            The exit code, 128 plus the signal number for a command that a signal ended, as a container reports it;
            None when it was ended here, by `stopped` or by time.
        """
        deadline = time.monotonic() + seconds if seconds is not None else float("inf")
        ended_here = False
        while self._process.poll() is None:
            if stopped() or time.monotonic() > deadline:
                self._end()
                ended_here = True
            time.sleep(_POLL_SECONDS)
        self._signal(signal.SIGKILL)
        if self._process.stdin:
            self._process.stdin.close()
        # A descendant that made a session of its own may hold the pipe open: it is not waited for.
        self._reader.join(GRACE_SECONDS)
        if self._process.stdout and not self._reader.is_alive():
            self._process.stdout.close()
        code = self._process.returncode
        return None if ended_here else code if code >= 0 else 128 - code

    def _end(self) -> None:
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # nothing of the group is left; macOS answers EPERM where only the unreaped leader is

    def _read(self, line: Callable[[str], None]) -> None:
        if self._process.stdout:
            # Not as text: its universal newlines would make a line of every redrawing of a progress bar.
            for text in self._process.stdout:
                line(text.decode(errors="replace"))


def base_environment(base: Path) -> dict[str, str]:
    """The environment every job starts from: this interpreter first on PATH, and a home of its own."""
    home = base / "home"
    home.mkdir(exist_ok=True)
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PATH": os.pathsep.join([os.fspath(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": os.fspath(home),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
