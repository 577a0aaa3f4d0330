"""Retention of logs and of items that expire: what MiniStack keeps in memory for ever goes, as it does in AWS.

CloudWatch Logs keeps events for a group's days, on disks of its own; what a laptop can keep is a number. MiniStack
makes a log stream for each invocation of a function, and stores an event that is put twice. Its DynamoDB removes
expired items once a minute, from tables that UpdateTimeToLive was called for: CloudFormation's
`TimeToLiveSpecification` it does not read (findings/ministack_time_to_live_of_a_template.sh). Items of such tables are
kept for days in DynamoDB, and MiniStack holds them in memory, some 5 KB for a prediction: here they are a number too.

Hooked are MiniStack's `lambda_svc._emit_lambda_logs`, called for each invocation,
`cloudwatch_logs._append_log_events`, called for each batch, with `_log_groups` and `_log_records`, and
`provisioners._RESOURCE_HANDLERS`, which call `dynamodb._update_ttl` for a table, and `dynamodb._set_item`, called for
each item that is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from ministack.services import cloudwatch_logs, dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

MOST_STREAMS = 1_000
"""Streams of a function's log group: the invocations that can be read."""
MOST_EVENTS = 10_000
"""Events of one stream, as many as GetLogEvents answers. A job's file has every line."""
MOST_ITEMS = 20_000
"""Items of a table with a time to live, some 100 MB of predictions: two days of all that the laptop's quota allows."""
_TABLE = "AWS::DynamoDB::Table"
_SPECIFICATION = "TimeToLiveSpecification"


def expire() -> None:
    """Let the oldest log streams and events go, and the expired and the oldest items of CloudFormation's tables."""
    _expire_logs()
    _expire_items()
    _bound_items()


def _expire_logs() -> None:
    emit, append = lambda_svc._emit_lambda_logs, cloudwatch_logs._append_log_events

    def emit_and_expire(func: dict[str, Any], *arguments: Any, **more: Any) -> None:
        emit(func, *arguments, **more)
        config = func.get("config") or func
        named = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        evict_oldest(cloudwatch_logs._log_groups.get(named, {}).get("streams", {}), MOST_STREAMS)

    def append_and_expire(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        append(stream, events)
        with cloudwatch_logs._log_events_lock:
            del stream["events"][:-MOST_EVENTS]
        evict_oldest(cloudwatch_logs._log_records._data, MOST_EVENTS)

    lambda_svc._emit_lambda_logs, cloudwatch_logs._append_log_events = emit_and_expire, append_and_expire


def evict_oldest(kept: dict[Any, Any], most: int, remove: Callable[[Any], object] | None = None) -> None:
    """Remove the oldest of a dictionary until it has `most`; other threads may do the same.

    Args:
        kept: what is kept, the oldest first.
        most: how many stay.
        remove: takes a key out; the dictionary's own `pop` where it is None.
    """
    if (surplus := len(kept) - most) > 0:
        for oldest in list(islice(kept, surplus)):
            if remove:
                remove(oldest)
            else:
                kept.pop(oldest, None)


def _expire_items() -> None:
    handlers = provisioners._RESOURCE_HANDLERS[_TABLE]
    create, update = handlers["create"], handlers["update"]

    def create_with_time_to_live(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        created = create(logical_id, properties, stack)
        _tell(created[0], properties)
        return created

    def update_with_time_to_live(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], *arguments: Any, **more: Any
    ) -> Any:
        updated = update(physical_id, old, new, *arguments, **more)
        _tell(updated[0], new)
        if (before := old.get(_SPECIFICATION)) and _SPECIFICATION not in new:
            _tell(updated[0], {_SPECIFICATION: {**before, "Enabled": False}})
        return updated

    provisioners._RESOURCE_HANDLERS[_TABLE] = {
        **handlers,
        "create": create_with_time_to_live,
        "update": update_with_time_to_live,
    }


def _tell(table: str, properties: Mapping[str, Any]) -> None:
    if specification := properties.get(_SPECIFICATION):
        enabled = str(specification.get("Enabled")).lower() == "true"
        told = {"Enabled": enabled, "AttributeName": specification.get("AttributeName", "")}
        dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": told})


def _bound_items() -> None:
    set_item = dynamodb._set_item

    def set_and_evict(table: dict[str, Any], partition_key: str, sort_key: str, item: dict[str, Any]) -> Any:
        before = set_item(table, partition_key, sort_key, item)
        if dynamodb._ttl_settings.get(table["TableName"], {}).get("TimeToLiveStatus") == "ENABLED":
            evict_oldest(table["items"], MOST_ITEMS, lambda oldest: _remove(table, oldest))
        return before

    dynamodb._set_item = set_and_evict


def _remove(table: dict[str, Any], partition_key: str) -> None:
    """Remove all items of a partition key, as MiniStack counts them."""
    for sort_key in list(table["items"].get(partition_key, ())):
        dynamodb._remove_item(table, partition_key, sort_key)
