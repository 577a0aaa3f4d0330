"""Liveness probe of a serving process: one that answers nothing any more is killed, so that another can be started.

SageMaker asks `/ping` periodically, gives each 2 seconds, and replaces an instance that is unhealthy; a new container
has 8 minutes to begin answering ("How Your Container Should Respond to Health Check (Ping) Requests" in SageMaker's
developer guide, read 2026-11). How often it asks, and how many failures make an instance unhealthy, is not said there.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Patience with a serving process, more of it than SageMaker's.

    A laptop trains on the processors that it serves with. /ping took up to 0.9 s beside the dearest request that is
    accepted (docs/benchmarks/serving.md); five times 10 s and the pauses between them are 70 s, longer than the 60 s
    that one invocation may take: who computes what is answered in time is never killed, even where nothing else runs
    meanwhile.

    Attributes:
        interval_seconds: pause between an answer to `/ping` and the next question.
        timeout_seconds: for each answer.
        failures: questions in a row without an answer after which the process counts as hung.
        start_seconds: for a new process until its first answer.
    """

    interval_seconds: float = 5.0
    timeout_seconds: float = 10.0
    failures: int = 5
    start_seconds: float = 480.0

    @property
    def silence_seconds(self) -> float:
        """The shortest silence that gets a process killed."""
        return self.failures * self.timeout_seconds + (self.failures - 1) * self.interval_seconds


class Liveness:
    """Liveness of one process.

    Args:
        ping: asks the process, with a time limit in seconds; whether it said that it is well.
        clock: seconds that pass.
    """

    def __init__(
        self, ping: Callable[[float], bool], limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ping, self._limits, self._clock = ping, limits, clock
        self._heard = threading.Event()

    def answered(self) -> None:
        """Count any answer as one to `/ping`: a process that does its work is only busy."""
        self._heard.set()

    def wait(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end of the process, and kill it where it hangs: a stopped one too.

        Returns:
            Whether it was killed here.
        """
        begun, started, failures = self._clock(), False, 0
        while True:
            try:
                process.wait(self._limits.interval_seconds)
            except subprocess.TimeoutExpired:
                is_well = self._ping(self._limits.timeout_seconds)
            else:
                return False
            if is_well or self._heard.is_set():
                self._heard.clear()
                started, failures = True, 0
                continue
            failures += 1
            is_hung = (
                failures >= self._limits.failures if started else self._clock() - begun > self._limits.start_seconds
            )
            if is_hung and process.poll() is None:
                # Not its process group, which is the cloud's: the container is this one process.
                process.kill()
                process.wait()
                return True
