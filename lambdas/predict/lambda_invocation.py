"""Synchronous invocation of another Lambda function of this API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

Reason = Literal["timed_out", "throttled", "too_large", "not_ready", "crashed", "failed"]
# Invoke's errors that say when to ask again, and whether to. What is not ready passes by itself: a function
# that nobody called for weeks, or whose snapshot is being made, is got ready again by the call that is refused ("Lambda
# is initializing your function", "The function is inactive"; service model of botocore 1.43 and "Lambda function
# states" of the developer guide, read 2026-11-29, not tried in an account).
_CODES: dict[str, Reason] = {
    "TooManyRequestsException": "throttled",
    "EC2ThrottledException": "throttled",
    "ResourceConflictException": "not_ready",
    "ResourceNotReadyException": "not_ready",
    "SnapStartNotReadyException": "not_ready",
    "RequestTooLargeException": "too_large",
}


class NoAnswerError(Exception):
    """The function gave no answer, for a `reason`; the message quotes no input."""

    def __init__(self, reason: Reason, message: str = "") -> None:
        super().__init__(f"{reason} {message}".strip())
        self.reason = reason


@dataclass(frozen=True)
class Function:
    """A function. `client` makes Lambda's client, with one attempt and a timeout, on first use."""

    client: Callable[[], Any]
    name: str

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke the function and wait for its answer to an event.

        Raises:
            NoAnswerError: there is none.
            ClientError: Lambda refused, in another way than by its limits.
        """
        try:
            answer = self.client().invoke(FunctionName=self.name, Payload=json.dumps(event))
        except ReadTimeoutError:
            raise NoAnswerError("timed_out") from None
        except ClientError as error:
            if reason := _CODES.get(error.response["Error"]["Code"]):
                raise NoAnswerError(reason) from None
            raise
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise _failure(document)
        return document


def _failure(document: dict[str, Any]) -> NoAnswerError:
    """Reason of an invocation that failed; the function's own message may say too much to repeat."""
    kind, message = str(document.get("errorType", "")), str(document.get("errorMessage", ""))
    if "timed out" in message.lower():
        return NoAnswerError("timed_out")
    return NoAnswerError("crashed" if kind == "Runtime.ExitError" else "failed", kind or "no error type")
