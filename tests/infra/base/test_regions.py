"""Regions differ: in who publishes images and layers, and in the types of resources that CloudFormation has there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.section import SettingsError
from tests.infra.conftest import of_type


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global add_stacks, App, images_account, is_available, layer_account, MANAGER, RegionInfo, REGIONS, regions, Template
    from aws_cdk import App
    from aws_cdk.assertions import Template
    from aws_cdk.region_info import RegionInfo
    from cfnlint.helpers import REGIONS
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as MANAGER

    from infra.application import add_stacks
    from infra.base import regions
    from infra.base.regions import images_account, is_available, layer_account


# aws/deep-learning-containers, docs/reference/region_availability.md, read 2026-11-28.
AVAILABLE = {
    "af-south-1": "626614931356",
    "ap-northeast-3": "364406365360",
    "ap-southeast-5": "550225433462",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "il-central-1": "780543022126",
    "mx-central-1": "637423239942",
    "eu-central-1": "763104351884",
    "ap-east-1": "871362719292",
    "cn-north-1": "727897471807",
}


@pytest.mark.parametrize(("region", "account"), AVAILABLE.items())
def test_images_come_from_the_account_of_the_region(region: str, account: str) -> None:
    assert images_account(region) == account


def test_what_the_cdk_knows_is_stated_once() -> None:
    """Fails when a new release of the CDK knows one of these: then it goes from here."""
    assert not [region for region in regions._IMAGES if RegionInfo.get(region).dlc_repository_account]


@pytest.mark.parametrize(
    ("region", "account"),
    [("us-east-1", "017000801446"), ("il-central-1", "017000801446"), ("cn-north-1", "498634801083")],
)
def test_the_layer_comes_from_the_account_of_the_partition(region: str, account: str) -> None:
    assert layer_account(region, "017000801446") == account


@pytest.mark.parametrize("region", ["cn-northwest-1", "eusc-de-east-1"])
def test_a_region_without_the_layer_is_refused(region: str) -> None:
    with pytest.raises(SettingsError, match=f"no layer with Powertools for AWS Lambda in {region}"):
        layer_account(region, "017000801446")


def served() -> list[str]:
    """The regions with images and a layer."""
    found = []
    for region in sorted({info.name for info in RegionInfo.regions} | set(regions._IMAGES)):
        try:
            images_account(region), layer_account(region, "017000801446")
        except SettingsError:
            continue
        found.append(region)
    assert len(found) > 30
    return found


def test_types_are_absent_where_cloudformation_s_registry_lacks_them() -> None:
    known = set(served()) & set(REGIONS)
    for kind in regions._ABSENT:
        there = {region for region in known if kind in MANAGER.get_resource_types(region)}
        assert {region for region in known if is_available(kind, region)} == there, kind


def test_what_no_region_is_said_to_lack_all_regions_have(
    templates: Callable[[str], dict[str, dict[str, Any]]], isolated: dict[str, Any], audited: dict[str, Any]
) -> None:
    """A type that a region lacks would stop its deployment at the first template that has one."""
    parts = [*templates("dev").values(), *templates("prod").values(), *isolated.values(), *audited.values()]
    kinds = {resource["Type"] for part in parts for resource in part["Resources"].values()}
    kinds = {kind for kind in kinds if kind.startswith("AWS::")}
    assert len(kinds) > 40
    for region in set(served()) & set(REGIONS):
        lacking = kinds - set(MANAGER.get_resource_types(region))
        assert not [kind for kind in lacking if is_available(kind, region)], region


def test_a_region_in_which_cloudformation_makes_no_endpoints_is_refused() -> None:
    regions.check_endpoints("me-south-1")
    with pytest.raises(SettingsError, match="makes no SageMaker endpoints in me-central-1"):
        regions.check_endpoints("me-central-1")


@pytest.mark.parametrize("region", ["il-central-1", "ap-southeast-7"])
def test_templates_name_these_accounts(
    region: str, context: dict[str, Any], synthesise: Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
) -> None:
    context["shared"]["region"] = region
    templates = synthesise({**context, "env": "dev"})

    training = json.dumps(templates["training"])
    assert f"{AVAILABLE[region]}.dkr.ecr.{region}." in training
    assert "763104351884" not in training
    layer = f":lambda:{region}:{layer_account(region, '017000801446')}:layer:AWSLambdaPowertoolsPythonV3"
    assert all(layer in json.dumps(templates[part]) for part in ("training", "release", "api"))


@pytest.mark.parametrize("retain", [False, True])
def test_where_cloudformation_has_no_groups_of_models_a_function_makes_one(
    retain: bool, context: dict[str, Any], synthesise: Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
) -> None:
    context["shared"]["region"] = "cn-north-1"
    on_instances = context["environments"]["prod"]["endpoint"]
    context["environments"]["dev"] |= {"retain": retain, "tracing": False, "endpoint": on_instances}
    template = synthesise({**context, "env": "dev"})["training"]

    assert not of_type(template, "AWS::SageMaker::ModelPackageGroup")
    (group,) = of_type(template, "Custom::ModelPackageGroup").values()
    assert group["Properties"]["ModelPackageGroupName"] == "cxr-dev"
    assert {"Key": "environment", "Value": "dev"} in group["Properties"]["Tags"]
    assert group["DeletionPolicy"] == ("RetainExceptOnCreate" if retain else "Delete")
    assert not of_type(template, "Custom::ModelPackages"), "the versions go with it"


@pytest.mark.parametrize(
    ("environment", "changes", "refused"),
    [
        ("prod", {}, "tracing is true, and functions have no X-Ray in cn-north-1"),
        ("dev", {"tracing": False}, "endpoint.kind is serverless, which SageMaker has not in cn-north-1"),
        ("prod", {"tracing": False}, None),
    ],
)
def test_what_services_have_not_in_china_is_refused(
    environment: str, changes: dict[str, Any], refused: str | None, context: dict[str, Any]
) -> None:
    """A deployment would fail at the first function, or at the first release."""
    context["shared"]["region"] = "cn-north-1"
    context["environments"][environment] |= changes
    if refused is None:
        assert Settings.load({**context, "env": environment}).region == "cn-north-1"
        return
    with pytest.raises(SettingsError, match=refused):
        Settings.load({**context, "env": environment})


def test_a_budget_that_cannot_be_made_is_said(context: dict[str, Any], tmp_path: Path) -> None:
    context["shared"]["region"] = "il-central-1"
    app = App(context=context, outdir=str(tmp_path))
    add_stacks(app, Settings.load({**context, "env": "prod"}))
    stack = app.node.find_child("cxr-prod-monitoring")
    template = Template.from_stack(stack)

    template.resource_count_is("AWS::Budgets::Budget", 0)
    (warning,) = [str(entry.data) for entry in stack.node.metadata if entry.type == "aws:cdk:warning"]
    assert "makes no budgets in il-central-1" in warning
    assert "1500 USD" in warning


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_the_console_is_that_of_the_partition(region: str, host: str) -> None:
    assert regions.console(region) == host
