"""Rights to deploy: enough for what the templates hold, under this app's names, and to act for nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from policy.contexts import with_tokens_and_mail
from policy.deployment import LARGEST_POLICY, UnscopedServiceError, page
from policy.github import PROVIDER


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global exists, handlers, lint_file, ManualArgs, synthesised
    from cfnlint import lint_file
    from cfnlint.config import ManualArgs

    from policy.schemas import exists, handlers
    from policy.synthesis import synthesised


REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "docs" / "deployment-roles.json"
Environments = Callable[[], dict[str, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def every(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every template that settings can make, as far as its types of resources go."""
    context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    further = synthesised(with_tokens_and_mail(context), tmp_path_factory.mktemp("chosen"))
    return [template for parts in (*environments().values(), further) for template in parts.values()]


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def of_type(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: item["Properties"] for name, item in template["Resources"].items() if item["Type"] == kind}


def statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in of_type(template, "AWS::IAM::ManagedPolicy").values():
        yield from policy["PolicyDocument"]["Statement"]


def resources(statement: dict[str, Any]) -> list[str]:
    return [one if isinstance(one, str) else one["Fn::Sub"] for one in statement["Resource"]]


def test_the_template_is_what_the_app_s_templates_need(every: list[dict[str, Any]]) -> None:
    assert FILE.read_text(encoding="utf-8") == page(every, handlers, exists), "run `make policy` and review it"


def test_cloudformation_takes_it() -> None:
    assert not lint_file(FILE, config=ManualArgs(regions=["us-east-1"]))


def test_every_policy_is_one_iam_takes(committed: dict[str, Any]) -> None:
    policies = of_type(committed, "AWS::IAM::ManagedPolicy")
    # A role has at most ten managed policies.
    assert 0 < len(policies) <= 10
    for name, policy in policies.items():
        assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) < LARGEST_POLICY, name


@pytest.mark.parametrize(
    "action",
    [
        *("s3:CreateBucket", "kms:CreateKey", "lambda:UpdateFunctionCode", "sagemaker:UpdateEndpoint", "iam:PassRole"),
        *("sagemaker:UpdatePipeline", "sqs:SetQueueAttributes", "ec2:CreateVpcEndpoint", "cloudtrail:CreateTrail"),
    ],
)
def test_what_the_stacks_consist_of_can_be_made_and_changed(action: str, committed: dict[str, Any]) -> None:
    assert any(action in statement["Action"] for statement in statements(committed))


@pytest.mark.parametrize(
    "action",
    [
        *("s3:PutObject", "s3:DeleteObject", "sagemaker:InvokeEndpoint", "iam:CreateUser"),
        *("iam:CreatePolicyVersion", "sts:AssumeRole", "iam:DeleteRolePermissionsBoundary", "dynamodb:GetItem"),
    ],
)
def test_neither_data_nor_people_nor_its_own_rights_are_within_reach(action: str, committed: dict[str, Any]) -> None:
    allowed = [one for statement in statements(committed) for one in statement["Action"]]
    assert not [one for one in allowed if fnmatchcase(action, one)]


def test_objects_are_read_from_the_assets_only(committed: dict[str, Any]) -> None:
    (reading,) = (statement for statement in statements(committed) if "s3:GetObject" in statement["Action"])
    assert all(":::cdk-hnb659fds-assets-" in one for one in resources(reading))


