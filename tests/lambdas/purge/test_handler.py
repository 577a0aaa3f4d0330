"""Before a group of models goes, its versions go; CloudFormation hears about it whatever happens."""

import pytest

from lambdas.custom_resource.answer import WAITS_SECONDS

GROUP = "cxr-dev"
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/"


@pytest.fixture
def purge(custom_resource):
    properties = {"ModelPackageGroupName": GROUP}
    kind = {"ResourceType": "Custom::ModelPackages"}
    with custom_resource("purge", "sagemaker", logical_id="Emptied", properties=properties, **kind) as resource:
        yield resource


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


def test_a_group_that_is_gone_already_is_no_failure(purge):
    call, stubber = purge
    stubber.add_client_error("list_model_packages", "ValidationException", f"ModelPackageGroup {GROUP} does not exist.")

    assert call("Delete")["Status"] == "SUCCESS"


def test_a_refusal_is_answered_with_its_reason_instead_of_silence(purge):
    call, stubber = purge
    for _ in range(1 + len(WAITS_SECONDS)):
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
