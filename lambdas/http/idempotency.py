"""Idempotency keys: a repeated POST gets the first one's answer, and is done once.

The record of a request lives in a DynamoDB table under the operation, the caller and the key. It is claimed before the
work, holds the answer afterwards, and goes when the work fails, so that only what succeeded is repeated from memory.
Powertools' own utility does the same for functions that can afford to import it; one implementation serves all here.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lambdas.aws.errors import earlier_item, error_code
from lambdas.http.answers import has_header, header
from lambdas.http.problems import Problem

DAY_SECONDS = 86_400
CLAIM_SECONDS = 30
"""A function that dies leaves its claim behind. API Gateway has given up on it after 29 s."""
MAX_ANSWER_BYTES = 350_000
"""An item of DynamoDB has at most 400 KB. A longer answer, which only a large overlay makes, is not remembered."""
# Printable ASCII (draft-ietf-httpapi-idempotency-key-header), of a length that fits into a header comfortably.
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Table(Protocol):
    """The part of DynamoDB's client that is used."""

    def put_item(self, **request: Any) -> Any:
        """PutItem."""

    def delete_item(self, **request: Any) -> Any:
        """DeleteItem."""


@dataclass(frozen=True)
class Claim:
    """Claim on an idempotency key: the record's id, the request's fingerprint, and the claimant."""

    record_id: str
    fingerprint: str
    token: str


# The claim of a request that is to be done, or the answer that was given before.
Begun = tuple[Claim | None, dict[str, Any] | None]


@dataclass(frozen=True)
class Requests:
    """The records of one operation.

    Args:
        dynamodb: client that answers or fails within two seconds.
        table: name of the table, whose key is `id` and whose items expire at `expires_at`.
        operation: begins the ids of its records; the function's role is confined to them.
        keep_seconds: seconds for which an answer is remembered.
    """

    dynamodb: Table
    table: str
    operation: str
    keep_seconds: int = DAY_SECONDS
    clock: Callable[[], float] = time.time

    def claim(self, event: Mapping[str, Any], asked: Callable[[], str]) -> Begun:
        """Begin a request: its claim, or the answer that was given before; neither where it has no key.

        Args:
            event: the proxy event, whose Idempotency-Key and caller name the record.
            asked: the fingerprint of what is asked for, which takes milliseconds of a large image.

        Raises:
            Problem: invalid_request for a key of the wrong form, request_in_progress, or idempotency_key_reused.
        """
        if not has_header(event, "idempotency-key"):
            return None, None
        key = header(event, "idempotency-key")
        if not _KEY.fullmatch(key):
            raise Problem("invalid_request", "Idempotency-Key has to be 1 to 255 printable ASCII characters.")
        record_id = f"{self.operation}#{hashlib.sha256(f'{caller(event)}|{key}'.encode()).hexdigest()}"
        # The gateway's id of the request would not do: "Clients can override this request ID" (API Gateway's developer
        # guide, `$context.requestId`, read 2026-11-30), so that two requests may have the same.
        claim = Claim(record_id, asked(), uuid.uuid4().hex)
        now = int(self.clock())
        try:
            self.dynamodb.put_item(
                TableName=self.table,
                Item={**self._item(claim), "expires_at": {"N": str(now + CLAIM_SECONDS)}},
                # What has expired may not have been removed yet.
                ConditionExpression="attribute_not_exists(id) OR expires_at <= :now",
                ExpressionAttributeValues={":now": {"N": str(now)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Exception as error:
            record = earlier_item(error)
            if record is None:
                raise
            if record["claimed_by"]["S"] == claim.token and "answer" not in record:
                # The SDK asked again because the answer to the first time got lost: the record is this request's own.
                return claim, None
            return None, _answer(record, claim)
        return claim, None

    def finish(self, claim: Claim | None, answer: Mapping[str, Any]) -> None:
        """Remember the answer of a claimed request."""
        if claim is None:
            return
        document = json.dumps(answer, allow_nan=False)
        if len(document) > MAX_ANSWER_BYTES:
            self.release(claim)
            return
        expires_at = int(self.clock()) + self.keep_seconds
        item = {**self._item(claim), "expires_at": {"N": str(expires_at)}, "answer": {"S": document}}
        self._own(self.dynamodb.put_item, claim, Item=item)

    def release(self, claim: Claim | None) -> None:
        """Forget a claimed request that failed, so that it can be tried again."""
        if claim is not None:
            self._own(self.dynamodb.delete_item, claim, Key={"id": {"S": claim.record_id}})

    def _own(self, operation: Callable[..., Any], claim: Claim, **request: Any) -> None:
        try:
            operation(
                TableName=self.table,
                ConditionExpression="claimed_by = :token",
                ExpressionAttributeValues={":token": {"S": claim.token}},
                **request,
            )
        except Exception as error:
            # The claim ran out, and somebody else has the record now.
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    @staticmethod
    def _item(claim: Claim) -> dict[str, Any]:
        return {
            "id": {"S": claim.record_id},
            "fingerprint": {"S": claim.fingerprint},
            "claimed_by": {"S": claim.token},
        }


def fingerprint(*parts: str | bytes) -> str:
    """A hash of what a request asks for."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def caller(event: Mapping[str, Any]) -> str:
    """Identity of the caller by the gateway: a token's subject, an IAM principal, or an API key.

    Only for telling callers apart. The key itself stands in for its id where the gateway gives none.
    """
    context = event.get("requestContext") or {}
    identity = context.get("identity") or {}
    return str(
        (context.get("authorizer") or {}).get("principalId")
        or identity.get("userArn")
        or identity.get("apiKeyId")
        or header(event, "x-api-key")
    )


def _answer(record: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    if record["fingerprint"]["S"] != claim.fingerprint:
        raise Problem(
            "idempotency_key_reused", "This Idempotency-Key came with another request before: use a new one for each."
        )
    if "answer" not in record:
        raise Problem("request_in_progress", "A request with this Idempotency-Key is being answered. Try again.")
    answer: dict[str, Any] = json.loads(record["answer"]["S"])
    return answer
