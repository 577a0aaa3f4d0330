"""Settings that every stack of an environment obeys: account, tags, a boundary for its roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import environment_context, of_type, synthesise_app

Synthesise = Callable[[dict[str, Any]], dict[str, Any]]


def stacks(context: dict[str, Any], output: Path) -> dict[str, dict[str, Any]]:
    """The stacks of the manifest by name."""
    synthesise_app(context, output)
    artifacts = json.loads((output / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    return {name: item for name, item in artifacts.items() if item["type"] == "aws:cloudformation:stack"}


def test_every_stack_is_tagged_with_its_environment_and_what_settings_say(tmp_path: Path) -> None:
    context = environment_context("prod")
    context["shared"] = {**context["shared"], "tags": {"project": "chest-xray-stack", "cost-centre": "4711"}}

    for name, stack in stacks(context, tmp_path).items():
        assert stack["properties"]["tags"] == {
            "project": "chest-xray-stack",
            "cost-centre": "4711",
            "environment": "prod",
        }, name


def test_an_account_in_the_settings_is_the_only_one_deployed_to(tmp_path: Path) -> None:
    context = environment_context("staging")
    context["environments"] = {
        **context["environments"],
        "staging": {**context["environments"]["staging"], "account": "123456789012"},
    }

    assert {stack["environment"] for stack in stacks(context, tmp_path).values()} == {"aws://123456789012/us-east-1"}


def test_without_an_account_it_is_that_of_the_credentials(tmp_path: Path) -> None:
    assert {stack["environment"] for stack in stacks(environment_context("dev"), tmp_path).values()} == {
        "aws://unknown-account/us-east-1"
    }


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_boundary_bounds_every_role(environment: str, synthesise: Synthesise) -> None:
    """One role without it is one that a delegated administrator may not create, and a way around it if he may."""
    context = environment_context(environment)
    own = {**context["environments"][environment], "permissions_boundary": "team/boundary"}
    context["environments"] = {**context["environments"], environment: own}

    roles = [
        (name, role)
        for template in synthesise(context).values()
        for name, role in of_type(template, "AWS::IAM::Role").items()
    ]

    assert len(roles) >= 8
    for name, role in roles:
        assert "team/boundary" in json.dumps(role["Properties"].get("PermissionsBoundary")), name


def test_without_the_setting_no_role_is_bounded(synthesise: Synthesise) -> None:
    assert "PermissionsBoundary" not in json.dumps(synthesise(environment_context("prod")))
