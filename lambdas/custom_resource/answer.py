"""The answer to a custom resource request, which CloudFormation waits for at the URL in the event.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (read 2026-11). Without any answer
the stack waits for an hour.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def send(event: dict[str, Any], status: str, reason: str) -> None:
    """Answer a request.

    Args:
        event: the request.
        status: `SUCCESS` or `FAILED`.
        reason: one sentence, which CloudFormation shows where it failed.
    """
    document = {
        "Status": status,
        "Reason": reason,
        # Stable, so that a change of the function replaces nothing.
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own presigned URL
        event["ResponseURL"], data=json.dumps(document).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
