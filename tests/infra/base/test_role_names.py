"""Roles that policies know by the start of their names keep it, however CloudFormation shortens what it generates."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.infra.conftest import environment_context, of_type

Synthesise = Callable[[dict[str, Any]], dict[str, Any]]

LONGEST = "e" * 12
"""An environment's name as long as settings take it."""
ROLE_CHARACTERS = 64


def generated(stack: str, logical_id: str, most: int = ROLE_CHARACTERS) -> str:
    """A name as CloudFormation generates it, with `*` for its random end of twelve characters.

    AWS documents that names are shortened and not how; this rule reproduces what it made
    (github.com/KensioSoftware/yulin/issues/1113, read 2026-11-29).
    """
    room = most - len("-") - len("-") - 12
    if len(stack) + len(logical_id) > room:
        half = room - room // 2
        kept = max(half, room - len(logical_id))
        stack, logical_id = stack[:kept], logical_id[: room - min(kept, len(stack))]
    return f"{stack}-{logical_id}-*"


@pytest.mark.parametrize(
    ("logical_id", "most", "name"),
    [
        ("RainlyticsSummariesJobFunctionRole8DF4", 64, "ChineseboostAnalyticsStac-RainlyticsSummariesJobFun-*"),
        ("RainlyticsLogsBucket8DF4ABCD0", 63, "ChineseboostAnalyticsStac-RainlyticsLogsBucket8DF4-*"),
        ("RainlyticsSummariesJobLogs1C6CB09C", 512, "ChineseboostAnalyticsStack-RainlyticsSummariesJobLogs1C6CB09C-*"),
    ],
)
def test_the_rule_is_that_of_names_seen_in_an_account(logical_id: str, most: int, name: str) -> None:
    assert generated("ChineseboostAnalyticsStack", logical_id, most) == name


def test_every_role_that_a_policy_names_is_known_by_it_in_the_environment_of_the_longest_name(
    synthesise: Synthesise,
) -> None:
    """Otherwise a bucket's policy would deny the role what it is there for, and the first deployment would fail."""
    context = environment_context("prod")
    context |= {"env": LONGEST, "environments": {LONGEST: {**context["environments"]["prod"]}}}
    templates = synthesise(context)
    roles = {
        generated(f"cxr-{LONGEST}-{part}", logical_id): logical_id
        for part, template in templates.items()
        for logical_id in of_type(template, "AWS::IAM::Role")
    }
    assert all(len(name) + 11 <= ROLE_CHARACTERS for name in roles)
    statements = [
        statement
        for kind, document in (("AWS::S3::BucketPolicy", "PolicyDocument"), ("AWS::KMS::Key", "KeyPolicy"))
        for resource in of_type(templates["data"], kind).values()
        for statement in resource["Properties"][document]["Statement"]
        if "aws:PrincipalArn" in json.dumps(statement.get("Condition", {}))
    ]
    assert len(statements) >= 7
    for statement in statements:
        ((_, named),) = (pair for one in statement["Condition"].values() for pair in one.items())
        first = named[0] if isinstance(named, list) else named
        pattern = first["Fn::Join"][1][-1].removeprefix(":role/")
        fitting = {logical_id for name, logical_id in roles.items() if fnmatchcase(name.rstrip("*"), pattern)}
        if pattern == f"cxr-{LONGEST}-*":
            assert fitting == set(roles.values()), "every role of the stacks may use the key"
        else:
            wanted = pattern.rpartition("-")[2].rstrip("*")
            assert [one for one in fitting if one.startswith(wanted)], pattern
