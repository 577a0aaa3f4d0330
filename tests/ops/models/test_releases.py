"""`cxr approve` says "serving" only when the endpoint serves that very version, and otherwise why it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from typer.testing import Result

from ops.base.errors import ExitCode
from tests.ops.conftest import GROUP_ARN, START, Cloud

LATER = START + timedelta(hours=1)


def _opens(cloud: Cloud, *approvals: str, serving: int | None) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models(*approvals)
    cloud.serves(serving)


def _marked(cloud: Cloud) -> None:
    cloud.has_stack("endpoint")
    cloud.has_stack("endpoint")
    cloud.answers("cloudformation", "describe_stack_events", {"StackEvents": [_event("mark", "UPDATE_FAILED", "Old")]})


def _event(identifier: str, status: str, reason: str) -> dict[str, Any]:
    return {
        "StackId": "s",
        "StackName": "cxr-dev-endpoint",
        "EventId": identifier,
        "ResourceStatus": status,
        "LogicalResourceId": "Endpoint",
        "ResourceStatusReason": reason,
        "Timestamp": START,
    }


def _decides(cloud: Cloud, version: int, *approvals: str, comment: str = "") -> None:
    for approval in approvals:
        decision = {"ModelPackageArn": f"{GROUP_ARN}/{version}", "ModelApprovalStatus": approval}
        if comment:
            decision["ApprovalDescription"] = comment
        cloud.answers("sagemaker", "update_model_package", {"ModelPackageArn": decision["ModelPackageArn"]}, decision)


def test_approve_waits_until_the_endpoint_serves_this_version(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """In service is not enough: while the stack updates, the endpoint is in service with the version before."""
    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _marked(cloud)
    _decides(cloud, 2, "Approved", comment="reviewed")
    cloud.serves(1)
    cloud.has_stack("endpoint")
    cloud.serves(1, "Updating")
    cloud.has_stack("endpoint", "UPDATE_IN_PROGRESS", LastUpdatedTime=LATER)
    cloud.serves(2)
    result = cxr("approve", "--comment", "reviewed")
    assert result.exit_code == 0
    assert result.stdout == "version 2 is serving\n"
    assert "version 2 is approved, its release has not started" in result.stderr
    assert "releasing version 2: stack UPDATE_IN_PROGRESS, endpoint Updating" in result.stderr
    cloud.all_asked()


def test_a_release_rolled_back_ends_with_1_and_the_resources_reason(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """A failure from before the approval, still in the stack's history, is not this release's reason."""
    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _marked(cloud)
    _decides(cloud, 2, "Approved")
    cloud.serves(1)
    cloud.has_stack("endpoint", "UPDATE_ROLLBACK_COMPLETE", LastUpdatedTime=LATER)
    events = [
        _event("3", "UPDATE_ROLLBACK_COMPLETE", ""),
        _event("2", "UPDATE_FAILED", "The model did not load."),
        _event("mark", "UPDATE_FAILED", "Old"),
    ]
    cloud.answers("cloudformation", "describe_stack_events", {"StackEvents": events})
    result = cxr("approve", "2")
    assert result.exit_code == ExitCode.FAILED
    expected = (
        "The release of version 2 failed (UPDATE_ROLLBACK_COMPLETE): Endpoint: The model did not load; "
        "version 1 goes on serving."
    )
    assert expected in result.stderr


def test_a_version_approved_before_is_approved_again_as_a_change(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """SageMaker sends the event that starts a release only when the approval changes."""
    _opens(cloud, "Approved", serving=None)
    _marked(cloud)
    _decides(cloud, 1, "PendingManualApproval", "Approved")
    cloud.serves(1)
    assert cxr("approve", "1").exit_code == 0
    cloud.all_asked()


def test_a_version_that_serves_already_is_left_alone(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opens(cloud, "Approved", serving=1)
    result = cxr("approve", "--json")
    assert json.loads(result.stdout) == {
        "version": 1,
        "arn": f"{GROUP_ARN}/1",
        "approval": "Approved",
        "serving": True,
    }


def test_no_wait_ends_after_the_approval(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opens(cloud, "PendingManualApproval", serving=None)
    _marked(cloud)
    _decides(cloud, 1, "Approved")
    result = cxr("approve", "--no-wait")
    assert result.exit_code == 0
    assert "version 1 is approved; its release has been asked for" in result.stdout


def test_a_release_that_never_starts_ends_with_4_and_where_to_look(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opens(cloud, "PendingManualApproval", serving=None)
    _marked(cloud)
    _decides(cloud, 1, "Approved")
    cloud.serves(None)
    cloud.has_stack("endpoint")
    result = cxr("approve", "--timeout", "0")
    assert result.exit_code == ExitCode.TIMED_OUT
    assert "its release has not started" in result.stderr
    assert "Release function's log" in result.stderr


def test_without_a_model_approve_says_how_training_is_seen(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models()
    result = cxr("approve")
    assert result.exit_code == ExitCode.FAILED
    assert "no registered model yet" in result.stderr
