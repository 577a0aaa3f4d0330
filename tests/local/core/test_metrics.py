"""Metrics: of log lines in the embedded metric format, kept by the minute without loss, and judged soon."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import cloudwatch

from lambdas.predict import log
from local.core import metrics


def test_the_line_of_a_function_becomes_the_metric_that_it_names() -> None:
    line = {"message": "answered", **log.count("ChestXray/Api", "Requests", Endpoint="cxr-dev", Outcome="predicted")}
    (request,) = metrics._embedded(json.dumps(line))
    assert request["Namespace"] == "ChestXray/Api"
    (datum,) = request["MetricData"]
    assert (datum["MetricName"], datum["Value"], datum["Unit"]) == ("Requests", 1, "Count")
    assert {one["Name"]: one["Value"] for one in datum["Dimensions"]} == {"Endpoint": "cxr-dev", "Outcome": "predicted"}
    assert datum["Timestamp"] == line["_aws"]["Timestamp"] / 1000, "seconds"


@pytest.mark.parametrize(
    "line", ["", "START RequestId", '{"message": "answered"}', '{"_aws"', '{"_aws": 3}', '["_aws"]']
)
def test_other_lines_are_no_metrics(line: str) -> None:
    assert list(metrics._embedded(line)) == []


def point(at: float, value: float, **more: Any) -> dict[str, Any]:
    return {"Timestamp": at, "Value": value, "Unit": "None", "Dimensions": {"EndpointName": "cxr"}, **more}


def test_equal_values_of_a_minute_become_one_point_and_every_statistic_stays() -> None:
    came = [point(60.0 + second / 10, float(second % 3)) for second in range(600)]
    kept = metrics.by_minute(came, since=0.0)
    assert len(kept) == 3
    assert cloudwatch._calc_stats(kept) == cloudwatch._calc_stats(came)
    for percentile in ("p10", "p50", "p90", "p99"):
        values = [cloudwatch._stat_value({}, percentile, points) for points in (kept, came)]
        assert values[0] == values[1], percentile
    assert metrics.by_minute(kept, since=0.0) == kept, "what is kept stays as it is"


def test_other_minutes_stay_apart_sets_stay_as_they_are_and_what_is_too_old_goes() -> None:
    published = point(130.0, 2.0, _stat={"SampleCount": 3, "Sum": 6, "Minimum": 1, "Maximum": 3})
    kept = metrics.by_minute([point(10.0, 1.0), point(65.0, 1.0), point(121.0, 1.0), published], since=60.0)
    assert [(one["Timestamp"], one["Value"]) for one in kept] == [(60.0, 1.0), (120.0, 1.0), (130.0, 2.0)]
    assert kept[-1] is published


def test_a_store_of_many_points_is_as_large_as_its_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10_000_000.0
    monkeypatch.setattr(metrics.time, "time", lambda: now)
    monkeypatch.setattr(cloudwatch, "_metrics", metrics._Metrics())
    monkeypatch.setattr(cloudwatch, "_evict_old_metrics", cloudwatch._evict_old_metrics)
    metrics.bound()
    for second in range(3_600):
        for value in (0.0, 1.0):
            cloudwatch._store_datum("N", "M", {}, now - 3_600 + second, "None", value, None, None, None)
    cloudwatch._evict_old_metrics()
    (points,) = cloudwatch._metrics.all_values()
    assert sum(one.get("Count", 1.0) for one in points) == 7_200
    young = [one for one in points if "Count" not in one]
    assert min(one["Timestamp"] for one in young) <= now - 120, "an alarm of ten seconds finds every point"
    assert len(points) - len(young) <= 2 * 60


def test_an_alarm_that_is_judged_sees_its_own_metric_and_what_others_store_meanwhile_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[str]] = []

    def evaluate(_: object) -> None:
        # Another request of another thread, while this alarm is judged.
        other = threading.Thread(target=store, args=("meanwhile",))
        other.start()
        other.join()
        seen.append([dimensions for (_, _, dimensions), _ in cloudwatch._metrics.items()])

    def store(endpoint: str) -> None:
        cloudwatch._store_datum("N", "M", {"EndpointName": endpoint}, 1.0, "None", 1.0, None, None, None)

    monkeypatch.setattr(cloudwatch, "_evaluate_alarm", evaluate)
    for name in ("_metrics", "_evaluate_all_alarms", "_describe_alarms"):
        monkeypatch.setattr(cloudwatch, name, getattr(cloudwatch, name))
    metrics.judge_alarms_as_cloudwatch_does()
    store("mine")
    cloudwatch._evaluate_alarm({"StateValue": "OK", "Dimensions": [{"Name": "EndpointName", "Value": "mine"}]})
    assert seen == [["EndpointName=mine"]]
    assert {key[2] for key in cloudwatch._metrics.keys()} == {"EndpointName=mine", "EndpointName=meanwhile"}  # noqa: SIM118


def test_who_asks_while_a_call_is_due_gets_that_one_and_who_asks_later_another() -> None:
    due: list[Callable[[], None]] = []
    calls: list[str] = []
    soon = metrics.Soon(lambda: calls.append("called"), due.append)
    soon()
    soon()
    assert (len(due), calls) == (1, [])
    due.pop()()
    assert calls == ["called"]
    soon()
    due.pop()()
    assert calls == ["called", "called"]
