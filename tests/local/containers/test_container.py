"""The container of a model: what hangs is replaced. A server stands in for the one that imports TensorFlow."""

from __future__ import annotations

import io
import os
import signal
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from local.containers import container as module
from local.containers.container import Container
from local.containers.hosted_model import HostedModel
from local.containers.liveness import Limits
from tests.local.fake_cloud import STEP_ROLE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.local.fake_cloud import FakeCloud

# Keeps the contract, and answers its own process number.
SERVER = """
import http.server, os, socket, sys

class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    do_POST = do_GET

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
server.serve_forever()
"""
GROUP = "/aws/sagemaker/Endpoints/e"


@pytest.fixture
def container(cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    artifact = io.BytesIO()
    with tarfile.open(fileobj=artifact, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("1/saved_model.pb"), io.BytesIO())
    cloud.client("s3").put_object(Bucket="data", Key="model.tar.gz", Body=artifact.getvalue())
    monkeypatch.setattr(module, "_SERVER", (sys.executable, "-c", SERVER))
    monkeypatch.setattr(module, "_RESTART_SECONDS", 0)
    made = Container(
        cloud,
        owner="production variant AllTraffic",
        directory=tmp_path / "endpoints",
        log_group=GROUP,
        stream="AllTraffic",
        model=HostedModel(STEP_ROLE, "s3://data/model.tar.gz", {}),
        # Long enough for a busy machine's server to answer, and what the test waits for one that does not.
        limits=Limits(interval_seconds=0.05, timeout_seconds=2, failures=2),
    )
    yield made
    made.stop()


def asked(container: Container, seconds: float = 10) -> int | None:
    """Number of the process that answers; None where none does."""
    try:
        return int(container.invoke(b"", {}, seconds).body)
    except OSError:
        return None


def test_a_stopped_process_is_replaced_and_the_log_says_so(container: Container, cloud: FakeCloud) -> None:
    """It was alive, so nobody started another, and clients had timeouts for ever."""
    container.start()
    before = asked(container)
    assert before is not None
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        container.invoke(b"", {}, 0.2)
    after = wait_for(lambda: asked(container), 60)
    assert after != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)

    def told() -> list[str]:
        found = cloud.client("logs").filter_log_events(logGroupName=GROUP)["events"]
        return [one["message"] for one in found if "started again" in one["message"]]

    assert wait_for(told, 30) == ["The container answered nothing any more, was killed and is started again."]


def test_a_hung_process_goes_with_its_container(container: Container, tmp_path: Path) -> None:
    container.start()
    process = asked(container)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    container.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert list((tmp_path / "endpoints").iterdir()) == []
