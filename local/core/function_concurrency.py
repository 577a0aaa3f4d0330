"""Concurrency of functions: execution environments in number and in starts, and throttling (429) above it.

Lambda starts an execution environment for each request that finds none free, each on a machine of its own, up to the
account's 1,000, and answers 429 TooManyRequestsException above
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html, read 2026-11). MiniStack takes the account's
number from this machine's memory: 573 with 23.5 GiB, all on the same two processors, where 230 of them once
started and never worked off what waited. Here a function has as many as the processors can feed; a request that finds
none free waits for the first of the two, an environment that is given back or its turn to start one, and is throttled
where too many wait already, or when it has waited for too long.

Hooked are MiniStack's `lambda_svc.acquire_worker` and `lambda_svc.release_worker`, which its invocations call, and of
its API Gateway `apigateway_v1._lambda_proxy_response` and `apigateway_v1._invoke_lambda_proxy_v1`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import apigateway_v1, lambda_svc

from model_code.contract import job

logger = logging.getLogger(__name__)

# Predict keeps a processor for about half of its time and waits for the container, on the same processors, meanwhile.
_PER_PROCESSOR = 4
# One processor serves a page and its pictures, or an operator's eight connections, as well.
_LEAST = 8
# For each environment. With the least this is 40 requests, what the laptop's stage lets through at once (cdk.json).
_WAITING = 4
# Longer than a start takes beside other work, and far from the 29 s of API Gateway.
_WAIT_SECONDS = 10.0
# What MiniStack's invocation answers with 429 TooManyRequestsException.
_THROTTLED = (None, "func_cap")


def bound() -> None:
    """Bound functions by the processors that this process may use, and have the API answer what is above it."""
    processors = job.processors()
    most = max(_LEAST, _PER_PROCESSOR * processors)
    environments = Environments(most, starts=processors, waiting=_WAITING * most, seconds=_WAIT_SECONDS)
    lambda_svc.acquire_worker = environments.acquire_worker
    lambda_svc.release_worker = environments.release_worker
    _throttle_the_api()


class _ThrottledError(Exception):
    """Lambda turned an invocation by API Gateway away."""


def _throttle_the_api() -> None:
    """Make API Gateway answer THROTTLED, by the API's own gateway response, where Lambda throttles.

    API Gateway answers 500 there (https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html, read
    2026-11), MiniStack 429 with Lambda's words. Here the number is this machine's, which clients are told as they are
    told of the API's own limits (docs/adr/0070).
    """
    respond, invoke = apigateway_v1._lambda_proxy_response, apigateway_v1._invoke_lambda_proxy_v1

    def respond_or_raise(result: dict[str, Any]) -> Any:
        if result.get("throttle"):
            raise _ThrottledError
        return respond(result)

    async def invoke_or_throttle(*arguments: Any, **more: Any) -> Any:
        try:
            return await invoke(*arguments, **more)
        except _ThrottledError:
            return apigateway_v1._gw_error("THROTTLED", "Too Many Requests")

    apigateway_v1._lambda_proxy_response, apigateway_v1._invoke_lambda_proxy_v1 = respond_or_raise, invoke_or_throttle


@dataclass(frozen=True)
class _Asked:
    """Request for an environment, and what it gets: the worker, "reused" or "spawn", and whether it has to start it."""

    arguments: tuple[str, dict[str, Any], bytes, str]
    lease: Future[tuple[Any, str, bool]] = field(default_factory=Future)


class Environments:
    """Leases of MiniStack's workers, an execution environment each; who waits longest for a function's is served first.

    Functions that call each other cannot wait for each other for ever: each has its own number, a start asks no other
    function for anything, and who calls itself waits no longer than anybody.

    Args:
        most: of one version of a function.
        starts: that take place at once, of all functions.
        waiting: requests that wait for one version of a function.
        seconds: for which a request waits at most.
    """

    def __init__(self, most: int, *, starts: int, waiting: int, seconds: float) -> None:
        self._most, self._turns, self._most_waiting, self._seconds = most, starts, waiting, seconds
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Asked]] = {}

    def acquire_worker(
        self, func_name: str, config: dict[str, Any], code_zip: bytes, *, qualifier: str = "$LATEST"
    ) -> tuple[Any, str]:
        """Lease a free worker that runs, or start one, whichever can be had first.

        Returns:
            The worker, and "reused" or "spawn"; None and "func_cap" where the request is throttled. A worker that
            fails to start is tried again by its invocation, whose answer tells of it.
        """
        asked = _Asked((func_name, config, code_zip, qualifier))
        key = lambda_runtime._worker_key(func_name, config, qualifier)
        with self._lock:
            queue = self._waiting.setdefault(key, deque())
            queue.append(asked)
            self._serve()
            # Whoever has one by now does not wait.
            if len(queue) > self._most_waiting:
                queue.remove(asked)
                return _THROTTLED
        try:
            worker, how, starts = asked.lease.result(self._seconds)
        except TimeoutError:
            with self._lock:
                if not asked.lease.done():
                    self._waiting[key].remove(asked)
                    return _THROTTLED
            worker, how, starts = asked.lease.result()
        if starts:
            self._start(worker)
        return worker, how

    def release_worker(self, worker: Any) -> None:
        """Give a worker back to whoever waits for it."""
        with self._lock:
            lambda_runtime.release_worker(worker)
            self._serve()

    def _start(self, worker: Any) -> None:
        try:
            lambda_runtime.ensure_spawned(worker)
        except Exception:
            logger.info("Function %s did not start at first.", worker.func_name, exc_info=True)
        finally:
            with self._lock:
                self._turns += 1
                self._serve()

    def _serve(self) -> None:
        """Lease what is free, and what may be started, to those who have waited longest; the lock is held."""
        for key, queue in list(self._waiting.items()):
            while queue and self._can_have(key):
                asked = queue.popleft()
                name, config, code, version = asked.arguments
                worker, how = lambda_runtime.acquire_worker(name, config, code, qualifier=version)
                starts = not _is_running(worker)
                self._turns -= starts
                asked.lease.set_result((worker, how, starts))
            if not queue:
                del self._waiting[key]

    def _can_have(self, key: str) -> bool:
        with lambda_runtime._lock:
            workers = list(lambda_runtime._workers.get(key, ()))
        # The one that MiniStack would lease.
        free = next((worker for worker in workers if not worker.in_use), None)
        if _is_running(free):
            return True
        return self._turns > 0 and (free is not None or len(workers) < self._most)


def _is_running(worker: Any) -> bool:
    # MiniStack drops the process of a worker that failed or ran out of time, and keeps the worker.
    return worker is not None and worker._proc is not None and worker._proc.poll() is None
