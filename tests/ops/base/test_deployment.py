"""Names come from stack outputs only, and a missing stack ends in what to do about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.base.deployment import Deployment, laptop_api_url
from ops.base.errors import CommandError, ExitCode
from tests.ops.conftest import START, Cloud


def _deployment(cloud: Cloud, endpoint_url: str | None = None) -> Deployment:
    return Deployment(cloud.client("cloudformation"), env="dev", region="us-east-1", endpoint_url=endpoint_url)


def test_a_stack_is_described_once_for_all_its_outputs(cloud: Cloud) -> None:
    cloud.has_stack("training")
    deployment = _deployment(cloud)
    assert (deployment.pipeline, deployment.model_package_group) == ("cxr-dev", "cxr-dev")
    cloud.all_asked()


def test_a_stack_that_is_not_there_says_how_to_deploy_it(cloud: Cloud) -> None:
    cloud.lacks_stack("data")
    with pytest.raises(
        CommandError, match=r"cxr-dev-data is not deployed in us-east-1: run `make deploy ENV=dev`"
    ) as ended:
        _ = _deployment(cloud).data_bucket
    assert ended.value.exit_code is ExitCode.UNAVAILABLE


def test_a_half_deployed_stack_is_named_with_its_status(cloud: Cloud) -> None:
    cloud.has_stack("data", "CREATE_IN_PROGRESS", Outputs=[])
    with pytest.raises(CommandError, match=r"cxr-dev-data \(CREATE_IN_PROGRESS\) has no output DataBucketName"):
        _ = _deployment(cloud).data_bucket


def test_the_api_is_asked_where_it_really_answers(cloud: Cloud) -> None:
    cloud.has_stack("api")
    assert _deployment(cloud).api_url == "https://abc123.execute-api.us-east-1.amazonaws.com/api/"
    cloud.has_stack("api")
    laptop = _deployment(cloud, "http://127.0.0.1:4566/")
    assert laptop.api_url == "http://127.0.0.1:4566/_aws/execute-api/abc123/api/"


def test_the_laptop_address_keeps_identifier_and_stage() -> None:
    url = laptop_api_url("https://x1.execute-api.cn-north-1.amazonaws.com.cn/api/", "http://127.0.0.1:4566")
    assert url == "http://127.0.0.1:4566/_aws/execute-api/x1/api/"


def test_failures_are_those_after_the_mark_with_the_cause_first(cloud: Cloud) -> None:
    """CloudFormation lists newest first, and what failed first is the cause of what failed later."""

    def event(identifier: str, status: str, resource: str, reason: str, minute: int) -> dict[str, object]:
        return {
            "StackId": "s",
            "StackName": "cxr-dev-endpoint",
            "EventId": identifier,
            "ResourceStatus": status,
            "LogicalResourceId": resource,
            "ResourceStatusReason": reason,
            "Timestamp": START + timedelta(minutes=minute),
        }

    events = [
        event("5", "UPDATE_ROLLBACK_COMPLETE", "cxr-dev-endpoint", "", 5),
        event("4", "UPDATE_FAILED", "Alarm", "Cancelled", 4),
        event("3", "UPDATE_FAILED", "Endpoint", "The alarm fired.", 3),
        event("2", "UPDATE_COMPLETE", "cxr-dev-endpoint", "", 2),
        event("1", "UPDATE_FAILED", "Endpoint", "An older failure.", 1),
    ]
    cloud.answers("cloudformation", "describe_stack_events", {"StackEvents": events})
    failures = _deployment(cloud).failures("endpoint", after="2")
    assert failures == ["Endpoint: The alarm fired.", "Alarm: Cancelled"]
