"""Metrics of endpoints: every invocation counts, and what CloudWatch has to keep does not grow with their number."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from local.hosting import endpoint_metrics
from local.hosting.endpoint_metrics import EndpointMetrics


class CloudWatch:
    """Takes metric data; says when it has so many invocations."""

    def __init__(self, expected: int) -> None:
        self.data: list[dict[str, Any]] = []
        self.complete = threading.Event()
        self._expected = expected

    def client(self, _: str) -> CloudWatch:
        return self

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803 - boto3's
        assert Namespace == "AWS/SageMaker"
        self.data += MetricData
        if sum(values(self.data, "Invocations").values()) == self._expected:
            self.complete.set()


def values(data: list[dict[str, Any]], name: str, config: str | None = None) -> Counter[float]:
    """Values of a metric of the whole endpoint, or of a configuration alone."""
    found: Counter[float] = Counter()
    for datum in data:
        named = {one["Name"]: one["Value"] for one in datum["Dimensions"]}
        if datum["MetricName"] == name and named.get("EndpointConfigName") == config:
            found.update(dict(zip(datum["Values"], datum["Counts"], strict=True)))
    return found


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_metrics, "INTERVAL_SECONDS", 0.001)


def test_every_invocation_is_counted_in_few_values() -> None:
    cloudwatch = CloudWatch(2_000)
    metrics = EndpointMetrics(cloudwatch)  # type: ignore[arg-type]
    for number in range(2_000):
        status, model_seconds = 500 if number % 4 == 0 else 200, 0.020 + number / 1e5
        config = "old" if number % 2 else "new"
        metrics.record("cxr", config, "AllTraffic", status=status, model_seconds=model_seconds, total_seconds=0.05)
    assert cloudwatch.complete.wait(30)
    metrics.close()
    assert values(cloudwatch.data, "Invocation5XXErrors") == {0.0: 1_500, 1.0: 500}
    assert values(cloudwatch.data, "Invocation4XXErrors") == {0.0: 2_000}
    assert values(cloudwatch.data, "Invocation5XXErrors", "new") == {0.0: 500, 1.0: 500}, "of the new processes alone"
    assert values(cloudwatch.data, "Invocation5XXErrors", "old") == {0.0: 1_000}
    latency = values(cloudwatch.data, "ModelLatency")
    assert sum(latency.values()) == 2_000
    assert sorted(latency) == [float(thousand * 1_000) for thousand in range(20, 41)], "two digits of microseconds"


def test_more_values_than_a_request_takes_are_sent_in_parts() -> None:
    counts = Counter({float(value): 1 for value in range(400)})
    parts = list(endpoint_metrics._data(("cxr", "new", "AllTraffic", "ModelLatency", "Microseconds"), counts))
    parts = [part for part in parts if len(part["Dimensions"]) == 2]
    assert [len(part["Values"]) for part in parts] == [150, 150, 100]
    assert sum(sum(part["Counts"]) for part in parts) == 400
