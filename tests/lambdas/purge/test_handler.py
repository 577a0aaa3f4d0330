"""Before a group of models goes with its stack, its versions go; CloudFormation hears about it whatever happens."""

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.custom_resource.answer import WAITS_SECONDS

GROUP = "cxr-dev"
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/"


@pytest.fixture
def purge(custom_resource):
    properties = {"ModelPackageGroupName": GROUP}
    kind = {"ResourceType": "Custom::ModelPackages"}
    with custom_resource("purge", "sagemaker", logical_id="Emptied", properties=properties, **kind) as resource:
        yield resource


@pytest.fixture
def stack_is(monkeypatch, purge):
    """Let CloudFormation say a status of the stack that asks."""
    from lambdas.purge import handler

    client = boto3.client("cloudformation")
    monkeypatch.setattr(handler, "cloudformation", lambda: client)
    with Stubber(client) as stubber:

        def say(status):
            stack = {"StackName": "cxr-dev-training", "StackStatus": status, "CreationTime": 0}
            stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "stack"})

        yield say
        stubber.assert_no_pending_responses()


@pytest.fixture
def removal(stack_is):
    """The stack is being deleted."""
    stack_is("DELETE_IN_PROGRESS")


def versions(*numbers):
    return [
        {
            "ModelPackageArn": f"{ARN}{number}",
            "ModelPackageName": f"{GROUP}/{number}",
            "CreationTime": 0,
            "ModelPackageStatus": "Completed",
        }
        for number in numbers
    ]


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_nothing_is_deleted_before_the_environment_goes(purge, request_type):
    call, _ = purge

    assert call(request_type)["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    "status",
    [
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",  # `retain: true` takes the resource away
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",  # `retain: false` brought it, and something else failed
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",  # a first deployment that took over the group of an earlier one
    ],
)
@pytest.mark.parametrize("kind", ["Custom::ModelPackages", "Custom::ModelPackageGroup"])
def test_a_stack_that_stays_keeps_its_models(purge, stack_is, status, kind):
    """CloudFormation asks for the same deletion: settings that are to keep models would delete all of them."""
    call, _ = purge
    stack_is(status)

    answer = call("Delete", ResourceType=kind)

    assert (answer["Status"], answer["Reason"]) == ("SUCCESS", f"kept the model packages of {GROUP}: its stack stays")


@pytest.mark.usefixtures("removal")
def test_every_version_on_every_page_is_deleted(purge):
    call, stubber = purge
    stubber.add_response(
        "list_model_packages",
        {"ModelPackageSummaryList": versions(3, 2), "NextToken": "more"},
        {"ModelPackageGroupName": GROUP},
    )
    stubber.add_response(
        "list_model_packages",
        {"ModelPackageSummaryList": versions(1)},
        {"ModelPackageGroupName": GROUP, "NextToken": "more"},
    )
    for number in (3, 2, 1):
        stubber.add_response("delete_model_package", {}, {"ModelPackageName": f"{ARN}{number}"})

    answer = call("Delete", PhysicalResourceId="kept")

    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == "kept", "another id would make CloudFormation replace the resource"
    assert answer["Reason"] == f"deleted 3 model packages of {GROUP}"


@pytest.mark.usefixtures("removal")
def test_a_group_that_is_gone_already_is_no_failure(purge):
    call, stubber = purge
    stubber.add_client_error("list_model_packages", "ValidationException", f"ModelPackageGroup {GROUP} does not exist.")

    assert call("Delete")["Status"] == "SUCCESS"


def test_a_refusal_is_answered_with_its_reason_instead_of_silence(purge, stack_is):
    call, stubber = purge
    for _ in range(1 + len(WAITS_SECONDS)):
        stack_is("DELETE_IN_PROGRESS")
        stubber.add_client_error("list_model_packages", "AccessDeniedException", "not allowed to list")

    answer = call("Delete")

    assert answer["Status"] == "FAILED"
    assert "not allowed to list" in answer["Reason"]


OWNED = {
    "ResourceType": "Custom::ModelPackageGroup",
    "ResourceProperties": {
        "ServiceToken": "arn",
        "ModelPackageGroupName": GROUP,
        "ModelPackageGroupDescription": "Classifiers",
        "Tags": [{"Key": "environment", "Value": "dev"}],
    },
}
WANTED = {key: value for key, value in OWNED["ResourceProperties"].items() if key != "ServiceToken"}


def test_where_cloudformation_has_no_groups_one_is_made(purge):
    call, stubber = purge
    stubber.add_response("create_model_package_group", {"ModelPackageGroupArn": "arn:aws-cn:sagemaker"}, WANTED)

    assert call("Create", **OWNED) | {"Reason": ""} == call("Update", **OWNED) | {"Reason": ""}


def test_a_group_that_an_earlier_deployment_left_is_taken_over(purge):
    call, stubber = purge
    message = f"Model Package Group already exists: {GROUP}"
    stubber.add_client_error("create_model_package_group", "ValidationException", message)

    answer = call("Create", **OWNED)

    assert (answer["Status"], answer["Reason"]) == ("SUCCESS", f"took over the group {GROUP}, which was there")


def test_a_group_that_cannot_be_made_fails_the_deployment(purge):
    call, stubber = purge
    for _ in range(1 + len(WAITS_SECONDS)):
        stubber.add_client_error("create_model_package_group", "AccessDeniedException", "not allowed")

    answer = call("Create", **OWNED)

    assert answer["Status"] == "FAILED"
    assert "not allowed" in answer["Reason"]


@pytest.mark.usefixtures("removal")
@pytest.mark.parametrize("gone", [False, True])
def test_such_a_group_goes_after_its_versions(purge, gone):
    call, stubber = purge
    stubber.add_response(
        "list_model_packages", {"ModelPackageSummaryList": versions(1)}, {"ModelPackageGroupName": GROUP}
    )
    stubber.add_response("delete_model_package", {}, {"ModelPackageName": f"{ARN}1"})
    if gone:
        stubber.add_client_error("delete_model_package_group", "ValidationException", f"{GROUP} does not exist.")
    else:
        stubber.add_response("delete_model_package_group", {}, {"ModelPackageGroupName": GROUP})

    assert call("Delete", **OWNED)["Status"] == "SUCCESS"
