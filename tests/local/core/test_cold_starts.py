"""A burst of requests starts no more functions at once than there are processors, and takes what becomes free."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from ministack.core import lambda_runtime

from local.core.cold_starts import ColdStarts

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = {"FunctionName": "predict", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:predict"}


class Process:
    """A process, which runs until it is said to have ended."""

    status: int | None = None

    def poll(self) -> int | None:
        return self.status


class Worker:
    """A worker as MiniStack leases one, with a start that ends when the test says so."""

    may_start = threading.Event()
    fails = False
    starting = most = 0
    counted = threading.Lock()

    def __init__(self, *_: object) -> None:
        self.in_use, self.last_used, self._cold = False, 0.0, True
        self._proc: Process | None = None
        self._lock = threading.Lock()

    def _spawn(self) -> None:
        with Worker.counted:
            Worker.starting += 1
            Worker.most = max(Worker.most, Worker.starting)
        assert Worker.may_start.wait(30)
        with Worker.counted:
            Worker.starting -= 1
        if Worker.fails:
            raise RuntimeError("Worker init failed: no module named predict")
        self._proc = Process()


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Worker]]]:
    Worker.may_start.clear()
    Worker.fails, Worker.starting, Worker.most = False, 0, 0
    pool: dict[str, list[Worker]] = {}
    monkeypatch.setattr(lambda_runtime, "_workers", pool)
    monkeypatch.setattr(lambda_runtime, "_worker_class_for", lambda config: Worker)
    yield pool
    Worker.may_start.set()


def lease(cold_starts: ColdStarts, name: str = "predict") -> tuple[Any, str]:
    return cold_starts.acquire_worker(name, {**CONFIG, "FunctionName": name}, b"")


def test_a_burst_starts_two_at_once_and_is_served_by_what_becomes_free(workers: dict[str, list[Worker]]) -> None:
    cold_starts = ColdStarts(2)

    def request() -> str:
        worker, how = lease(cold_starts)
        cold_starts.release_worker(worker)
        return how

    with ThreadPoolExecutor(40) as requests:
        answers = [requests.submit(request) for _ in range(40)]
        Worker.may_start.set()
        said = [answer.result(30) for answer in answers]
    assert Worker.most <= 2
    assert len(workers) == 1
    # Without the bound there would be up to 40 workers; each that was started here had a turn.
    assert said.count("spawn") == sum(len(pool) for pool in workers.values())
    assert said.count("reused") == 40 - said.count("spawn")


def test_who_waits_takes_the_worker_that_is_given_back_while_others_start() -> None:
    cold_starts = ColdStarts(1)
    Worker.may_start.set()
    first, _ = lease(cold_starts)
    Worker.may_start.clear()
    with ThreadPoolExecutor(2) as requests:
        starting = requests.submit(lease, cold_starts)
        while not Worker.starting:
            assert not starting.done()
        waiting = requests.submit(lease, cold_starts)
        cold_starts.release_worker(first)
        assert waiting.result(30) == (first, "reused")
        Worker.may_start.set()
        assert starting.result(30)[1] == "spawn"


def test_another_function_has_its_turn_while_the_first_has_every_worker() -> None:
    # Predict asks Dicom and keeps its own worker meanwhile.
    cold_starts = ColdStarts(1)
    Worker.may_start.set()
    lease(cold_starts)
    assert lease(cold_starts, "dicom")[1] == "spawn"


def test_a_worker_whose_process_ended_is_started_in_its_turn() -> None:
    cold_starts = ColdStarts(1)
    Worker.may_start.set()
    worker, _ = lease(cold_starts)
    worker._proc.status = 1
    cold_starts.release_worker(worker)
    again, _ = lease(cold_starts)
    assert again is worker
    assert again._proc.poll() is None


def test_a_start_that_fails_gives_its_turn_back_and_leaves_the_failure_to_the_invocation() -> None:
    cold_starts = ColdStarts(1)
    Worker.may_start.set()
    Worker.fails = True
    failed, _ = lease(cold_starts)
    assert failed._proc is None
    Worker.fails = False
    assert lease(cold_starts)[0]._proc is not None
