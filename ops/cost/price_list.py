"""Prices from AWS's Price List API (GetProducts), by service code, usage type and region."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from ops.cost.prices import Price, PriceTable

# The API answers in few regions, for all of them.
API_REGION = "us-east-1"
SOURCE = "AWS Price List API"
# How usage types name a region
# (docs.aws.amazon.com/global-infrastructure/latest/regions/aws-region-billing-codes.html);
# some services write its full name, and many leave it out for us-east-1.
_CODES = {
    "us-east-1": "USE1",
    "us-east-2": "USE2",
    "us-west-1": "USW1",
    "us-west-2": "USW2",
    "ca-central-1": "CAN1",
    "eu-central-1": "EUC1",
    "eu-north-1": "EUN1",
    "eu-south-1": "EUS1",
    "eu-west-1": "EU",
    "eu-west-2": "EUW2",
    "eu-west-3": "EUW3",
    "ap-northeast-1": "APN1",
    "ap-northeast-2": "APN2",
    "ap-south-1": "APS3",
    "ap-southeast-1": "APS1",
    "ap-southeast-2": "APS2",
    "sa-east-1": "SAE1",
}
# Of products that differ by the operation only, the one that is meant.
_OPERATIONS = {"AmazonCloudWatch/DataProcessing-Bytes": "PutLogEvents"}
# A price that changes by more than this is one of another unit, and not taken.
_PLAUSIBLE_FACTOR = 5.0


@dataclasses.dataclass(frozen=True)
class Refreshed:
    """Prices from the API; `problems` has a sentence for each key that stays as it was."""

    prices: dict[str, Price]
    problems: list[str]


def refresh(pricing: Any, table: PriceTable, region: str, keys: Iterable[str]) -> Refreshed:
    """Ask for the prices of these keys.

    Args:
        pricing: a client of the Price List API.
        table: known units, and prices that new ones are compared with.
    """
    prices: dict[str, Price] = {}
    problems: list[str] = []
    today = datetime.now(UTC).date().isoformat()
    for key in sorted(keys):
        found = _first_tier(pricing, key, region)
        known = table.find(region, key)
        if len(found) != 1:
            problem = f"{len(found)} different prices" if found else "nothing of this usage type"
            problems.append(f"{key}: the API has {problem} in {region}.")
            continue
        [(usd, unit)] = found
        if known and not known.usd / _PLAUSIBLE_FACTOR <= usd <= known.usd * _PLAUSIBLE_FACTOR:
            problems.append(
                f"{key}: {usd:g} USD per {unit} instead of {known.usd:g} per {known.unit}; is it another unit?"
            )
            continue
        prices[key] = Price(usd=usd, unit=known.unit if known else unit, source=SOURCE, date=today)
    return Refreshed(prices=prices, problems=problems)


def _first_tier(pricing: Any, key: str, region: str) -> set[tuple[float, str]]:
    service, _, usage = key.partition("/")
    for name in _names(usage, region):
        filters = [{"Type": "TERM_MATCH", "Field": "usagetype", "Value": name}]
        filters.append({"Type": "TERM_MATCH", "Field": "regionCode", "Value": region})
        if operation := _OPERATIONS.get(key):
            filters.append({"Type": "TERM_MATCH", "Field": "operation", "Value": operation})
        pages = pricing.get_paginator("get_products").paginate(
            ServiceCode=service, Filters=filters, FormatVersion="aws_v1"
        )
        products = [json.loads(product) for page in pages for product in page["PriceList"]]
        if found := {price for product in products for price in _on_demand(product)}:
            return found
    return set()


def _names(usage: str, region: str) -> Iterator[str]:
    if code := _CODES.get(region):
        yield f"{code}-{usage}"
    yield f"{region}-{usage}"
    # Without a region it means us-east-1; the filter by region keeps that of another from being taken for it.
    yield usage


def _on_demand(product: Any) -> Iterator[tuple[float, str]]:
    """The price of the first tier that is not free, with its unit, of each on-demand term."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        tiers = sorted(term["priceDimensions"].values(), key=lambda tier: float(tier.get("beginRange", 0)))
        for tier in tiers:
            usd = float(tier["pricePerUnit"].get("USD", 0))
            if usd > 0:
                yield usd, tier["unit"]
                break
