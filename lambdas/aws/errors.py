"""Classification of AWS service errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CODES = frozenset({"ValidationException", "ValidationError", "ResourceNotFound"})
_WORDS = ("not found", "could not find", "does not exist")
# Of the codes that botocore's standard retries know (botocore/retries/standard.py of 1.43, read 2026-11) those of the
# services that are asked here, and the status of an answer that has none: what stands before a service writes HTML.
_THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
        *("TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "SlowDown"),
        "429",
    }
)


def error_code(error: BaseException) -> str:
    """The code of a service's answer, or an empty string for any other error."""
    # Not by its type: importing botocore takes a command line's help most of a second.
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_absent(error: BaseException) -> bool:
    """Whether an answer of SageMaker means that the resource does not exist.

    There is no own code for it: InvokeEndpoint says ValidationError "Endpoint ... not found.", DescribeEndpoint
    ValidationException "Could not find endpoint ...", DescribeModelPackage "Model Package ... does not exist".
    """
    if error_code(error) not in _CODES:
        return False
    response: Any = getattr(error, "response", None)
    message = response["Error"].get("Message", "").lower()
    return any(words in message for words in _WORDS)


def is_throttled(error: BaseException) -> bool:
    """Whether a service throttles requests, and would answer the same one later."""
    return error_code(error) in _THROTTLED


def earlier_item(error: BaseException) -> Mapping[str, Any] | None:
    """Item of DynamoDB that a conditional write found, where that is what went wrong (`ALL_OLD`)."""
    response = getattr(error, "response", None)
    if error_code(error) != "ConditionalCheckFailedException" or not isinstance(response, dict):
        return None
    record: Mapping[str, Any] | None = response.get("Item")
    return record
