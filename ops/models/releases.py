"""Waiting for an approval to reach the endpoint: the Release function's stack update, then what really serves."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from ops.base.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ops.base.deployment import Deployment, Stack
    from ops.models.registry import ModelRegistry, ModelVersion, Serving

_PART = "endpoint"
_PARAMETER = "ModelPackageArn"


@dataclasses.dataclass(frozen=True)
class Mark:
    """The endpoint's stack just before an approval, to tell the release's update from an earlier one."""

    updated: datetime | None
    event: str | None

    @classmethod
    def of(cls, deployment: Deployment) -> Mark:
        """The stack as it is now."""
        stack = deployment.describe(_PART)
        return cls(updated=stack.updated if stack else None, event=deployment.newest_event(_PART))


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
    mark: Mark,
    timeout: float,
    poll: float,
    tell: Callable[[str], None],
) -> Serving:
    """Wait until the endpoint is in service with exactly this version, and return it.

    Args:
        registry: tells what the endpoint serves.
        deployment: tells how the endpoint's stack is doing.
        version: the approved version.
        mark: the endpoint's stack before the approval.
        timeout: seconds after which to give up with exit code 4.
        poll: seconds between two looks.
        tell: called with a sentence whenever the state changes.

    Raises:
        CommandError: with the reason of the resource that failed, when the stack rolled the release back.
    """
    end = time.monotonic() + timeout
    told = ""
    begun = False
    while True:
        serving = registry.serving()
        if serving.status == "InService" and serving.package_arn == version.arn:
            return serving
        stack = deployment.describe(_PART)
        begun = begun or _has_begun(stack, mark, version)
        state = _state(stack, serving, version, begun=begun)
        if state != told:
            told = state
            tell(state)
        if begun and stack is not None and stack.status.endswith(("_FAILED", "ROLLBACK_COMPLETE")):
            raise CommandError(_failure(deployment, stack, serving, version, mark))
        if time.monotonic() >= end:
            raise CommandError(
                f"Gave up after {timeout:.0f} seconds: {state}. `cxr status` shows whether it goes on, "
                "the Release function's log why it does not.",
                ExitCode.TIMED_OUT,
            )
        time.sleep(poll)


def _has_begun(stack: Stack | None, mark: Mark, version: ModelVersion) -> bool:
    """Whether the stack is in, or past, an update that came after the mark or is about this version."""
    if stack is None:
        return False
    running = stack.status.endswith("_IN_PROGRESS")
    return stack.updated != mark.updated or (running and stack.parameters.get(_PARAMETER) == version.arn)


def _state(stack: Stack | None, serving: Serving, version: ModelVersion, *, begun: bool) -> str:
    if stack is None or not begun:
        return f"version {version.version} is approved, its release has not started"
    endpoint = f", endpoint {serving.status}" if serving.status else ""
    return f"releasing version {version.version}: stack {stack.status}{endpoint}"


def _failure(deployment: Deployment, stack: Stack, serving: Serving, version: ModelVersion, mark: Mark) -> str:
    failures = deployment.failures(_PART, after=mark.event)
    reason = failures[0] if failures else serving.failure_reason or "CloudFormation gives no reason"
    still = f"version {serving.version} goes on serving" if serving.version else "no version is serving"
    return f"The release of version {version.version} failed ({stack.status}): {reason.rstrip('.')}; {still}."
