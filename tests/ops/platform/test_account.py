"""`cxr doctor` finds what lies in an account from earlier or from others and would stop a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.base.assembly import Assembly, Resource
from ops.base.session import Session
from ops.platform import account
from ops.platform.bootstrap import Bootstrap
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
        (["organisation-deploys", "github-cxr-prod-CloudFormation1"], "unknown", "of dev only organisation-deploys"),
        ([], "unknown", "no managed policy"),
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
    finding = account.rights(SESSION, Bootstrap())
    assert (finding.check, finding.state) == ("rights", state)
    assert found in finding.found
    assert ("ExecutionPolicies" in finding.advice) is (state in {"wrong", "unknown"})


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("ROLLBACK_COMPLETE", "protection"),
        ("ROLLBACK_FAILED", "Delete it"),
        ("CREATE_FAILED", "Delete it"),
        ("DELETE_FAILED", "delete it again"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name cxr-dev-training --region us-east-1`"),
    ],
)
def test_a_stack_that_no_deployment_goes_on_from_is_reported_with_the_way_out(
    cloud: Cloud, status: str, advice: str
) -> None:
    cloud.has_stack("training", status=status)
    cloud.has_stack("api")
    _lacks_group(cloud)
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
    cloud.lacks_stack("training")
    _has_group(cloud)
    (finding,) = account.stacks(SESSION, _templates(GROUP))
    assert (finding.check, finding.state) == ("group: cxr-dev", "wrong")

    cloud.lacks_stack("training")
    _lacks_group(cloud)
    (finding,) = account.stacks(SESSION, _templates(GROUP))
    assert finding.state == "fine"


@pytest.mark.parametrize(
    ("status", "checks"),
    [
        ("ROLLBACK_COMPLETE", ["stack: cxr-dev-training", "group: cxr-dev"]),
        ("REVIEW_IN_PROGRESS", ["group: cxr-dev"]),
        ("ROLLBACK_FAILED", ["stack: cxr-dev-training"]),  # whose it is, nobody knows
        ("CREATE_COMPLETE", ["stacks"]),
        ("CREATE_IN_PROGRESS", ["stacks"]),
    ],
)
def test_a_group_that_stopped_the_deployment_before_stops_the_next_too(
    cloud: Cloud, status: str, checks: list[str]
) -> None:
    """A stack that holds nothing is no owner: the first deployment was rolled back, or never begun."""
    cloud.has_stack("training", status=status)
    _has_group(cloud)
    assert [finding.check for finding in account.stacks(SESSION, _templates(GROUP))] == checks


def test_a_stuck_stack_is_reported_where_groups_may_not_be_read(cloud: Cloud) -> None:
    cloud.has_stack("training", status="ROLLBACK_COMPLETE")
    cloud.fails("sagemaker", "describe_model_package_group", "AccessDeniedException")
    assert next(account.stacks(SESSION, _templates(GROUP))).check == "stack: cxr-dev-training"


def test_advice_names_a_section_that_is_there() -> None:
    page, _, section = account._RECOVERY.partition(", ")
    headings = (Path(__file__).resolve().parents[3] / page).read_text(encoding="utf-8").splitlines()
    assert f"### {section}" in headings


def _has_group(cloud: Cloud) -> None:
    answer = {
        "ModelPackageGroupName": "cxr-dev",
        "ModelPackageGroupArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/cxr-dev",
        "CreationTime": 0,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
    }
    cloud.answers("sagemaker", "describe_model_package_group", answer, {"ModelPackageGroupName": "cxr-dev"})


def _lacks_group(cloud: Cloud) -> None:
    cloud.fails("sagemaker", "describe_model_package_group", "ValidationException", "cxr-dev does not exist.")


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
    if state == "wrong" and owns:
        cloud.lacks_stack("api")
    finding = account.log_role(SESSION, _templates(STAGE, *([OWNS] if owns else [])))
    assert (finding.check, finding.state) == ("log role", state)
    assert found in finding.found
    assert ("owns_account_log_role" in finding.advice) is (state == "wrong")


def test_an_api_that_runs_is_not_called_wrong_for_a_role_that_another_set_later(cloud: Cloud) -> None:
    arn = "arn:aws:iam::123456789012:role/cxr-prod-api-ApiCloudWatchRole-1"
    described = {"Path": "/", "RoleName": "cxr-prod-api-1", "RoleId": "A" * 16, "Arn": arn, "CreateDate": 0}
    for status, state in (("UPDATE_COMPLETE", "fine"), ("ROLLBACK_COMPLETE", "wrong")):
        cloud.answers("apigateway", "get_account", {"cloudwatchRoleArn": arn})
        cloud.answers("iam", "get_role", {"Role": described})
        cloud.has_stack("api", status=status)
        assert account.log_role(SESSION, _templates(STAGE, OWNS)).state == state


def test_templates_of_another_qualifier_name_their_bootstrap(tmp_path: Path) -> None:
    """A context of `@aws-cdk/core:bootstrapQualifier` gives the role and the parameter other names."""
    assert Bootstrap.read(tmp_path, "dev") == Bootstrap(), "no templates"
    role = "cdk-team1-cfn-exec-role-${AWS::AccountId}-eu-central-1"
    properties = {
        "requiresBootstrapStackVersion": 8,
        "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/team1/version",
        "cloudFormationExecutionRoleArn": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{role}",
    }
    artifacts = {"cxr-dev-data": {"properties": properties}, "cxr-prod-data": {"properties": {}}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")
    found = Bootstrap.read(tmp_path, "dev")
    assert found == Bootstrap(8, "/cdk-bootstrap/team1/version", role)
    assert found.role_in("123456789012", "eu-central-1") == "cdk-team1-cfn-exec-role-123456789012-eu-central-1"
    assert Bootstrap.read(tmp_path, "prod") == Bootstrap()
