"""Whatever CloudFormation's handlers call for a template is allowed to it, but for what has a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from policy.contexts import with_tokens_and_mail
from policy.rights import LEFT_OUT, MORE, NeededRightError, called, has, left_out, needed


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global exists, handlers, synthesised
    from policy.schemas import exists, handlers
    from policy.synthesis import synthesised


REPOSITORY = Path(__file__).resolve().parents[2]
# Not what handlers call: the CDK's own assets, and custom resources.
APART = {"Assets", "CustomResources"}

Environments = Callable[[], dict[str, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def resources(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    further = synthesised(with_tokens_and_mail(context), tmp_path_factory.mktemp("chosen"))
    templates = [template for parts in (*environments().values(), further) for template in parts.values()]
    return [resource for template in templates for resource in template["Resources"].values()]


@pytest.fixture(scope="module")
def given() -> set[str]:
    """The actions of the policies that CloudFormation acts with."""
    document = json.loads((REPOSITORY / "docs" / "deployment-roles.json").read_text(encoding="utf-8"))
    return {
        action
        for resource in document["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        if statement["Sid"] not in APART
        for action in statement["Action"]
    }


def test_handlers_may_call_what_they_call(resources: list[dict[str, Any]], given: set[str]) -> None:
    """By the schemas themselves, not by the generator: what it would forget is found here."""
    missing = {}
    for kind in sorted({resource["Type"] for resource in resources if resource["Type"].startswith("AWS::")}):
        schema = {
            action
            for operation in ("create", "read", "update", "delete")
            for action in handlers(kind).get(operation, {}).get("permissions", [])
        }
        for action in sorted(schema):
            service, _, name = action.partition(":")
            spelt = f"{service.lower()}:{name}"
            allowed = any(fnmatchcase(spelt, pattern) for pattern in given)
            if exists(spelt) and not allowed and left_out(kind, spelt) is None:
                missing.setdefault(kind, []).append(spelt)
    assert missing == {}


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        *(("AWS::DynamoDB::Table", f"kms:{name}") for name in ("CreateGrant", "Decrypt", "Encrypt", "DescribeKey")),
        ("AWS::ApplicationAutoScaling::ScalingPolicy", "sagemaker:UpdateEndpointWeightsAndCapacities"),
        ("AWS::ApplicationAutoScaling::ScalableTarget", "sagemaker:DescribeEndpoint"),
        ("AWS::EC2::VPCEndpoint", "route53:AssociateVPCWithHostedZone"),
        ("AWS::SageMaker::Endpoint", "kms:CreateGrant"),
        ("AWS::S3::Bucket", "s3:ListBucket"),
        ("AWS::S3::Bucket", "s3:PutBucketCORS"),
        ("AWS::SNS::Subscription", "sns:SetSubscriptionAttributes"),
    ],
)
def test_what_a_first_deployment_was_refused_is_allowed(
    kind: str, action: str, resources: list[dict[str, Any]], given: set[str]
) -> None:
    assert kind in {resource["Type"] for resource in resources}
    assert action in called(kind, handlers, exists)
    assert any(fnmatchcase(action, pattern) for pattern in given)


@pytest.mark.parametrize("one", LEFT_OUT, ids=lambda one: f"{one.kind}: {one.actions[0]}")
def test_every_exception_has_a_reason_and_is_one(one: Any, resources: list[dict[str, Any]]) -> None:
    assert len(one.reason.split()) >= 3
    assert one.kind in {resource["Type"] for resource in resources}, "no template has this type any more"
    for pattern in one.actions:
        assert any(fnmatchcase(action, pattern) for action in called(one.kind, handlers, exists)), (
            f"no handler calls {pattern}: the exception is for nothing"
        )
    for name in one.unless:
        assert not [resource for resource in resources if resource["Type"] == one.kind and has(resource, name)], name


def test_types_with_further_rights_are_in_the_templates(resources: list[dict[str, Any]]) -> None:
    assert set(MORE) <= {resource["Type"] for resource in resources}


@pytest.mark.parametrize(
    ("kind", "properties", "named"),
    [
        ("AWS::DynamoDB::Table", {"KinesisStreamSpecification": {"StreamArn": "x"}}, "KinesisStreamSpecification"),
        ("AWS::Lambda::Function", {"Code": {"S3ObjectVersion": "3"}}, r"Code\.S3ObjectVersion"),
        ("AWS::CloudTrail::Trail", {"IsOrganizationTrail": True}, "IsOrganizationTrail=true"),
    ],
)
def test_a_property_that_needs_what_is_left_out_stops_the_generation(
    kind: str, properties: Mapping[str, Any], named: str
) -> None:
    with pytest.raises(NeededRightError, match=rf"{kind}: with {named} its handlers call"):
        needed([{"Type": kind, "Properties": properties}], handlers, exists)


def test_a_property_of_another_value_does_not() -> None:
    trail = {"Type": "AWS::CloudTrail::Trail", "Properties": {"IsOrganizationTrail": False}}
    rights = needed([trail], handlers, exists)["AWS::CloudTrail::Trail"]
    assert "cloudtrail:CreateTrail" in rights
    assert not [action for action in rights if action.startswith("organizations:")]
