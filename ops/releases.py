"""Waiting for an approval to reach the endpoint: the Release function's stack update, then what really serves."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ops.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.deployment import Deployment, Stack
    from ops.registry import ModelRegistry, ModelVersion, Serving

_PART = "endpoint"


def approve(registry: ModelRegistry, version: ModelVersion, comment: str) -> None:
    """Approve the version. One that was approved before is set back first: only a change is an event."""
    if version.approval == "Approved":
        registry.decide(version, "PendingManualApproval", comment)
    registry.decide(version, "Approved", comment)


def await_serving(
    registry: ModelRegistry,
    deployment: Deployment,
    version: ModelVersion,
    *,
    before: Stack | None,
    timeout: float,
    poll: float,
    tell: Callable[[str], None],
) -> Serving:
    """Wait until the endpoint is in service with exactly this version, and return it.

    Args:
        registry: tells what the endpoint serves.
        deployment: tells how the endpoint's stack is doing.
        version: the approved version.
        before: the endpoint's stack as it was before the approval, to tell this update from an earlier one.
        timeout: seconds after which to give up with exit code 4.
        poll: seconds between two looks.
        tell: called with a sentence whenever the state changes.

    Raises:
        CommandError: with the reasons of the resources that failed, when the stack rolled the release back.
    """
    started = time.monotonic()
    told = ""
    while True:
        serving = registry.serving()
        if serving.status == "InService" and serving.package_arn == version.arn:
            return serving
        stack = deployment.describe(_PART)
        state = _state(stack, before, serving, version)
        if state != told:
            told = state
            tell(state)
        if stack is not None and _is_new(stack, before) and _has_failed(stack.status):
            raise CommandError(_failure(deployment, stack, serving, version))
        if time.monotonic() - started >= timeout:
            raise CommandError(
                f"Version {version.version} is approved but not serving after {timeout:.0f} seconds ({state}): "
                "`cxr status` shows whether it goes on; the Release function's log tells why it does not.",
                ExitCode.TIMED_OUT,
            )
        time.sleep(poll)


def _is_new(stack: Stack, before: Stack | None) -> bool:
    return before is None or stack.updated != before.updated


def _has_failed(status: str) -> bool:
    return status.endswith("_FAILED") or status.endswith("ROLLBACK_COMPLETE")


def _state(stack: Stack | None, before: Stack | None, serving: Serving, version: ModelVersion) -> str:
    if stack is None or not _is_new(stack, before):
        return f"version {version.version} is approved, waiting for its release to start"
    endpoint = f", endpoint {serving.status}" if serving.status else ""
    return f"releasing version {version.version}: stack {stack.status}{endpoint}"


def _failure(deployment: Deployment, stack: Stack, serving: Serving, version: ModelVersion) -> str:
    since = (stack.updated or datetime.now(UTC)) - timedelta(seconds=1)
    reasons = deployment.failed_resources(_PART, since=since)
    reason = reasons[0] if reasons else serving.failure_reason or "CloudFormation gives no reason"
    still = f"version {serving.version} goes on serving" if serving.version else "no version is serving"
    return f"The release of version {version.version} failed ({stack.status}): {reason.rstrip('.')}; {still}."
