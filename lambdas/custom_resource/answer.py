"""Response to a custom resource request, which CloudFormation waits for at the URL in the event.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (read 2026-11). Without any answer
the stack waits for an hour.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

NOTHING = "nothing to do"
"""The reason of a request that needs nothing."""


def respond(event: dict[str, Any], logger: Logger, act: Callable[[], str], failed: str) -> None:
    """Carry out a request and answer how that ended, also where AWS answers with an error.

    Args:
        event: the request.
        logger: logger of the function.
        act: does it, and says in a few words what was done.
        failed: one sentence without its end, to which the error is added.
    """
    try:
        status, reason = "SUCCESS", act()
    except (ClientError, BotoCoreError) as error:
        status, reason = "FAILED", f"{failed}: {error}"
    logger.info("answered", extra={"request": event["RequestType"], "status": status, "reason": reason})
    _send(event, status, reason)


def _send(event: dict[str, Any], status: str, reason: str) -> None:
    """Answer `SUCCESS` or `FAILED`; CloudFormation shows the reason where it failed."""
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
