"""One JSON object a line, in the fields Powertools' Logger writes in the other functions.

Written here because Powertools' Logger adds 80 ms to a cold start (see `handler`). What may be logged: identifiers,
sizes, codes and durations. Never: the image, any part of it, or the probability given for it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from lambdas.http.exception_log import log_fields

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


def write(level: str, message: str, **fields: Any) -> None:
    """Write one line unless LOG_LEVEL is above `level`."""
    if _LEVELS[level] < _LEVELS.get(os.environ.get("LOG_LEVEL", "INFO").upper(), 20):
        return
    line = {
        "level": level,
        "message": message,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime()),
        "service": os.environ.get("POWERTOOLS_SERVICE_NAME", "predict"),
        **fields,
    }
    print(json.dumps(line, default=str), file=sys.stdout, flush=True)


def count(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    """Fields of a line that add 1 to a metric: CloudWatch makes it of the log, without a call (embedded metric format).

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html,
    read 2026-11. No right is needed but to write the log.
    """
    directive = {"Namespace": namespace, "Dimensions": [list(dimensions)], "Metrics": [{"Name": name, "Unit": "Count"}]}
    embedded = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {name: 1, **dimensions, "_aws": embedded}


def error(message: str, exception: BaseException, **fields: Any) -> None:
    """Write what went wrong and the places it passed through, without the values there.

    A ModelError's message repeats what the container printed, which can quote the image: only its code is written.
    """
    response = getattr(exception, "response", None)
    code = response["Error"]["Code"] if isinstance(response, dict) else None
    write(
        "ERROR",
        message,
        exception=code if code == "ModelError" else str(exception)[:500],
        **log_fields(exception),
        **fields,
    )
