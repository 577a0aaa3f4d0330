"""The longest that settings take fits what services take: names, variables and policies of a deployment."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.environment_name import LONGEST_ENVIRONMENT
from infra.settings.section import SettingsError
from policy.template import text
from tests.infra.conftest import of_type
from tests.infra.switches import ENVIRONMENT, SWITCHES, context


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global synthesised
    from policy.synthesis import synthesised


Templates = dict[str, dict[str, Any]]
NAME = "e" * LONGEST_ENVIRONMENT
KEY = f"arn:aws:kms:ap-southeast-1:123456789012:key/{'0' * 36}"
SOURCES = [{"uri": f"s3://{'b' * 61}{n:02}/{'p' * 60}/", "key_arn": f"{KEY[:-2]}{n:02}"} for n in range(20)]
LONGEST = {
    "region": "ap-southeast-1",
    "permissions_boundary": "b" * 128,
    "tags": {f"{number:03}{'t' * 125}": "v" * 256 for number in range(45)},
    "archive": {"sources": SOURCES},
    "api": {
        "allowed_origins": [f"https://{number:02}.{'o' * 60}.example" for number in range(18)],
        "page_origins": [f"https://{number:02}.{'o' * 200}.example" for number in range(20)],
        "authentication": {
            "issuer": f"https://{'i' * 504}",
            "audience": "a" * 256,
            "scope_prefix": "s" * 64,
            "sign_in": {
                "client_id": "c" * 256,
                "authorization_endpoint": f"https://{'a' * 502}/a",
                "token_endpoint": f"https://{'t' * 502}/t",
            },
        },
    },
    "monitoring": {"runbook_url": f"https://{'r' * 248}", "every_hours": 72},
}


@pytest.fixture(scope="module")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The templates of an environment with everything, whose name, region and texts are as long as they may be."""
    made = context(*SWITCHES["most"], LONGEST)
    made |= {"env": NAME, "environments": {NAME: made["environments"][ENVIRONMENT]}}
    return synthesised(made, tmp_path_factory.mktemp("longest"))


def resolved(value: Any) -> str:
    """A value with its references about as long as names and ARNs are once there are any."""
    return re.sub(r"<[^<>]*>", "x" * 110, text(everything(value, _selected)).replace("<account>", "1" * 12))


def _selected(value: Any) -> Any:
    """A part of a name, which is no longer than the name."""
    return "<part>" if "Fn::Select" in value else value


def everything(value: Any, resolve: Callable[[Any], str]) -> Any:
    """A document with its intrinsic functions resolved."""
    if isinstance(value, list):
        return [everything(one, resolve) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
        inner = {key: everything(one, resolve) if resolve is _selected else one for key, one in value.items()}
        return resolve(inner)
    return {key: everything(one, resolve) for key, one in value.items()}


def test_variables_of_functions_are_within_four_kilobytes(longest: Templates) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (read 2026-11)."""
    sizes = {
        f"{part}: {name}": sum(len(key) + len(resolved(value)) for key, value in variables.items())
        for part, template in longest.items()
        for name, function in of_type(template, "AWS::Lambda::Function").items()
        if (variables := function["Properties"].get("Environment", {}).get("Variables"))
    }
    assert len(sizes) >= 12
    assert {name: size for name, size in sizes.items() if size > 4096} == {}


def test_inline_policies_of_a_role_are_within_its_quota(longest: Templates) -> None:
    """10,240 characters without white space, for all of a role's together; beyond that the CDK makes managed policies,
    which CloudFormation's role may not make (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
    read 2026-11)."""
    sizes: Counter[str] = Counter()
    for part, template in longest.items():
        assert not of_type(template, "AWS::IAM::ManagedPolicy"), part
        for policy in of_type(template, "AWS::IAM::Policy").values():
            document = json.dumps(everything(policy["Properties"]["PolicyDocument"], resolved))
            for role in policy["Properties"]["Roles"]:
                sizes[f"{part}: {role.get('Ref', role)}"] += len(re.sub(r"\s", "", document))
    assert len(sizes) >= 15
    assert {name: size for name, size in sizes.items() if size > 10_240} == {}


@pytest.mark.parametrize(
    ("kind", "name", "pattern"),
    [
        # Of botocore 1.43's service models (read 2026-11-29).
        ("AWS::IAM::Role", "Description", r"[\t\n\r -~\u00a1-\u00ff]{0,1000}"),
        ("AWS::Events::Rule", "Description", r".{1,512}"),
        ("AWS::Scheduler::Schedule", "Description", r".{1,512}"),
        ("AWS::CloudWatch::Alarm", "AlarmDescription", r"(?s).{1,1024}"),
        ("AWS::CloudWatch::Alarm", "AlarmName", r".{1,255}"),
        ("AWS::SageMaker::Pipeline", "PipelineName", r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}"),
        ("AWS::SageMaker::Endpoint", "EndpointName", r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupName", r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        ("AWS::Scheduler::Schedule", "Name", r"[0-9a-zA-Z-_.]{1,64}"),
        ("AWS::SNS::Topic", "TopicName", r"[a-zA-Z0-9_-]{1,256}"),
        ("AWS::CloudTrail::Trail", "TrailName", r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,126}[a-zA-Z0-9]"),
    ],
)
def test_names_and_descriptions_are_of_the_service_s_characters(
    kind: str, name: str, pattern: str, longest: Templates
) -> None:
    found = [
        resolved(value)
        for template in longest.values()
        for resource in of_type(template, kind).values()
        if (value := resource["Properties"].get(name)) is not None
    ]
    assert found
    assert [value for value in found if not re.fullmatch(pattern, value)] == []


def test_event_patterns_are_within_4096_characters(longest: Templates) -> None:
    """EventPattern in botocore 1.43's service model."""
    for template in longest.values():
        for rule in of_type(template, "AWS::Events::Rule").values():
            assert len(json.dumps(everything(rule["Properties"].get("EventPattern"), resolved))) <= 4096


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"archive": {"sources": [*SOURCES, {"uri": "s3://one-more/"}]}}, "archive.sources"),
        (
            {"api": {"allowed_origins": [f"https://{n:02}.{'o' * 60}.example" for n in range(20)]}},
            "allowed_origins have",
        ),
        ({"api": {"page_origins": [f"https://{n}.example" for n in range(21)]}}, "api.page_origins"),
    ],
)
def test_what_would_not_fit_is_refused_by_the_settings(more: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Settings.load(context(more))
