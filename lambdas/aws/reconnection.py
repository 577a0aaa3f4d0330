"""A second attempt where a kept connection turns out to be closed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ConnectionClosedError

AT_ONCE_SECONDS = 0.1
"""Longest time from sending to the news that the connection is closed; what breaks off later costs time, which these
clients do not have twice."""


class Reconnection:
    """Has a client of one attempt send a request again, once, where its connection was closed before.

    Environments of functions are frozen between two invocations, and what they hold of connections is closed meanwhile
    by the other side: the next request on one ends at once in "Connection was closed before we received a valid
    response" (aws/aws-sdk-js-v3#1196, and `retries` of botocore, which has this among the errors that it repeats; read
    2026-11-29, not tried in an account). Without a second attempt the first prediction after a quiet time was not kept.
    What was asked may have been done: every request that these clients send may be repeated.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent = 0.0

    def watch(self, client: Any) -> Any:
        """The client, which reconnects from now on; requests of one at a time."""
        client.meta.events.register("before-send", self._note)
        client.meta.events.register("needs-retry", self._repeat)
        return client

    def _note(self, **_: Any) -> None:
        self._sent = self._clock()

    def _repeat(self, attempts: int, caught_exception: Exception | None, **_: Any) -> int | None:
        """Seconds until the next attempt, or None for none: the answer that botocore expects of a handler."""
        closed = isinstance(caught_exception, ConnectionClosedError)
        return 0 if closed and attempts == 1 and self._clock() - self._sent <= AT_ONCE_SECONDS else None
