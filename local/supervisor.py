"""The embedded cloud's server process, and everything it starts, from start to stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NoReturn

from local.core.child_process import end

HOST = "127.0.0.1"
ACCOUNT = "123456789012"
REGION = "us-east-1"
_START_SECONDS = 60
_STOP_SECONDS = 10


class ServerError(Exception):
    """A sentence: why the embedded cloud is not there, and what to do."""


class ServerLostError(ServerError):
    """The embedded cloud ended unexpectedly; the message says how, where its log is, and what to do."""


def environment(port: int, state_dir: Path, ready_file: Path) -> dict[str, str]:
    """The environment of the server: MiniStack's settings, which it reads on import, and nobody's AWS settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **inherited,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": inherited.get("LOG_LEVEL", "INFO"),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        # What functions and steps unpack goes with everything else when the cloud stops.
        "TMPDIR": str(state_dir / "tmp"),
        "LAPTOP_STATE_DIR": str(state_dir),
        "LAPTOP_READY_FILE": str(ready_file),
    }


class Server:
    """The server process and the process group of everything it starts.

    Args:
        port: a free TCP port of 127.0.0.1.
        state_dir: folder for files of logs, steps and endpoints; created when missing.
        log: file for the server's output; on this process's own output when None.
    """

    def __init__(self, port: int, state_dir: Path, *, log: Path | None = None) -> None:
        self._port = port
        self._log = log
        self._state_dir = state_dir.resolve()
        self._ready_file = self._state_dir / "ready"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def start(self, *, fresh: bool = False) -> None:
        """Start the server and wait until it can be deployed to; nothing of a running one is touched.

        Args:
            fresh: whether the folder of the state is emptied before.

        Raises:
            ServerError: the port or the folder of the state is taken, or the server does not come up; it has said why
                in its log.
        """
        with socket.socket() as probe:
            if probe.connect_ex((HOST, self._port)) == 0:
                raise ServerError(
                    f"Port {self._port} of {HOST} is in use, perhaps by another demo: stop that, or name another port."
                )
        self._lock = _locked(self._state_dir)
        try:
            self._launch(fresh=fresh)
        except BaseException:
            self._release()
            raise

    def _launch(self, *, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(self._state_dir, ignore_errors=True)
        for leftover in ("tmp", "endpoints"):
            shutil.rmtree(self._state_dir / leftover, ignore_errors=True)
        (self._state_dir / "tmp").mkdir(parents=True)
        self._ready_file.unlink(missing_ok=True)
        with self._log.open("wb") if self._log else contextlib.nullcontext() as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.server"],
                env=environment(self._port, self._state_dir, self._ready_file),
                # It stops at the end of its input, also when this process is killed.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,  # Ctrl-C reaches whoever started it, who then stops it in order
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerError("The embedded cloud did not start; its log says why.")
            time.sleep(0.02)

    def wait(self) -> NoReturn:
        """Wait until the server ends by itself.

        Raises:
            ServerLostError: it has.
        """
        if self._process is None:
            raise ServerError("The embedded cloud was not started.")
        raise self._lost(self._process.pid, self._process.wait())

    def check(self) -> None:
        """Refuse to go on without the server; one that was not started yet, or was stopped, is none to miss.

        Raises:
            ServerLostError: it has ended by itself.
        """
        if self._process is not None and (status := self._process.poll()) is not None:
            raise self._lost(self._process.pid, status)

    def _lost(self, pid: int, status: int) -> ServerLostError:
        how = f"ended by itself with exit code {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        if status == -signal.SIGKILL:
            how += ", which the system does where memory runs out"
        log = f"see its log, {self._log}, and " if self._log else ""
        return ServerLostError(f"The embedded cloud (process {pid}) {how}: {log}start it again; it remembers nothing.")

    def stop(self) -> None:
        """Stop the server and everything it started."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            self._end(process)
        finally:
            self._release()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        end(process, _STOP_SECONDS)
        # Functions and containers share the server's process group, and it may have left some running.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        self._ready_file.unlink(missing_ok=True)
        shutil.rmtree(self._state_dir / "tmp", ignore_errors=True)

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()


def _locked(state_dir: Path) -> IO[bytes]:
    """A file beside the folder that one process at a time holds open and locked, until it ends or closes it.

    Raises:
        ServerError: another process holds it.
    """
    state_dir.parent.mkdir(parents=True, exist_ok=True)
    lock = state_dir.with_name(f"{state_dir.name}.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ServerError(
            f"Another embedded cloud is running in {state_dir}: stop that, or start this one from another checkout."
        ) from error
    return lock
