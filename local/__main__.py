"""`python -m local`: the embedded cloud on 127.0.0.1, until Ctrl-C or SIGTERM. Nothing it started outlives it.

    python -m local [--port 4566] [--state-dir .laptop]

prints one line when it is ready, with the variables a shell needs to talk to it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

HOST = "127.0.0.1"
ACCOUNT = "123456789012"
REGION = "us-east-1"
_START_SECONDS = 60
_STOP_SECONDS = 10


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
        state_dir: where logs, steps and endpoints keep their files; created when missing.
    """

    def __init__(self, port: int, state_dir: Path) -> None:
        self._port = port
        self._state_dir = state_dir.resolve()
        self._ready_file = self._state_dir / "ready"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it can be deployed to.

        Raises:
            RuntimeError: when it does not come up; it has said why on standard error.
        """
        for leftover in ("tmp", "endpoints"):
            shutil.rmtree(self._state_dir / leftover, ignore_errors=True)
        (self._state_dir / "tmp").mkdir(parents=True)
        self._ready_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.server"],
            env=environment(self._port, self._state_dir, self._ready_file),
            # It stops at the end of its input, also when this process is killed.
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("The embedded cloud did not start; the lines above say why.")
            time.sleep(0.02)

    def wait(self) -> int:
        """Wait until the server ends by itself, and answer its exit status."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Stop the server and everything it started."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Functions and containers share the server's process group, and it may have left some running.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        self._ready_file.unlink(missing_ok=True)
        shutil.rmtree(self._state_dir / "tmp", ignore_errors=True)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded cloud on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("GATEWAY_PORT", "4566")))
    parser.add_argument("--state-dir", type=Path, default=Path(".laptop"))
    arguments = parser.parse_args()
    with socket.socket() as probe:
        if probe.connect_ex((HOST, arguments.port)) == 0:
            print(
                f"Port {arguments.port} of {HOST} is already in use. Stop what listens there, or name another "
                f"with --port.",
                file=sys.stderr,
            )
            return 1

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    server = Server(arguments.port, arguments.state_dir)
    try:
        server.start()
        print(
            f"Ready: AWS_ENDPOINT_URL=http://{HOST}:{arguments.port} AWS_ACCESS_KEY_ID=test "
            f"AWS_SECRET_ACCESS_KEY=test AWS_REGION={REGION} (account {ACCOUNT})",
            flush=True,
        )
        status = server.wait()
        print(f"The embedded cloud ended by itself with status {status}.", file=sys.stderr)
    except KeyboardInterrupt:
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    else:
        return 1
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
