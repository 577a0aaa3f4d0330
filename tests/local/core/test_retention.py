"""Of logs and of items that expire a number is kept, the newest, and expired items of a template's tables go."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ministack.services import cloudwatch_logs, dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

from local.core import retention

TABLE = "AWS::DynamoDB::Table"


@pytest.fixture(autouse=True)
def hooked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_svc, "_emit_lambda_logs", lambda_svc._emit_lambda_logs)
    monkeypatch.setattr(cloudwatch_logs, "_append_log_events", cloudwatch_logs._append_log_events)
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", dict(provisioners._RESOURCE_HANDLERS))
    monkeypatch.setattr(dynamodb, "_set_item", dynamodb._set_item)
    monkeypatch.setattr(retention, "MOST_STREAMS", 3)
    monkeypatch.setattr(retention, "MOST_ITEMS", 3)
    monkeypatch.setattr(retention, "MOST_EVENTS", 10)
    retention.expire()
    stores = (cloudwatch_logs._log_groups, cloudwatch_logs._log_records, dynamodb._tables, dynamodb._ttl_settings)
    for store in stores:
        store.clear()


def streams(group: str) -> dict[str, Any]:
    found: dict[str, Any] = cloudwatch_logs._log_groups[group]["streams"]
    return found


def table(name: str, *, expires: bool) -> dict[str, Any]:
    """Properties of a template's table with the key `id`."""
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        **({"TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True}} if expires else {}),
    }


def put(name: str, identifier: str, **more: Any) -> None:
    status, _, answer = dynamodb._put_item({"TableName": name, "Item": {"id": {"S": identifier}}, **more})
    assert status == 200, answer


@pytest.mark.parametrize("logging", [{}, {"LoggingConfig": {"LogGroup": "predict-logs"}}], ids=["default", "named"])
def test_a_function_s_newest_invocations_can_be_read(logging: dict[str, Any]) -> None:
    function = {"config": {"FunctionName": "predict", **logging}}
    for number in range(5):
        lambda_svc._emit_lambda_logs(function, f"request-{number}", "answered", False, 3)
    kept = streams("predict-logs" if logging else "/aws/lambda/predict").values()
    said = [event["message"] for stream in kept for event in stream["events"] if event["message"].startswith("END")]
    assert said == [f"END RequestId: request-{number}" for number in (2, 3, 4)]


def test_a_stream_keeps_its_newest_events_and_what_is_looked_up_by_a_pointer() -> None:
    cloudwatch_logs._create_log_group({"logGroupName": "container"})
    cloudwatch_logs._create_log_stream({"logGroupName": "container", "logStreamName": "one"})
    for batch in range(4):
        events = [{"timestamp": batch * 8 + at, "message": str(batch * 8 + at)} for at in range(8)]
        cloudwatch_logs._put_log_events({"logGroupName": "container", "logStreamName": "one", "logEvents": events})
    kept = streams("container")["one"]["events"]
    assert [event["message"] for event in kept] == [str(at) for at in range(22, 32)]
    assert {event["eventId"] for event in kept} == set(cloudwatch_logs._log_records.keys())


def test_many_threads_expire_the_same_items() -> None:
    kept = dict.fromkeys(range(1_000))
    begin = threading.Barrier(8)

    def evict_oldest() -> None:
        begin.wait()
        retention.evict_oldest(kept, 100)

    threads = [threading.Thread(target=evict_oldest) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(kept) == list(range(900, 1_000))


def test_a_template_s_table_has_its_time_to_live_and_loses_it() -> None:
    properties = table("requests", expires=True)
    handlers = provisioners._RESOURCE_HANDLERS[TABLE]
    handlers["create"]("Requests", properties, "stack")
    # What MiniStack's own thread removes expired items by.
    assert dynamodb._ttl_settings["requests"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    off = {**properties, "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": "false"}}
    handlers["update"]("requests", properties, off, "stack", logical_id="Requests")
    assert dynamodb._ttl_settings["requests"]["TimeToLiveStatus"] == "DISABLED"
    handlers["update"]("requests", off, properties, "stack", logical_id="Requests")
    without = {name: value for name, value in properties.items() if name != "TimeToLiveSpecification"}
    handlers["update"]("requests", properties, without, "stack", logical_id="Requests")
    assert dynamodb._ttl_settings["requests"]["TimeToLiveStatus"] == "DISABLED"


def test_a_table_whose_items_expire_keeps_its_newest() -> None:
    provisioners._RESOURCE_HANDLERS[TABLE]["create"]("Requests", table("requests", expires=True), "stack")
    new = {"ConditionExpression": "attribute_not_exists(id)"}
    for number in range(4):
        put("requests", str(number), **new)
    put("requests", "1")  # written again: as old as before
    put("requests", "4", **new)
    kept = dynamodb._tables["requests"]
    assert (list(kept["items"]), kept["ItemCount"]) == (["2", "3", "4"], 3)
    put("requests", "0", **new)  # what is gone is not there


def test_a_table_whose_items_do_not_expire_keeps_all() -> None:
    provisioners._RESOURCE_HANDLERS[TABLE]["create"]("Models", table("models", expires=False), "stack")
    for number in range(5):
        put("models", str(number))
    assert len(dynamodb._tables["models"]["items"]) == 5
