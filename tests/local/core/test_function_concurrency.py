"""Functions have a bounded number of environments and starts; who waits is served in turn, and what is above is 429."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import apigateway_v1

from local.core import function_concurrency as module
from local.core.function_concurrency import Environments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        self.func_name = "predict"

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


def bounded(*, most: int = 40, starts: int = 1, waiting: int = 40, seconds: float = 30.0) -> Environments:
    return Environments(most, starts=starts, waiting=waiting, seconds=seconds)


def waiting(environments: Environments) -> int:
    return sum(len(queue) for queue in environments._waiting.values())


def until(holds: Callable[[], bool]) -> None:
    while not holds():
        threading.Event().wait(0.001)


def lease(environments: Environments, name: str = "predict") -> tuple[Any, str]:
    return environments.acquire_worker(name, {**CONFIG, "FunctionName": name}, b"")


def test_a_burst_starts_two_at_once_and_is_served_by_what_becomes_free(workers: dict[str, list[Worker]]) -> None:
    environments = bounded(starts=2)

    def request() -> str:
        worker, how = lease(environments)
        environments.release_worker(worker)
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
    environments = bounded(starts=1)
    Worker.may_start.set()
    first, _ = lease(environments)
    Worker.may_start.clear()
    with ThreadPoolExecutor(2) as requests:
        starting = requests.submit(lease, environments)
        while not Worker.starting:
            assert not starting.done()
        waiting = requests.submit(lease, environments)
        environments.release_worker(first)
        assert waiting.result(30) == (first, "reused")
        Worker.may_start.set()
        assert starting.result(30)[1] == "spawn"


def test_another_function_has_its_turn_while_the_first_has_every_worker() -> None:
    # Predict asks Dicom and keeps its own worker meanwhile.
    environments = bounded(starts=1)
    Worker.may_start.set()
    lease(environments)
    assert lease(environments, "dicom")[1] == "spawn"


def test_a_worker_whose_process_ended_is_started_in_its_turn() -> None:
    environments = bounded(starts=1)
    Worker.may_start.set()
    worker, _ = lease(environments)
    worker._proc.status = 1
    environments.release_worker(worker)
    again, _ = lease(environments)
    assert again is worker
    assert again._proc.poll() is None


def test_a_start_that_fails_gives_its_turn_back_and_leaves_the_failure_to_the_invocation() -> None:
    environments = bounded(starts=1)
    Worker.may_start.set()
    Worker.fails = True
    failed, _ = lease(environments)
    assert failed._proc is None
    Worker.fails = False
    assert lease(environments)[0]._proc is not None


def test_a_function_has_no_more_environments_than_it_may_and_who_waits_is_served_in_turn(
    workers: dict[str, list[Worker]],
) -> None:
    environments = bounded(most=2, starts=2)
    Worker.may_start.set()
    held = [lease(environments)[0] for _ in range(2)]
    with ThreadPoolExecutor(3) as requests:
        asked = []
        for number in range(3):
            asked.append(requests.submit(lease, environments))
            until(lambda number=number: waiting(environments) == number + 1)
        for answer in asked:
            assert not answer.done()
            environments.release_worker(held[0])
            assert answer.result(30) == (held[0], "reused")
    assert [len(pool) for pool in workers.values()] == [2]


def test_where_enough_wait_the_next_is_throttled_at_once_and_served_as_soon_as_load_falls() -> None:
    environments = bounded(most=1, waiting=1)
    Worker.may_start.set()
    held, _ = lease(environments)
    with ThreadPoolExecutor(1) as requests:
        waits = requests.submit(lease, environments)
        until(lambda: waiting(environments) == 1)
        assert lease(environments) == (None, "func_cap")
        assert lease(environments, "dicom")[1] == "spawn", "another function has a number of its own"
        environments.release_worker(held)
        assert waits.result(30) == (held, "reused")
    environments.release_worker(held)
    assert lease(environments) == (held, "reused")


def test_who_has_waited_for_too_long_is_throttled_and_waits_no_more() -> None:
    # A function that calls itself waits for itself, and only so long.
    environments = bounded(most=1, seconds=0.0)
    Worker.may_start.set()
    held, _ = lease(environments)
    assert lease(environments) == (None, "func_cap")
    environments.release_worker(held)
    assert lease(environments) == (held, "reused"), "nobody is before this one"


def test_the_api_answers_throttled_where_lambda_throttles(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([{"throttle": True, "error": True, "body": {}}, {"body": {"statusCode": 200, "body": "found"}}])

    async def call(*_: object, **__: object) -> tuple[dict[str, Any], None]:
        return next(answers), None

    monkeypatch.setattr(apigateway_v1, "_call_lambda_raw", call)
    for name in ("_lambda_proxy_response", "_invoke_lambda_proxy_v1"):
        monkeypatch.setattr(apigateway_v1, name, getattr(apigateway_v1, name))
    monkeypatch.setattr(apigateway_v1, "_build_lambda_event_v1", lambda *_, **__: {})
    module._throttle_the_api()

    def ask() -> Any:
        return asyncio.run(apigateway_v1._invoke_lambda_proxy_v1({"uri": ""}, *([None] * 6), {}, *([None] * 3)))

    throttled = ask()
    assert throttled.response_type == "THROTTLED", "what the API's own gateway response answers with 429"
    assert ask()[0] == 200
