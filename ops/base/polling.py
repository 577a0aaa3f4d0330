"""Polling at intervals, until a time limit."""

import time
from collections.abc import Iterator


def looks(timeout: float | None, poll: float) -> Iterator[None]:
    """Yield at once and again after each pause; ends when the time is over, which is asked after each look.

    Args:
        timeout: seconds; None goes on for ever.
        poll: seconds between two looks.
    """
    end = float("inf") if timeout is None else time.monotonic() + timeout
    while True:
        yield
        if time.monotonic() >= end:
            return
        time.sleep(poll)
