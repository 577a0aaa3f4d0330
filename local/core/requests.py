"""Checks requests by SageMaker's service model, and pages lists, as the API does."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from local.core.api import ApiError


@functools.cache
def _operation(name: str) -> OperationModel:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model(name)


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Check a request's members, types, lengths, ranges, enumerations and patterns.

    Args:
        operation: such as `CreateProcessingJob`.
        request: its members; timestamps may be epoch seconds.

    Raises:
        ApiError: `ValidationException` that names every member that is wrong.
    """
    shape: Any = _operation(operation).input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise ApiError("ValidationException", report.generate_report())
    errors = list(_constraints(request, shape, ""))
    if errors:
        counted = f"{len(errors)} validation error{'s' if len(errors) > 1 else ''} detected: "
        raise ApiError("ValidationException", counted + "; ".join(errors))


def _constraints(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Violations of a shape's constraints by a value that is already of the right types."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from _constraints(item, shape.members[name], f"{path}.{name}" if path else name)
        return
    if shape.type_name in {"list", "map", "string"}:
        yield from _too_long(value, shape, path)
    if shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _constraints(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _constraints(item, shape.value, f"{path}['{key}']")
    elif shape.type_name == "string":
        yield from _wrong_text(value, shape, path)


def _wrong_text(value: str, shape: Any, path: str) -> Iterator[str]:
    failed = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy"
    if shape.enum and value not in shape.enum:
        yield f"{failed} enum value set: [{', '.join(shape.enum)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield f"{failed} regular expression pattern: {pattern}"


def _too_long(value: Any, shape: Shape, path: str) -> Iterator[str]:
    limit = shape.metadata.get("max")
    if limit is not None and len(value) > limit:
        yield f"'{path}' failed to satisfy constraint: Member must have length less than or equal to {limit}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        # Some of the service's patterns use Java's \p{L}, which Python's re does not know.
        return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def page(items: Sequence[Mapping[str, Any]], request: Mapping[str, Any], member: str, size: int) -> dict[str, Any]:
    """One page of a list, with the token of the next.

    Args:
        items: the whole list, filtered and sorted.
        request: its `NextToken` and `MaxResults` are read.
        member: the response's member that holds the items.
        size: the page size when the request does not say.

    Raises:
        ApiError: `ValidationException` when the token was not handed out by this service.
    """
    token = request.get("NextToken")
    try:
        start = int(base64.b64decode(token, validate=True)) if token else 0
    except (binascii.Error, ValueError):
        raise ApiError("ValidationException", f"The NextToken '{token}' is not one this list answered.") from None
    end = start + (request.get("MaxResults") or size)
    answer: dict[str, Any] = {member: list(items[start:end])}
    if end < len(items):
        answer["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return answer


def select(
    items: Sequence[Mapping[str, Any]],
    request: Mapping[str, Any],
    *,
    name: str,
    status: str,
) -> list[Mapping[str, Any]]:
    """Filter and sort summaries as the List operations do, in ascending order unless the request says otherwise.

    Args:
        items: summaries, each with `CreationTime` and perhaps `LastModifiedTime` in epoch seconds.
        request: `NameContains`, `StatusEquals`, the four time bounds, `SortBy` and `SortOrder` are read.
        name: the summaries' member that holds the name.
        status: the summaries' member that holds the status.
    """

    def wanted(item: Mapping[str, Any]) -> bool:
        return (
            request.get("NameContains", "").lower() in item[name].lower()
            and request.get("StatusEquals") in (None, item[status])
            and request.get("CreationTimeAfter", float("-inf")) < item["CreationTime"]
            and item["CreationTime"] < request.get("CreationTimeBefore", float("inf"))
            and request.get("LastModifiedTimeAfter", float("-inf")) < item["LastModifiedTime"]
            and item["LastModifiedTime"] < request.get("LastModifiedTimeBefore", float("inf"))
        )

    key = {"Name": name, "Status": status}.get(request.get("SortBy", ""), "CreationTime")
    return sorted(filter(wanted, items), key=lambda item: item[key], reverse=request.get("SortOrder") == "Descending")
