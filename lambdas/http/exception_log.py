"""Log fields of an exception whose message may quote a patient's file: type and places only."""

from __future__ import annotations

import traceback
from typing import Any


def log_fields(cause: BaseException | None) -> dict[str, Any]:
    """Fields of a log line: the exception's type and the places it passed; never its message or the values there."""
    if cause is None:
        return {}
    frames = traceback.extract_tb(cause.__traceback__)
    return {
        "exception_name": type(cause).__name__,
        "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