def test_keys_are_used_through_dynamodb_only(committed: dict[str, Any]) -> None:
    """Tables need it of who makes them; read with it nothing can be, since nothing may be read of a table."""
    use = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant")
    for statement in statements(committed):
        if statement["Sid"] == "KmsSagemakerGrants":
            continue
        if any(fnmatchcase(action, one) for one in statement["Action"] for action in use):
            condition = statement["Condition"]
            assert condition["StringEquals"] == {
                "kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"}
            }
            if "kms:CreateGrant" in statement["Action"]:
                assert condition["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_endpoints_may_grant_the_environment_s_key_to_the_service_and_nothing_more(committed: dict[str, Any]) -> None:
    """For settings with the environment's key on volumes. A model is released long after the key was made."""
    (granting,) = (one for one in statements(committed) if one["Sid"] == "KmsSagemakerGrants")
    assert granting["Action"] == ["kms:CreateGrant"]
    assert granting["Condition"] == {
        "StringEquals": {"aws:ResourceTag/environment": {"Fn::Sub": "${Environment}"}},
        "Bool": {"kms:GrantIsForAWSResource": "true"},
    }


def test_nothing_that_a_new_key_needs_waits_for_its_tags(committed: dict[str, Any]) -> None:
    """Tags may take five minutes to count: a deployment makes a table with the key some seconds after it."""
    tagged = {
        action
        for statement in statements(committed)
        if statement["Sid"] != "KmsSagemakerGrants" and "aws:ResourceTag/environment" in str(statement.get("Condition"))
        for action in statement["Action"]
    }
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"} <= tagged
    assert not tagged & {"kms:CreateGrant", "kms:DescribeKey", "kms:Decrypt", "kms:Encrypt", "kms:EnableKeyRotation"}


def test_a_model_may_be_made_of_a_package_of_this_environment_and_no_other(committed: dict[str, Any]) -> None:
    """SageMaker asks CreateModel of the package as of the model, so each release would be refused."""
    (making,) = (statement for statement in statements(committed) if "sagemaker:CreateModel" in statement["Action"])
    packages = [one for one in resources(making) if ":model-package/" in one]
    assert packages == [
        "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:model-package/cxr-${Environment}/*"
    ]
    assert not [action for action in making["Action"] if "ModelPackage" in action and "Group" not in action]


def test_alarms_of_target_tracking_can_be_made_and_taken_away(committed: dict[str, Any]) -> None:
    """Application Auto Scaling makes them in the name of who makes the policy, under a name of its own."""
    (changing,) = (one for one in statements(committed) if "cloudwatch:PutMetricAlarm" in one["Action"])
    name = "alarm:TargetTracking-endpoint/cxr-dev/variant/AllTraffic-AlarmHigh-609224a3-ce77-4cf9-98c7-0d5211b1fec2"
    patterns = [one.rpartition("AWS::AccountId}:")[2].replace("${Environment}", "dev") for one in resources(changing)]
    assert any(fnmatchcase(name, pattern) for pattern in patterns)
    assert not any(fnmatchcase(name.replace("cxr-dev", "other"), pattern) for pattern in patterns)


@pytest.mark.parametrize("service", ["s3", "iam", "lambda", "sns", "sqs", "events", "cloudwatch"])
def test_changes_are_to_what_bears_this_environment_s_name(service: str, committed: dict[str, Any]) -> None:
    for statement in statements(committed):
        changes = [one for one in statement["Action"] if one.startswith(f"{service}:")]
        changes = [
            one for one in changes if one != "iam:CreateServiceLinkedRole"
        ]  # whose roles bear the service's name
        if changes and statement["Sid"] not in ("Reads", "Assets"):
            assert all("cxr-${Environment}" in one for one in resources(statement)), statement["Sid"]


def test_the_roles_that_deploy_are_not_among_those_a_deployment_changes(committed: dict[str, Any]) -> None:
    names = [
        role["RoleName"]["Fn::Sub"].replace("${Environment}", "dev")
        for role in of_type(committed, "AWS::IAM::Role").values()
    ]
    patterns = [
        one.rpartition(":role/")[2].replace("${Environment}", "dev")
        for statement in statements(committed)
        for one in resources(statement)
        if ":role/" in one
    ]
    assert names
    assert patterns
    assert not [(name, pattern) for name in names for pattern in patterns if fnmatchcase(name, pattern)]


def test_with_a_boundary_no_role_gets_around_it(committed: dict[str, Any]) -> None:
    """Otherwise the right to write policies could give a role everything, and have a function act as it."""
    for statement in statements(committed):
        if {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"} & set(statement["Action"]):
            bounded, condition, _ = statement["Condition"]["Fn::If"]
            assert bounded == "Bounded"
            assert list(condition["StringEquals"]) == ["iam:PermissionsBoundary"]


def test_roles_are_passed_to_the_services_that_act_as_them(committed: dict[str, Any]) -> None:
    (passing,) = (statement for statement in statements(committed) if "iam:PassRole" in statement["Action"])
    services = passing["Condition"]["StringEquals"]["iam:PassedToService"]
    assert {"lambda.amazonaws.com", "sagemaker.amazonaws.com"} <= set(services)
    assert not [service for service in services if "*" in service]


@pytest.mark.parametrize(
    ("role", "subject", "bootstrap"),
    [
        ("Deploy", "environment:${Environment}", {"deploy", "file-publishing", "lookup"}),
        ("Diff", "pull_request", {"lookup"}),
    ],
)
def test_a_workflow_may_act_for_one_environment_of_one_repository(
    role: str, subject: str, bootstrap: set[str], committed: dict[str, Any]
) -> None:
    properties = of_type(committed, "AWS::IAM::Role")[role]
    (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
    (policy,) = properties["Policies"]
    (assuming,) = policy["PolicyDocument"]["Statement"]

    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert subjects(trust) == [f"repo:owner/name:{subject}"]
    assert assuming["Action"] == ["sts:AssumeRole"]
    assert {one.split("cdk-hnb659fds-")[1].split("-role-")[0] for one in resources(assuming)} == bootstrap


def of_role(committed: dict[str, Any], role: str) -> dict[str, dict[str, Any]]:
    (policy,) = of_type(committed, "AWS::IAM::Role")[role]["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize(
    ("role", "environment", "writes"),
    [
        ("PromoteFrom", "PromotedTo", set()),
        ("PromoteTo", "Environment", {"sagemaker:CreateModelPackage", "s3:PutObject", "s3:AbortMultipartUpload"}),
    ],
)
def test_a_promotion_reads_on_one_side_and_registers_on_the_other(
    role: str, environment: str, writes: set[str], committed: dict[str, Any]
) -> None:
    (trust,) = of_type(committed, "AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
    held = of_role(committed, role)
    actions = {action for statement in held.values() for action in statement["Action"]}

    assert subjects(trust) == [f"repo:owner/name:environment:${{{environment}}}"]
    reading = ("Describe", "Get", "List", "Decrypt", "GenerateDataKey", "Verify", "BatchGetImage")
    assert ("ecr:BatchGetImage" in actions) is ("sagemaker:CreateModelPackage" in actions), "of what is registered"
    assert {one for one in actions if not one.partition(":")[2].startswith(reading)} == writes
    assert "sagemaker:UpdateModelPackage" not in actions, "who copies a model does not approve it"


def test_promoted_files_are_written_where_no_execution_writes(committed: dict[str, Any]) -> None:
    (place,) = resources(of_role(committed, "PromoteTo")["WriteFiles"])
    assert place.endswith("/executions/promoted-*")


@pytest.mark.parametrize("role", ["PromoteFrom", "PromoteTo"])
def test_promotion_uses_the_environment_s_key_through_s3_only(role: str, committed: dict[str, Any]) -> None:
    (held,) = (one for one in of_role(committed, role).values() if "kms:Decrypt" in one["Action"])
    condition = held["Condition"]["StringEquals"]
    assert condition["aws:ResourceTag/environment"] == {"Fn::Sub": "${Environment}"}
    assert condition["kms:ViaService"] == {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}


def subjects(trust: dict[str, Any], **given: str) -> list[str]:
    """The subjects that a trust policy accepts, with the template's parameters put in."""
    values = {"Repository": "owner/name", "OwnerId": "", "RepositoryId": "", **given}
    owner, name = values["Repository"].split("/")

    def put(value: Any) -> Any:
        match value:
            case {"Fn::If": ["WithIds", with_ids, without]}:
                return put(with_ids if values["OwnerId"] and values["RepositoryId"] else without)
            case {"Fn::Sub": [str(text), dict(local)]}:
                assert set(local) == {"Owner", "Name"}
                return substituted(text, {**values, "Owner": owner, "Name": name})
            case {"Fn::Sub": str(text)}:
                return substituted(text, values)
            case list():
                return [put(one) for one in value]
        raise AssertionError(value)

    found = put(trust["Condition"]["StringEquals"][f"{PROVIDER}:sub"])
    return found if isinstance(found, list) else [found]


def substituted(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)


@pytest.mark.parametrize(
    ("role", "ends"),
    [
        ("Deploy", "environment:${Environment}"),
        ("Diff", "pull_request"),
        ("PromoteFrom", "environment:${PromotedTo}"),
        ("PromoteTo", "environment:${Environment}"),
    ],
)
def test_repositories_are_trusted_by_names_and_by_names_with_ids(
    role: str, ends: str, committed: dict[str, Any]
) -> None:
    """GitHub names a repository with its ids if it was made or renamed since 2026-07-15, or has chosen that."""
    (trust,) = of_type(committed, "AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]

    assert subjects(trust) == [f"repo:owner/name:{ends}"]
    assert subjects(trust, OwnerId="17", RepositoryId="4711") == [
        f"repo:owner/name:{ends}",
        f"repo:owner@17/name@4711:{ends}",
    ]
    assert subjects(trust, OwnerId="17") == [f"repo:owner/name:{ends}"], "half an identity is none"
    # StringEquals: a wildcard in a subject would let other branches and repositories in.
    assert list(trust["Condition"]) == ["StringEquals"]
    assert trust["Condition"]["StringEquals"][f"{PROVIDER}:aud"] == "sts.amazonaws.com"


def test_a_service_nobody_bounded_is_refused() -> None:
    def of_another(_: str) -> Mapping[str, Any]:
        return {"create": {"permissions": ["braket:CreateJob"]}}

    template = {"Resources": {"Job": {"Type": "AWS::Braket::Job"}}}
    with pytest.raises(UnscopedServiceError, match=r"AWS::Braket::Job: its handlers call braket:CreateJob\. Say in"):
        page([template], of_another, lambda _: True)


def test_an_action_iam_does_not_know_is_left_out() -> None:
    assert exists("s3:CreateBucket")
    assert not exists("s3:DeleteBucketCors"), "an operation that IAM calls s3:PutBucketCORS"
