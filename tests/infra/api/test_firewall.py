"""The firewall stands where settings say so, lets images through, and keeps no request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings.environment import Settings
from tests.infra.conftest import of_type


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global MANAGED, MAX_DOCUMENT_BYTES
    from infra.api.firewall import MANAGED, MAX_DOCUMENT_BYTES


Templates = Callable[[str], dict[str, dict[str, Any]]]


@pytest.mark.parametrize(("environment", "on"), [("dev", False), ("laptop", False), ("staging", True), ("prod", True)])
def test_a_firewall_stands_where_settings_say_so(environment: str, on: bool, templates: Templates) -> None:
    template = templates(environment)["api"]
    assert bool(of_type(template, "AWS::WAFv2::WebACL")) is on
    assert bool(of_type(template, "AWS::WAFv2::WebACLAssociation")) is on


def firewall_rules(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (acl,) = of_type(template, "AWS::WAFv2::WebACL").values()
    return {rule["Name"]: rule for rule in acl["Properties"]["Rules"]}


def test_the_firewall_counts_addresses_and_knows_attacks(templates: Templates, context: dict[str, Any]) -> None:
    rules = firewall_rules(templates("prod")["api"])
    limit = Settings.load({**context, "env": "prod"}).api.firewall.requests_per_five_minutes
    assert rules["TooManyRequests"]["Statement"]["RateBasedStatement"]["Limit"] == limit
    managed = [rule["Statement"]["ManagedRuleGroupStatement"]["Name"] for rule in rules.values()
               if "ManagedRuleGroupStatement" in rule["Statement"]]  # fmt: skip
    assert sorted(managed) == sorted(MANAGED)
    assert len({rule["Priority"] for rule in rules.values()}) == len(rules)


def test_the_firewall_lets_images_through_and_limits_documents(templates: Templates) -> None:
    rules = firewall_rules(templates("prod")["api"])
    statements = rules["LargeDocument"]["Statement"]["AndStatement"]["Statements"]
    elsewhere, large = statements
    images = elsewhere["NotStatement"]["Statement"]["ByteMatchStatement"]
    assert (images["SearchString"], images["PositionalConstraint"]) == ("/v1/predictions", "ENDS_WITH")
    assert large["SizeConstraintStatement"]["Size"] == MAX_DOCUMENT_BYTES
    # Rules that search bodies find attacks in noise.
    group = rules["AWSManagedRulesCommonRuleSet"]["Statement"]["ManagedRuleGroupStatement"]
    counted = {one["Name"] for one in group["RuleActionOverrides"] if "Count" in one["ActionToUse"]}
    assert {name for name in counted if name.endswith("_BODY")} >= {"SizeRestrictions_BODY", "CrossSiteScripting_BODY"}


def test_the_firewall_keeps_no_request(templates: Templates) -> None:
    """Samples show headers: keys and tokens."""
    template = templates("prod")["api"]
    assert not of_type(template, "AWS::WAFv2::LoggingConfiguration")
    visible = re.findall(r'"SampledRequestsEnabled": (\w+)', json.dumps(of_type(template, "AWS::WAFv2::WebACL")))
    assert set(visible) == {"false"}
