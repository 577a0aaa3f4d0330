"""Response to a custom resource request, which CloudFormation waits for at the URL in the event.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (read 2026-11). Without any answer
the stack waits for an hour.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.errors import error_code

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

NOTHING = "nothing to do"
"""The reason of a request that needs nothing."""
# CloudFormation calls a function seconds after its role has got a policy, which IAM may not know of everywhere yet: a
# first deployment is then refused what it may do, and rolled back (aws/aws-cdk#37675 and #37939, whose mending in
# #37878 waits as long as this, read 2026-11-29). Half a minute of a refusal that stays costs nothing.
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
# An answer has at most 4,096 bytes ("Custom resource response objects" of the guide above, read 2026-11-29), and a
# longer one is none. Names of stack and resource have a part of them.
_LONGEST_REASON = 2000
# S3 answers ConditionalRequestConflict to a conditional write that meets another operation on the key, and says to
# write again (PutObject's If-None-Match in S3's API reference, read 2026-11-29); no SDK does so by itself.
_PASSING = frozenset({"AccessDenied", "AccessDeniedException", "ConditionalRequestConflict"})


def respond(event: dict[str, Any], logger: Logger, act: Callable[[], str], failed: str) -> None:
    """Carry out a request and answer how that ended, also where AWS answers with an error.

    What is refused is tried again, since the right to it may have been given a moment ago, and so is what met another
    write.

    Args:
        act: does it, and says in a few words what was done; harmless to repeat.
        failed: one sentence without its end, to which the error is added.
    """
    try:
        status, reason = "SUCCESS", _patiently(act)
    except (ClientError, BotoCoreError) as error:
        status, reason = "FAILED", f"{failed}: {error}"
    logger.info("answered", extra={"request": event["RequestType"], "status": status, "reason": reason})
    _send(event, status, reason)


def _patiently(act: Callable[[], str]) -> str:
    for seconds in WAITS_SECONDS:
        try:
            return act()
        except ClientError as error:
            if error_code(error) not in _PASSING:
                raise
        time.sleep(seconds)
    return act()


def _short(reason: str) -> str:
    """The reason's beginning, as long as its JSON may be, which writes letters beyond ASCII in six bytes or twelve."""
    while len(json.dumps(reason)) > _LONGEST_REASON:
        reason = reason[: len(reason) * 3 // 4]
    return reason


def _send(event: dict[str, Any], status: str, reason: str) -> None:
    """Answer `SUCCESS` or `FAILED`; CloudFormation shows the reason where it failed."""
    document = {
        "Status": status,
        "Reason": _short(reason),
        # Stable, so that a change of the function replaces nothing.
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own presigned URL
        event["ResponseURL"], data=json.dumps(document).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
