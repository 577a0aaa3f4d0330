"""Replay of SageMaker's TensorFlow Serving container on a request, with the packages that it runs on.

    PYTHONPATH=.venv/serving:. python tests/model_code/support/container_replay.py MODEL_DIRECTORY FD

From what `serve.py`, `python_service.py` and `tfs_utils.py` of the 2.20 images do (aws/deep-learning-containers
e0ecede, scripts/docker/tensorflow/inference/sagemaker, read 2026-11): falcon 3.1.0 under gunicorn, whose one worker is
gevent's with one thread, patched before anything else is imported; `code` and `code/lib` on its path; TensorFlow
Serving in a process of its own, here the SavedModel read by TensorFlow 2.20. `nginx`, which stands before it there and
changes nothing, is left out: gunicorn listens on the inherited socket FD. Prints the version of TensorFlow, `-` where
the model has no SavedModel, and the ids of the processes that answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

WORKER = Path(__file__).with_name("container_worker.py")


def serve_model(directory: Path) -> None:
    """TensorFlow Serving, until standard input ends."""
    from local.containers import model_server

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), model_server.request_handler(model_server.SavedModelServer(directory))
    )
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(model_server.tf.__version__, server.server_address[1], flush=True)
    sys.stdin.read()


def main(directory: Path, listener: int) -> None:
    """Start both processes and wait until standard input ends."""
    serving = gunicorn = None
    version, port = "-", "0"
    try:
        if (directory / "1").is_dir():
            serving = subprocess.Popen(
                [sys.executable, __file__, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            version, port = serving.stdout.readline().split()
        code = directory.resolve() / "code"
        serving_packages = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]).resolve()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(code), str(code / "lib"), str(serving_packages)]),
            "TFS_REST_PORTS": port,
            "INFERENCE_SCRIPT": str(code / "inference.py"),
        }
        gunicorn = subprocess.Popen(
            [sys.executable, str(WORKER), str(listener)], env=environment, pass_fds=(listener,), cwd="/"
        )
        print(version, gunicorn.pid, *([serving.pid] if serving else []), flush=True)
        sys.stdin.read()
    finally:
        for process in (gunicorn, serving):
            if process is not None:
                process.send_signal(signal.SIGKILL if process is serving else signal.SIGTERM)
                process.wait()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve_model(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
