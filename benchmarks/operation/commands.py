"""Processor time of each `cxr` command that only reads, and time of twenty predictions side by side.

    python -m benchmarks.operation.commands

The first against a deployment with a registered model, after `cxr up`, `source .laptop/up/environment` and `cxr upload
ARCHIVE --watch`: the median of RUNS, with the starting of Python and what the command starts itself. The second against
a server of this process that answers each request after LATENCY_SECONDS, whatever else it is asked meanwhile.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ops.api.access import ApiKey
from ops.api.predictions import PredictionApi, connect
from ops.commands.workspace import CONNECTIONS

RUNS = 5
FILES = 20
LATENCY_SECONDS = 0.5
READ_ONLY = (
    "--help", "status", "datasets", "executions", "watch", "logs", "report", "labels export", "monitor --newest",
    "models", "compare 1 1", "doctor", "cost",
)  # fmt: skip
_OPTIONS = {"cost": ["--assembly", ".laptop/up/cdk.out"]}
_ANSWER = json.dumps({"probability": 0.9, "label": "PNEUMONIA", "threshold": 0.5, "model": {"version": 1}}).encode()


class _Late(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read all that is sent, and answer later."""
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(LATENCY_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


def processor_seconds(command: str, folder: Path) -> float:
    """Of one call, that of its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    options = _OPTIONS.get(command, [])
    if command.split(maxsplit=1)[0] in {"report", "monitor"}:
        options = ["--save", str(folder / "report.html")]
    subprocess.run(  # noqa: S603 - this repository's command
        [str(Path(sys.executable).parent / "cxr"), *command.split(), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prediction_seconds(connections: int, folder: Path) -> float:
    """Of FILES predictions, so many at once."""
    files = [folder / f"{number}.jpeg" for number in range(FILES)]
    for file in files:
        file.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100_000))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Late)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    api = PredictionApi(connect(url, connections=connections), url, ApiKey("key"))
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        answers = list(pool.map(api.predict, files))
    seconds = time.perf_counter() - started
    server.shutdown()
    server.server_close()
    if any(answer.error for answer in answers):
        raise RuntimeError(next(answer.error for answer in answers if answer.error))
    return seconds


def main() -> None:
    """Measure and print."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # byte-code is there for who installs the command
    with tempfile.TemporaryDirectory() as scratch:
        for command in READ_ONLY:
            processor_seconds(command, Path(scratch))
            seconds = [processor_seconds(command, Path(scratch)) for _ in range(RUNS)]
            print(f"cxr {command}: median {statistics.median(seconds):.2f} s, most {max(seconds):.2f} s of a processor")
        one_at_a_time = prediction_seconds(1, Path(scratch))
        for connections in sorted({4, 8, 16, CONNECTIONS}):
            seconds_beside = prediction_seconds(connections, Path(scratch))
            print(
                f"{FILES} predictions of {LATENCY_SECONDS:g} s, {connections} at once: {seconds_beside:.2f} s, one "
                f"after the other {one_at_a_time:.2f} s: {one_at_a_time / seconds_beside:.1f} times"
            )


if __name__ == "__main__":
    main()
