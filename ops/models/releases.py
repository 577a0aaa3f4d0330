"""Waiting for the release of an approved version: the stack update, then the Release function's verdict."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from lambdas.aws.errors import error_code
from ops.base.errors import CommandError, ExitCode
from ops.base.polling import looks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from ops.base.deployment import Deployment, Stack
    from ops.models.registry import ModelRegistry, ModelVersion, Serving

_PART = "endpoint"
_RELEASED = "released"
_PARAMETER = "ModelPackageArn"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Verdict on a release, as the Release function keeps it (`lambdas/release/verdict.py`)."""

    outcome: str
    sentence: str


class Verdicts:
    """Verdicts on one version since this object was made."""

    def __init__(self, s3: S3Client, bucket: str, version: ModelVersion) -> None:
        self._s3, self._bucket = s3, bucket
        self._prefix = f"releases/{version.version}/"
        self._before = self._listed()

    @property
    def readable(self) -> bool:
        """Whether this role may read them."""
        return self._before is not None

    def newest(self) -> Verdict | None:
        """The newest verdict since then; None while there is none."""
        if self._before is None:
            return None
        fresh = {key: when for key, when in (self._listed() or {}).items() if when != self._before.get(key)}
        if not fresh:
            return None
        key = max(fresh, key=lambda uri: fresh[uri])
        said = json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        return Verdict(said["outcome"], said["sentence"])

    def _listed(self) -> dict[str, datetime] | None:
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            return {item["Key"]: item["LastModified"] for page in pages for item in page.get("Contents", [])}
        except Exception as error:
            if error_code(error) in {"AccessDenied", "AccessDeniedException", "403"}:
                return None
            raise


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """State before an approval, to distinguish its release from earlier ones."""

    updated: datetime | None
    event: str | None
    verdicts: Verdicts

    @classmethod
    def of(cls, deployment: Deployment, s3: S3Client, version: ModelVersion) -> Snapshot:
        """The endpoint's stack and the version's verdicts as they are now."""
        verdicts = Verdicts(s3, deployment.artifact_bucket, version)
        stack = deployment.describe(_PART)
        return cls(stack.updated if stack else None, deployment.newest_event(_PART), verdicts)


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
    snapshot: Snapshot,
    timeout: float,
    poll: float,
    tell: Callable[[str], None],
) -> Serving:
    """Wait until the Release function has asked the endpoint and found this version serving, and return that.

    An endpoint that is configured for a version need not answer with it: only the function's verdict ends well. Where
    this role may not read verdicts, what CloudFormation and SageMaker say has to do.

    Args:
        registry: tells what the endpoint serves.
        deployment: tells how the endpoint's stack is doing.
        version: the approved version.
        snapshot: state from before the approval.
        timeout: seconds after which to give up with exit code 4.
        poll: seconds between two looks.
        tell: called with a sentence whenever the state changes.

    Raises:
        CommandError: with the reason, when the version is not what serves in the end.
    """
    last_state = ""
    started = False
    if not snapshot.verdicts.readable:
        tell("This role may not read releases/ of the artifact bucket: whether the model answers is not known here.")
    for _ in looks(timeout, poll):
        verdict = snapshot.verdicts.newest()
        serving = registry.serving()
        is_served = serving.status == "InService" and serving.package_arn == version.arn
        if is_served and (not snapshot.verdicts.readable or (verdict and verdict.outcome == _RELEASED)):
            return serving
        if verdict and verdict.outcome != _RELEASED:
            raise CommandError(_not_released(version, serving, verdict))
        if verdict and serving.status == "InService":
            raise CommandError(
                f"Version {version.version} was released, and version {serving.version} has replaced it."
            )
        stack = deployment.describe(_PART)
        started = started or _has_started(stack, snapshot, version)
        state = _state(stack, serving, version, started=started, is_served=is_served)
        if state != last_state:
            last_state = state
            tell(state)
        has_failed = stack is not None and stack.status.endswith(("_FAILED", "ROLLBACK_COMPLETE"))
        if started and has_failed and not snapshot.verdicts.readable:
            raise CommandError(_failure(deployment, stack, serving, version, snapshot))
    raise CommandError(
        f"Gave up after {timeout:.0f} seconds: {last_state}. `cxr status` shows whether it goes on, the Release "
        "function's log why it does not.",
        ExitCode.TIMED_OUT,
    )


def _not_released(version: ModelVersion, serving: Serving, verdict: Verdict) -> str:
    now = f"version {serving.version} is what the endpoint has now" if serving.version else "no version is serving"
    reason = verdict.sentence.rstrip(".")
    return f"The release of version {version.version} failed ({verdict.outcome.replace('_', ' ')}): {reason}; {now}."


def under_way(deployment: Deployment, version: ModelVersion) -> bool:
    """Whether this version is being rolled out now."""
    stack = deployment.describe(_PART)
    if stack is None or stack.parameters.get(_PARAMETER) != version.arn:
        return False
    return stack.status.endswith("_IN_PROGRESS") and "ROLLBACK" not in stack.status


def _has_started(stack: Stack | None, snapshot: Snapshot, version: ModelVersion) -> bool:
    """Whether the stack is in, or past, an update that came after the snapshot or is about this version."""
    if stack is None:
        return False
    running = stack.status.endswith("_IN_PROGRESS")
    return stack.updated != snapshot.updated or (running and stack.parameters.get(_PARAMETER) == version.arn)


def _state(stack: Stack | None, serving: Serving, version: ModelVersion, *, started: bool, is_served: bool) -> str:
    if is_served:
        return f"version {version.version} is on the endpoint, which is being asked whether it answers"
    if stack is None or not started:
        return f"version {version.version} is approved, its release has not started"
    endpoint = f", endpoint {serving.status}" if serving.status else ""
    return f"releasing version {version.version}: stack {stack.status}{endpoint}"


def _failure(
    deployment: Deployment, stack: Stack | None, serving: Serving, version: ModelVersion, snapshot: Snapshot
) -> str:
    failures = deployment.failures(_PART, after=snapshot.event)
    reason = failures[0] if failures else serving.failure_reason or "CloudFormation gives no reason"
    status = stack.status if stack else "no stack"
    still = f"version {serving.version} goes on serving" if serving.version else "no version is serving"
    return f"The release of version {version.version} failed ({status}): {reason.rstrip('.')}; {still}."
