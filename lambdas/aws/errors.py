"""Classification of AWS service errors."""

from __future__ import annotations

from typing import Any

_CODES = frozenset({"ValidationException", "ValidationError", "ResourceNotFound"})
_WORDS = ("not found", "could not find", "does not exist")


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
    answer: dict[str, Any] = getattr(error, "response", {}).get("Error", {})
    message = answer.get("Message", "").lower()
    return error_code(error) in _CODES and any(words in message for words in _WORDS)
