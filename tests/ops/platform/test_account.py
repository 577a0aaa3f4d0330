"""`cxr doctor` finds what lies in an account from earlier or from others and would stop a deployment."""

from __future__ import annotations

from typing import Any

import pytest

from ops.base.assembly import Assembly, Resource
from ops.base.session import Session
from ops.platform import account
from tests.ops.conftest import Cloud

GROUP = ("training", "AWS::SageMaker::ModelPackageGroup", {"ModelPackageGroupName": "cxr-dev"})
STAGE = ("api", "AWS::ApiGateway::Stage", {})
OWNS = ("api", "AWS::ApiGateway::Account", {})
SESSION = Session(env="dev", region="us-east-1")


def _templates(*resources: tuple[str, str, dict[str, Any]]) -> Assembly:
    made = (Resource(part, f"R{n}", kind, properties) for n, (part, kind, properties) in enumerate(resources))
    return Assembly("dev", "us-east-1", tuple(made))


@pytest.mark.parametrize(
    ("policies", "state", "found"),
    [
        (["AdministratorAccess"], "fine", "AdministratorAccess"),
        (["organisation-deploys"], "fine", "organisation-deploys"),
        (["github-cxr-dev-CloudFormation1", "github-cxr-prod-CloudFormation1"], "fine", "github-cxr-dev-"),
        (["github-cxr-prod-CloudFormation1"], "wrong", "may make prod here, and not dev"),
        (["github-cxr-dev2-CloudFormation1"], "wrong", "may make dev2 here, and not dev"),
        (["AdministratorAccess", "github-cxr-prod-CloudFormation1"], "fine", "AdministratorAccess"),
        (None, "skipped", "no role"),
    ],
)
def test_a_bootstrap_for_another_environment_has_taken_this_one_s_rights_away(
    cloud: Cloud, policies: list[str] | None, state: str, found: str
) -> None:
    cloud.answers("sts", "get_caller_identity", {"Account": "123456789012"})
    role = {"RoleName": "cdk-hnb659fds-cfn-exec-role-123456789012-us-east-1"}
    if policies is None:
        cloud.fails("iam", "list_attached_role_policies", "NoSuchEntity")
    else:
        attached = [{"PolicyName": name, "PolicyArn": f"arn:aws:iam::123456789012:policy/{name}"} for name in policies]
        cloud.answers("iam", "list_attached_role_policies", {"AttachedPolicies": attached}, role)
    finding = account.rights(SESSION)
    assert (finding.check, finding.state) == ("rights", state)
    assert found in finding.found
    assert ("ExecutionPolicies" in finding.advice) is (state == "wrong")


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("ROLLBACK_COMPLETE", "protection"),
        ("ROLLBACK_FAILED", "Delete it"),
        ("CREATE_FAILED", "Delete it"),
        ("DELETE_FAILED", "delete it again"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name cxr-dev-training`"),
    ],
)
def test_a_stack_that_no_deployment_goes_on_from_is_reported_with_the_way_out(
    cloud: Cloud, status: str, advice: str
) -> None:
    cloud.has_stack("training", status=status)
    cloud.has_stack("api")
    (finding,) = account.stacks(SESSION, _templates(GROUP, STAGE))
    assert (finding.check, finding.state) == ("stack: cxr-dev-training", "wrong")
    assert finding.found == f"is in {status}"
    assert advice in finding.advice


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED"])
def test_stacks_that_can_be_updated_are_fine(cloud: Cloud, status: str) -> None:
    cloud.has_stack("training", status=status)
    cloud.lacks_stack("api")
    (finding,) = account.stacks(SESSION, _templates(GROUP, STAGE))
    assert (finding.state, finding.found) == ("fine", "1 of 2 are there, and nothing is in the way")


def test_a_group_that_outlived_its_stack_is_reported_before_its_name_stops_the_next(cloud: Cloud) -> None:
    """`make destroy` leaves it where `retain` is true, and CloudFormation makes none of a name that is taken."""
    expected = {"ModelPackageGroupName": "cxr-dev"}
    answer = {
        "ModelPackageGroupName": "cxr-dev",
        "ModelPackageGroupArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/cxr-dev",
        "CreationTime": 0,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
    }
    cloud.lacks_stack("training")
    cloud.answers("sagemaker", "describe_model_package_group", answer, expected)
    (finding,) = account.stacks(SESSION, _templates(GROUP))
    assert (finding.check, finding.state) == ("group: cxr-dev", "wrong")

    cloud.lacks_stack("training")
    cloud.fails("sagemaker", "describe_model_package_group", "ValidationException", "cxr-dev does not exist.")
    (finding,) = account.stacks(SESSION, _templates(GROUP))
    assert finding.state == "fine"


@pytest.mark.parametrize(
    ("owns", "role", "state", "found"),
    [
        (True, None, "fine", "a deployment sets it"),
        (True, "cxr-dev-api-ApiCloudWatchRole-1", "fine", "cxr-dev-api-ApiCloudWatchRole-1 writes"),
        (True, "cxr-prod-api-ApiCloudWatchRole-1", "wrong", "a deployment replaces it"),
        (True, "removed/cxr-prod-api-ApiCloudWatchRole-1", "fine", "a deployment sets it"),
        (False, None, "wrong", "a deployment of the API fails"),
        (False, "platform/apis", "fine", "apis writes"),
        (False, "removed/apis", "wrong", "apis is gone"),
    ],
)
def test_one_role_writes_the_access_logs_of_an_account(
    cloud: Cloud, owns: bool, role: str | None, state: str, found: str
) -> None:
    arn = f"arn:aws:iam::123456789012:role/{role}"
    cloud.answers("apigateway", "get_account", {"cloudwatchRoleArn": arn} if role else {})
    if role and not role.startswith("removed/"):
        name = role.rpartition("/")[2]
        described = {"Path": "/", "RoleName": name, "RoleId": "A" * 16, "Arn": arn, "CreateDate": 0}
        cloud.answers("iam", "get_role", {"Role": described}, {"RoleName": name})
    elif role:
        cloud.fails("iam", "get_role", "NoSuchEntity")
    finding = account.log_role(SESSION, _templates(STAGE, *([OWNS] if owns else [])))
    assert (finding.check, finding.state) == ("log role", state)
    assert found in finding.found
    assert ("owns_account_log_role" in finding.advice) is (state == "wrong")
