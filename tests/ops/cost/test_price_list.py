"""Prices come from the Price List API as it answers, and nothing doubtful replaces what is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY
from typer.testing import Result

from ops.base.assembly import Assembly
from ops.cost import price_list
from ops.cost.prices import Price, PriceTable
from tests.ops.conftest import Cloud

KEY = "AmazonSageMaker/Host:ml.c6i.xlarge"
KNOWN = Price(0.2, "instance-hour", "a page", "2026-01-01")


def _product(*tiers: tuple[str, float], unit: str = "Hrs") -> str:
    dimensions = {
        f"d{number}": {"beginRange": begin, "unit": unit, "pricePerUnit": {"USD": f"{usd:.10f}"}}
        for number, (begin, usd) in enumerate(tiers)
    }
    return json.dumps({"product": {}, "terms": {"OnDemand": {"t": {"priceDimensions": dimensions}}}})


def _asked(
    cloud: Cloud, name: str, *products: str, service: str = "AmazonSageMaker", region: str = "us-east-1"
) -> None:
    filters = [
        {"Type": "TERM_MATCH", "Field": "usagetype", "Value": name},
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
    ]
    expected: Any = {"ServiceCode": service, "Filters": filters, "FormatVersion": "aws_v1"}
    cloud.answers("pricing", "get_products", {"FormatVersion": "aws_v1", "PriceList": list(products)}, expected)


def _refresh(cloud: Cloud, *keys: str, known: Price | None = KNOWN) -> price_list.Refreshed:
    table = PriceTable({"us-east-1": dict.fromkeys(keys, known) if known else {}})
    return price_list.refresh(cloud.client("pricing"), table, "us-east-1", keys)


def test_a_price_is_asked_for_by_its_usage_type_in_its_region(cloud: Cloud) -> None:
    _asked(cloud, "USE1-Host:ml.c6i.xlarge", _product(("0", 0.204)))
    found = _refresh(cloud, KEY)
    assert found.problems == []
    assert (found.prices[KEY].usd, found.prices[KEY].unit) == (0.204, "instance-hour")
    assert found.prices[KEY].source == "AWS Price List API"
    assert found.prices[KEY].date > "2026-01-01"


def test_usage_types_name_the_region_by_code_in_full_or_not_at_all(cloud: Cloud) -> None:
    for name in ("USE1-Request-ARM", "us-east-1-Request-ARM"):
        _asked(cloud, name, service="AWSLambda")
    _asked(cloud, "Request-ARM", _product(("0", 2e-7), unit="Requests"), service="AWSLambda")
    for name in ("USE1-KMS-Keys", "us-east-1-KMS-Keys"):
        _asked(cloud, name, *([] if name.startswith("USE1") else [_product(("0", 1.0), unit="Keys")]), service="awskms")
    found = _refresh(cloud, "awskms/KMS-Keys", "AWSLambda/Request-ARM", known=None)
    cloud.all_asked()
    prices = {key: (price.usd, price.unit) for key, price in found.prices.items()}
    assert prices == {"awskms/KMS-Keys": (1.0, "Keys"), "AWSLambda/Request-ARM": (2e-7, "Requests")}


def test_the_first_tier_that_is_not_free_counts(cloud: Cloud) -> None:
    """An estimate without allowances errs on the safe side."""
    _asked(cloud, "USE1-Host:ml.c6i.xlarge", _product(("1000", 0.1), ("0", 0.0), ("25", 0.25)))
    assert _refresh(cloud, KEY).prices[KEY].usd == 0.25


def test_two_prices_for_one_thing_are_none(cloud: Cloud) -> None:
    _asked(cloud, "USE1-Host:ml.c6i.xlarge", _product(("0", 0.2)), _product(("0", 0.3)))
    found = _refresh(cloud, KEY)
    assert found.prices == {}
    assert found.problems == [f"{KEY}: the API has 2 different prices in us-east-1."]


def test_what_the_api_does_not_have_is_named(cloud: Cloud) -> None:
    for name in ("USE1-Host:ml.c6i.xlarge", "us-east-1-Host:ml.c6i.xlarge", "Host:ml.c6i.xlarge"):
        _asked(cloud, name)
    assert _refresh(cloud, KEY).problems == [f"{KEY}: the API has nothing of this usage type in us-east-1."]


def test_a_price_of_another_unit_is_not_taken(cloud: Cloud) -> None:
    """A price per million requests, taken for one request, would make every sum absurd."""
    _asked(cloud, "USE1-Host:ml.c6i.xlarge", _product(("0", 200_000.0)))
    found = _refresh(cloud, KEY)
    assert found.prices == {}
    assert "is it another unit?" in found.problems[0]


def test_an_operation_tells_ingested_logs_from_other_bytes(cloud: Cloud) -> None:
    filters = [
        {"Type": "TERM_MATCH", "Field": "usagetype", "Value": "USE1-DataProcessing-Bytes"},
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
        {"Type": "TERM_MATCH", "Field": "operation", "Value": "PutLogEvents"},
    ]
    answer = {"FormatVersion": "aws_v1", "PriceList": [_product(("0", 0.5), unit="GB")]}
    expected = {"ServiceCode": "AmazonCloudWatch", "Filters": filters, "FormatVersion": "aws_v1"}
    cloud.answers("pricing", "get_products", answer, expected)
    assert _refresh(cloud, "AmazonCloudWatch/DataProcessing-Bytes", known=None).problems == []


def test_cost_with_refresh_writes_the_table_and_reckons_with_it(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prices.json"
    PriceTable({"us-east-1": {"awskms/KMS-Keys": Price(1.0, "key-month", "a page", "2026-01-01")}}).save(path)
    monkeypatch.setattr("ops.commands.cost.TABLE", path)
    monkeypatch.setattr("ops.commands.cost.run", lambda *_arguments, **_named: [])
    template = {"Resources": {"Key": {"Type": "AWS::KMS::Key", "Properties": {}}}}
    (tmp_path / "cxr-dev-data.template.json").write_text(json.dumps(template), encoding="utf-8")
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-east-1",
        "properties": {"templateFile": "cxr-dev-data.template.json"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"cxr-dev-data": stack}}), encoding="utf-8")
    assert Assembly.read(tmp_path, "dev").region == "us-east-1"

    cloud.answers("pricing", "get_products", {"PriceList": [_product(("0", 1.5), unit="Keys")]}, {
        "ServiceCode": "awskms", "Filters": ANY, "FormatVersion": "aws_v1",
    })  # fmt: skip
    result = cxr("cost", "--refresh", "--assembly", str(tmp_path), "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["standing"]["usd"] == 1.5
    assert PriceTable.load(path).find("us-east-1", "awskms/KMS-Keys") == Price(
        1.5,
        "key-month",
        "AWS Price List API",
        json.loads(path.read_text())["regions"]["us-east-1"]["awskms/KMS-Keys"]["date"],
    )
    assert "1 of 1 prices of us-east-1 are now the API's" in result.stderr
