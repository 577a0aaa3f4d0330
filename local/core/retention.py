"""Retention of logs and of expired items: what MiniStack keeps in memory for ever goes, as it does in AWS.

CloudWatch Logs keeps events for a group's days, on disks of its own; what a laptop can keep is a number. MiniStack
makes a log stream for each invocation of a function, and stores an event that is put twice. Its DynamoDB removes
expired items once a minute, from tables that UpdateTimeToLive was called for: CloudFormation's
`TimeToLiveSpecification` it does not read (findings/ministack_time_to_live_of_a_template.sh).

Hooked are MiniStack's `lambda_svc._emit_lambda_logs`, called for each invocation,
`cloudwatch_logs._append_log_events`, called for each batch, with `_log_groups` and `_log_records`, and
`provisioners._RESOURCE_HANDLERS`, which call `dynamodb._update_ttl` for a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.services import cloudwatch_logs, dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_STREAMS = 1_000
"""Streams of a function's log group: the invocations that can be read."""
MOST_EVENTS = 10_000
"""Events of one stream, as many as GetLogEvents answers. A job's file has every line."""
_TABLE = "AWS::DynamoDB::Table"
_SPECIFICATION = "TimeToLiveSpecification"


def expire() -> None:
    """Let the oldest log streams and events go, and the expired items of CloudFormation's tables."""
    _expire_logs()
    _expire_items()


def _expire_logs() -> None:
    emit, append = lambda_svc._emit_lambda_logs, cloudwatch_logs._append_log_events

    def emit_and_expire(func: dict[str, Any], *arguments: Any, **more: Any) -> None:
        emit(func, *arguments, **more)
        config = func.get("config") or func
        named = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        let_go(cloudwatch_logs._log_groups.get(named, {}).get("streams", {}), MOST_STREAMS)

    def append_and_expire(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        append(stream, events)
        with cloudwatch_logs._log_events_lock:
            del stream["events"][:-MOST_EVENTS]
        let_go(cloudwatch_logs._log_records._data, MOST_EVENTS)

    lambda_svc._emit_lambda_logs, cloudwatch_logs._append_log_events = emit_and_expire, append_and_expire


def let_go(kept: dict[Any, Any], most: int) -> None:
    """Remove the oldest of a dictionary until it has `most`; other threads may do the same."""
    if (surplus := len(kept) - most) > 0:
        for oldest in list(kept)[:surplus]:
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
