"""`cxr approve` says "serving" only when the endpoint serves that very version, and otherwise why it does not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.response import StreamingBody
from typer.testing import Result

from ops.base.errors import ExitCode
from tests.ops.conftest import GROUP_ARN, START, Cloud

LATER = START + timedelta(hours=1)


def _opens(cloud: Cloud, *approvals: str, serving: int | None) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models(*approvals)
    cloud.serves(serving)


def _verdicts(cloud: Cloud, version: int, *said: tuple[str, str]) -> None:
    """The next listing of a version's verdicts, with the last of which the command reads what was said."""
    contents = [{"Key": f"releases/{version}/{number}.json", "LastModified": LATER} for number, _ in enumerate(said)]
    expected = {"Bucket": "artifact-bucket", "Prefix": f"releases/{version}/"}
    cloud.answers("s3", "list_objects_v2", {"Contents": contents}, expected)
    if said:
        body = json.dumps({"outcome": said[-1][0], "sentence": said[-1][1]}).encode()
        cloud.answers("s3", "get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))})


RELEASED = ("released", "The endpoint was asked, and serves it.")


def _marked(cloud: Cloud, version: int) -> None:
    cloud.has_stack("data")
    _verdicts(cloud, version)
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


def test_approve_waits_until_the_endpoint_was_asked_and_serves_this_version(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """In service is not enough: with the version before while the stack updates, or with one that does not answer."""
    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _marked(cloud, 2)
    _decides(cloud, 2, "Approved", comment="reviewed")
    for _ in range(3):
        _verdicts(cloud, 2)
    cloud.serves(1)
    cloud.has_stack("endpoint")
    cloud.serves(1, "Updating")
    cloud.has_stack("endpoint", "UPDATE_IN_PROGRESS", LastUpdatedTime=LATER)
    cloud.serves(2)
    cloud.has_stack("endpoint", "UPDATE_COMPLETE", LastUpdatedTime=LATER)
    _verdicts(cloud, 2, RELEASED)
    cloud.serves(2)
    result = cxr("approve", "--comment", "reviewed")
    assert result.exit_code == 0
    assert result.stdout == "version 2 is serving\n"
    assert "version 2 is approved, its release has not started" in result.stderr
    assert "releasing version 2: stack UPDATE_IN_PROGRESS, endpoint Updating" in result.stderr
    assert "version 2 is on the endpoint, which is being asked whether it answers" in result.stderr
    cloud.all_asked()


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("taken_back", "It answered 502. version 1 is being put back."),
        ("rolled_back", "It was rolled back: Endpoint: The model did not load."),
        ("superseded", "Version 3 was approved after it and is what is served."),
        ("overtaken", "Another release began before it was asked."),
        ("withdrawn", "It was rejected before its release began."),
        ("held_back", "There is no site evaluation of version 2. Run `cxr evaluate ARCHIVE --model 2`, then ..."),
        ("failed", "The stack could not be updated."),
    ],
)
def test_any_other_verdict_ends_with_1_and_its_reason(
    cloud: Cloud, cxr: Callable[..., Result], outcome: str, sentence: str
) -> None:
    """At once, and though the endpoint is in service with this very version: it may answer nothing but errors."""
    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _marked(cloud, 2)
    _decides(cloud, 2, "Approved")
    _verdicts(cloud, 2, (outcome, sentence))
    cloud.serves(2)
    result = cxr("approve", "2")
    assert result.exit_code == ExitCode.FAILED
    assert sentence.rstrip(".") in result.stderr
    assert "is serving" not in result.stdout
    cloud.all_asked()


