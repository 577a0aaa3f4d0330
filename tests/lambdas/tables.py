"""DynamoDB's tables as the API's stacks make them, in moto: conditions and reserved words are what they are in AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

PREDICTIONS, REQUESTS = "predictions", "requests"


@contextmanager
def tables() -> Iterator[Any]:
    """The client of a DynamoDB with both tables, empty."""
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        make_tables(client)
        yield client


def make_tables(client: Any) -> None:
    """Make both tables, empty."""
    for name in (PREDICTIONS, REQUESTS):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def items(client: Any, table: str) -> list[dict[str, Any]]:
    """Everything in a table, as plain values."""
    return [
        {name: next(iter(value.values())) for name, value in item.items()}
        for item in client.scan(TableName=table)["Items"]
    ]
