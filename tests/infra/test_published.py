"""Images and layers are pulled from the account that publishes them in the region, in every region that has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.region_info import RegionInfo

from infra import published
from infra.published import images_account, layer_account
from infra.settings import SettingsError

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
    assert not [region for region in published._IMAGES if RegionInfo.get(region).dlc_repository_account]


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
    assert all(layer in json.dumps(templates[part]) for part in ("training", "endpoint", "api"))