def test_an_interrupted_approval_says_that_the_release_goes_on(
    cloud: Cloud, cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _marked(cloud, 2)
    _decides(cloud, 2, "Approved")
    _verdicts(cloud, 2)
    cloud.serves(1)
    cloud.has_stack("endpoint")
    monkeypatch.setattr("time.sleep", interrupted)
    result = cxr("approve")
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "Interrupted; version 2 is approved, and its release goes on" in result.stderr


def test_a_verdict_of_an_earlier_approval_is_none_of_this_one(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opens(cloud, "Approved", "Rejected", serving=1)
    cloud.has_stack("data")
    contents = [{"Key": "releases/2/old.json", "LastModified": START}]
    for _ in range(2):
        cloud.answers("s3", "list_objects_v2", {"Contents": contents})
    cloud.has_stack("endpoint")
    cloud.has_stack("endpoint")
    cloud.answers("cloudformation", "describe_stack_events", {"StackEvents": []})
    _decides(cloud, 2, "Approved", comment="approved after a rejection, without a comment")
    cloud.serves(1)
    cloud.has_stack("endpoint")
    _verdicts(cloud, 2, RELEASED)
    cloud.serves(2)
    assert cxr("approve", "2").exit_code == 0
    cloud.all_asked()


def test_what_was_released_and_replaced_at_once_is_reported(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _marked(cloud, 2)
    _decides(cloud, 2, "Approved")
    _verdicts(cloud, 2, RELEASED)
    cloud.serves(3)
    result = cxr("approve", "2")
    assert result.exit_code == ExitCode.FAILED
    assert "Version 2 was released, and version 3 has replaced it" in result.stderr


def _cannot_read_verdicts(cloud: Cloud) -> None:
    cloud.has_stack("data")
    cloud.fails("s3", "list_objects_v2", "AccessDenied", "no", 403)
    cloud.has_stack("endpoint")
    cloud.has_stack("endpoint")
    cloud.answers("cloudformation", "describe_stack_events", {"StackEvents": [_event("mark", "UPDATE_FAILED", "Old")]})


def test_without_the_right_to_read_verdicts_the_stacks_own_end_is_reported(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """A failure from before the approval, still in the stack's history, is not this release's reason."""
    _opens(cloud, "Approved", "PendingManualApproval", serving=1)
    _cannot_read_verdicts(cloud)
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
    assert "whether the model answers is not known here" in result.stderr


@pytest.mark.parametrize(
    ("status", "package", "said"),
    [
        ("UPDATE_IN_PROGRESS", 2, "is rolled back when it ends"),
        ("UPDATE_COMPLETE", 2, "still what serves"),
        ("UPDATE_IN_PROGRESS", 1, ""),
    ],
)
def test_reject_says_what_becomes_of_the_endpoint(
    cloud: Cloud, cxr: Callable[..., Result], status: str, package: int, said: str
) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models("Approved", "Approved")
    _decides(cloud, 2, "Rejected", comment="a mistake")
    cloud.serves(package)
    parameters = [{"ParameterKey": "ModelPackageArn", "ParameterValue": f"{GROUP_ARN}/{package}"}]
    cloud.has_stack("endpoint", status, Parameters=parameters)
    result = cxr("reject", "2", "--reason", "a mistake")
    assert result.stdout == "version 2 is rejected\n"
    assert said in result.stderr
    assert bool(result.stderr) is bool(said)


@pytest.mark.parametrize(("approval", "shown"), [("Rejected", "serving, Rejected"), ("Approved", "serving")])
def test_a_rejected_model_that_serves_is_shown_as_both(
    cloud: Cloud, cxr: Callable[..., Result], approval: str, shown: str
) -> None:
    """Whoever reads "serving" must not take it for approved."""
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.has_models(approval)
    described = {"ModelPackageName": "1", "ModelPackageArn": f"{GROUP_ARN}/1", "CreationTime": START}
    status = {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {"ValidationStatuses": []}}
    cloud.answers("sagemaker", "describe_model_package", {**described, **status})
    cloud.serves(1)
    cloud.has_stack("data")
    cloud.has_site_evaluations(1)
    row = cxr("models").stdout.splitlines()[1]
    assert row.split("  ")[1:] != []
    assert f"  {shown}  " in row


def test_a_version_approved_before_is_approved_again_as_a_change(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """SageMaker sends the event that starts a release only when the approval changes."""
    _opens(cloud, "Approved", serving=None)
    _marked(cloud, 1)
    _decides(cloud, 1, "PendingManualApproval", "Approved")
    _verdicts(cloud, 1, RELEASED)
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
    _decides(cloud, 1, "Approved")
    result = cxr("approve", "--no-wait")
    assert result.exit_code == 0
    assert "version 1 is approved; its release has been asked for" in result.stdout


def test_a_release_that_never_starts_ends_with_4_and_where_to_look(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opens(cloud, "PendingManualApproval", serving=None)
    _marked(cloud, 1)
    _decides(cloud, 1, "Approved")
    _verdicts(cloud, 1)
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
