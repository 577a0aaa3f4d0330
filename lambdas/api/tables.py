"""DynamoDB's client, and what its items hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from lambdas.http.problems import Problem

# API Gateway's request ids are UUIDs, and theirs to change.
_ID = re.compile(r"[0-9A-Za-z_=-]{1,64}")


@cache
def dynamodb() -> Any:
    """The client, made once per execution environment; quick to give up, because a caller waits."""
    return boto3.client(
        "dynamodb",
        config=Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3}),
    )


def moment(seconds: str | float) -> datetime:
    """A time that an item holds as seconds since 1970."""
    return datetime.fromtimestamp(int(seconds), UTC)


def check_id(prediction_id: str) -> None:
    """Refuse what cannot be an id before DynamoDB is asked.

    Raises:
        Problem: prediction_not_found.
    """
    if not _ID.fullmatch(prediction_id):
        raise not_kept()


def not_kept() -> Problem:
    """There is no prediction of an id, or none any more."""
    return Problem("prediction_not_found", "No prediction with this id is kept: it never was, or its time is over.")
