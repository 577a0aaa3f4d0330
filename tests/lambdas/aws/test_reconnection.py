"""A request goes out again over a new connection only where the old one was closed, and nobody lost time by it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from lambdas.aws.reconnection import AT_ONCE_SECONDS, Reconnection

CLOSED = ConnectionClosedError(endpoint_url="https://dynamodb")


@pytest.mark.parametrize(
    ("attempts", "error", "seconds", "wait"),
    [
        (1, CLOSED, 0.0, 0),
        (2, CLOSED, 0.0, None),
        (1, CLOSED, AT_ONCE_SECONDS + 0.01, None),
        (1, ReadTimeoutError(endpoint_url="https://dynamodb"), 0.0, None),
        (1, None, 0.0, None),
    ],
)
def test_once_and_at_once(attempts: int, error: Exception | None, seconds: float, wait: int | None) -> None:
    now = 7.0
    reconnection = Reconnection(lambda: now)
    reconnection._note(request="a request")
    now += seconds
    assert reconnection._repeat(attempts, error, response=None) == wait
