"""Cold starts of functions, no more at once than there are processors.

Lambda starts an execution environment for each request that finds none free, each on a machine of its own; MiniStack
starts them all on this one, where fifty that start together all miss their time. Here a request waits for the first of
the two: an environment that becomes free, or its turn to start one. Hooked are MiniStack's `lambda_svc.acquire_worker`
and `lambda_svc.release_worker`, which its invocations call.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from model_code.contract import job

logger = logging.getLogger(__name__)


def bound() -> None:
    """Let no more functions start at once than this process may use processors."""
    cold_starts = ColdStarts(job.processors())
    lambda_svc.acquire_worker = cold_starts.acquire_worker
    lambda_svc.release_worker = cold_starts.release_worker


class ColdStarts:
    """Leases of MiniStack's workers, an execution environment each, of which no more than so many start at once.

    A start asks no other function for anything, so that one which calls another, or itself, has its turn however many
    wait.

    Args:
        at_once: how many may start together.
    """

    def __init__(self, at_once: int) -> None:
        self._turns = at_once
        self._changed = threading.Condition()

    def acquire_worker(
        self, func_name: str, config: dict[str, Any], code_zip: bytes, *, qualifier: str = "$LATEST"
    ) -> tuple[Any, str]:
        """Lease a free worker that runs, or start one, whichever can be had first.

        Args:
            func_name: name of the function.
            config: its configuration.
            code_zip: its bundle.
            qualifier: its version.

        Returns:
            The worker, and "reused" or "spawn". One that fails to start is tried again by its invocation, whose answer
            tells of it.
        """
        key = lambda_runtime._worker_key(func_name, config, qualifier)
        with self._changed:
            self._changed.wait_for(lambda: self._turns > 0 or _is_running(_next_free(key)))
            worker, how = lambda_runtime.acquire_worker(func_name, config, code_zip, qualifier=qualifier)
            if _is_running(worker):
                return worker, how
            self._turns -= 1
        try:
            lambda_runtime.ensure_spawned(worker)
        except Exception:
            logger.info("Function %s did not start at first.", func_name, exc_info=True)
        finally:
            with self._changed:
                self._turns += 1
                self._changed.notify_all()
        return worker, how

    def release_worker(self, worker: Any) -> None:
        """Give a worker back to whoever waits for it."""
        with self._changed:
            lambda_runtime.release_worker(worker)
            self._changed.notify_all()


def _next_free(key: str) -> Any:
    """The worker that `acquire_worker` would lease: the first that nobody has."""
    with lambda_runtime._lock:
        return next((worker for worker in lambda_runtime._workers.get(key, ()) if not worker.in_use), None)


def _is_running(worker: Any) -> bool:
    # MiniStack drops the process of a worker that failed or ran out of time, and keeps the worker.
    return worker is not None and worker._proc is not None and worker._proc.poll() is None
