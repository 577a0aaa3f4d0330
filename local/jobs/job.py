"""A job of the embedded cloud: a thread with a status, which can be described, waited for and stopped."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

from local.core.api import Cloud
from local.core.machine_errors import words

logger = logging.getLogger("jobs")

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html: FailureReason, ExitMessage
MAX_REASON = 1024
INTERNAL_ERROR = "InternalServerError: We encountered an internal error."


class Job(ABC):
    """Base of processing, training, tuning and transform jobs.

    Args:
        name: name of the job, and of its directory.
        request: the checked request that created it.

    Attributes:
        status: `InProgress`, `Completed`, `Failed`, `Stopping` or `Stopped`.
        failure_reason: why it failed, or ran out of time.
        created: when it was created, epoch seconds.
        ended: when it ended, epoch seconds.
    """

    def __init__(self, cloud: Cloud, arn: str, name: str, request: Mapping[str, Any]) -> None:
        self.cloud, self.arn, self.name, self.request = cloud, arn, name, request
        self.created = self.modified = time.time()
        self.ended: float | None = None
        self.status = "InProgress"
        self.failure_reason: str | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"job {name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def stop(self) -> bool:
        """Begin to stop, which kills commands with all their descendants; False when the job had ended before."""
        with self._lock:
            if self.status not in {"InProgress", "Stopping"}:
                return False
            self.status, self.modified = "Stopping", time.time()
        self._stopping.set()
        return True

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The response of the Describe operation."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """The job in the response of the List operation."""

    def properties(self) -> dict[str, Any]:
        """Members that the steps of a pipeline may refer to, once the job has ended."""
        return self.describe()

    @abstractmethod
    def _work(self) -> tuple[str, str | None]:
        """Do the job; status and reason of its end."""

    def _stopped(self) -> bool:
        return self._stopping.is_set()

    def _run(self) -> None:
        end: tuple[str, str | None] = "Failed", INTERNAL_ERROR
        try:
            end = self._work()
        except Exception as error:
            logger.exception("The job %s failed inside.", self.name)
            end = "Failed", f"{INTERNAL_ERROR} {words(error)}"[:MAX_REASON]
        finally:
            with self._lock:
                self.status, self.failure_reason = end
                self.modified = self.ended = time.time()


def members(answer: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The named members of an answer."""
    return {name: value for name, value in answer.items() if name in names}
