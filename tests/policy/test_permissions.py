"""The table of permissions is the templates', complete, and explains every wildcard."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy.permissions import Right, UnexplainedWildcardError, page, rights
from policy.template import short, text
from policy.wildcards import ACTIONS, MANAGED, RESOURCES, UNNAMEABLE, reason_for_finding, reason_for_resource

pytestmark = pytest.mark.synth

REPOSITORY = Path(__file__).resolve().parents[2]
Environments = Callable[[], dict[str, dict[str, dict[str, Any]]]]


def role(*statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Resources": {
            "ReaderRole1A2B3C4D": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyDocument": {"Statement": list(statements)}}]},
            }
        }
    }


def allow(action: str, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def test_the_page_is_what_the_templates_say(environments: Environments) -> None:
    committed = (REPOSITORY / "docs" / "permissions.md").read_text(encoding="utf-8")

    assert committed == page(environments()), "run `make policy` and review the difference"


def test_a_right_is_read_with_its_condition() -> None:
    condition = {"StringLike": {"s3:prefix": ["datasets/*"]}}
    template = role(allow("s3:ListBucket", {"Fn::GetAtt": ["Data2D4B752F", "Arn"]}, Condition=condition))

    assert list(rights("data", template)) == [
        Right(
            "data", "ReaderRole", "Allow", ("s3:ListBucket",), ("<Data.Arn>",), "StringLike s3:prefix: datasets/*", ""
        )
    ]


@pytest.mark.parametrize(
    ("action", "resource"),
    [("s3:GetObject", "*"), ("s3:GetObject", "arn:aws:s3:::anything/*"), ("s3:Put*", "arn:aws:s3:::bucket/key")],
)
def test_a_wildcard_nobody_explained_is_refused(action: str, resource: str) -> None:
    with pytest.raises(UnexplainedWildcardError, match="ReaderRole: nobody said why"):
        list(rights("data", role(allow(action, resource))))


def test_one_unnameable_action_does_not_excuse_another() -> None:
    assert reason_for_resource("*", ["xray:PutTraceSegments"])
    assert reason_for_resource("*", ["xray:PutTraceSegments", "s3:GetObject"]) is None


def test_a_managed_policy_nobody_explained_is_refused() -> None:
    template = role()
    template["Resources"]["ReaderRole1A2B3C4D"]["Properties"]["ManagedPolicyArns"] = [
        {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}
    ]
    with pytest.raises(UnexplainedWildcardError, match="AdministratorAccess"):
        list(rights("data", template))


def test_anybody_is_allowed_nothing_without_a_condition(environments: Environments) -> None:
    template = copy.deepcopy(environments()["dev"]["data"])
    for policy in template["Resources"].values():
        if policy["Type"] == "AWS::S3::BucketPolicy":
            policy["Properties"]["PolicyDocument"]["Statement"][0] |= {"Effect": "Allow", "Action": "s3:GetObject"}
            del policy["Properties"]["PolicyDocument"]["Statement"][0]["Condition"]
    with pytest.raises(UnexplainedWildcardError, match="anybody may s3:GetObject"):
        list(rights("data", template))


def test_no_reason_is_left_for_a_wildcard_that_is_gone(environments: Environments, tuned: dict[str, Any]) -> None:
    """A pattern nothing matches today would excuse something else tomorrow."""
    templates = [template for parts in environments().values() for template in parts.values()] + [tuned]
    found = [right for template in templates for right in rights("", template)]
    allowed = [right for right in found if right.effect == "Allow"]
    resources = {resource for right in allowed for resource in right.resources}
    actions = {action for right in allowed for action in right.actions}

    for pattern in RESOURCES:
        assert any(re.fullmatch(pattern, resource) for resource in resources), pattern
    for pattern in ACTIONS:
        assert any(re.fullmatch(pattern, action) for action in actions), pattern
    assert set(UNNAMEABLE) <= {action for right in allowed if "*" in right.resources for action in right.actions}
    assert {f"managed policy {name}" for name in MANAGED} <= actions


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        ("plain", "plain"),
        ({"Ref": "Key961B73FD"}, "<Key>"),
        ({"Ref": "AWS::AccountId"}, "<account>"),
        ({"Fn::GetAtt": ["Data2D4B752F", "Arn"]}, "<Data.Arn>"),
        ({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::x"]]}, "arn:aws:s3:::x"),
        ({"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/x"}, "arn:aws:iam::aws:policy/x"),
        ({"Fn::ImportValue": "cxr-dev-data:ExportsOutputFnGetAttData2D4B752FArn5F561B57"}, "<data:Data.Arn>"),
        ({"Fn::ImportValue": "cxr-dev-data:ExportsOutputRefData2D4B752FA1B2C3D4"}, "<data:Data>"),
        (f"assets/{64 * 'a'}.zip", "assets/<hash>.zip"),
    ],
)
def test_a_value_reads_like_what_it_means(value: Any, reads: str) -> None:
    assert text(value) == reads


def test_a_function_that_policies_do_not_use_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="Fn::If"):
        text({"Fn::If": ["Condition", "a", "b"]})


def test_a_logical_id_reads_without_its_hash() -> None:
    assert short("Data2D4B752F") == "Data"


def test_findings_of_other_rules_are_not_excused_here() -> None:
    assert reason_for_finding("AwsSolutions-S1") is None
    assert reason_for_finding("AwsSolutions-IAM5[Action::s3:*]") is None
    assert reason_for_finding("AwsSolutions-IAM5[Action::kms:ReEncrypt*]")
