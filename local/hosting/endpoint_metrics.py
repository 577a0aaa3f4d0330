"""Metrics that SageMaker publishes about an endpoint, which auto-rollback alarms watch.

Source: "Monitor Amazon SageMaker AI with Amazon CloudWatch". Latencies are in microseconds.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.core.api import Cloud

logger = logging.getLogger("endpoints")

_NAMESPACE = "AWS/SageMaker"
# SageMaker publishes once a minute; who tries a release on the laptop does not wait for that.
INTERVAL_SECONDS = 1.0
# PutMetricData takes at most 1,000 metrics with 150 values each
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html, read 2026-11).
_BATCH, _VALUES = 1000, 150

# Endpoint, its configuration, variant, name and unit of a metric.
_Metric = tuple[str, str, str, str, str]


class EndpointMetrics:
    """Collects what each invocation was like, and publishes it once a second."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pending: dict[_Metric, Counter[float]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def record(
        self, endpoint: str, config: str, variant: str, *, status: int, model_seconds: float, total_seconds: float
    ) -> None:
        """Count one invocation.

        Args:
            config: name of the endpoint configuration whose process was asked.
            variant: that was asked.
            status: status that the container answered with; 0 when it did not.
            model_seconds: until its answer.
            total_seconds: until the caller has it.
        """
        values = {
            ("Invocations", "None"): 1.0,
            ("Invocation4XXErrors", "None"): float(400 <= status < 500),
            ("Invocation5XXErrors", "None"): float(status >= 500 or status == 0),
            ("ModelLatency", "Microseconds"): _rounded(model_seconds * 1e6),
            ("OverheadLatency", "Microseconds"): _rounded((total_seconds - model_seconds) * 1e6),
        }
        with self._lock:
            for (name, unit), value in values.items():
                self._pending.setdefault((endpoint, config, variant, name, unit), Counter())[value] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._publish_regularly, name="endpoint metrics", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Publish no more."""
        self._closing.set()

    def _publish_regularly(self) -> None:
        while not self._closing.wait(INTERVAL_SECONDS):
            with self._lock:
                pending, self._pending = self._pending, {}
            data = [datum for metric, counts in pending.items() for datum in _data(metric, counts)]
            for start in range(0, len(data), _BATCH):
                try:
                    client = self._cloud.client("cloudwatch")
                    client.put_metric_data(Namespace=_NAMESPACE, MetricData=data[start : start + _BATCH])
                except (BotoCoreError, ClientError) as error:
                    logger.warning("Metrics of endpoints were lost: %s", error)


def _data(metric: _Metric, counts: Mapping[float, int]) -> Iterator[dict[str, Any]]:
    """Data of one metric for PutMetricData: its values, and how often there was each.

    Once of the whole endpoint, and once of the configuration alone ("Auto-Rollback Configuration and Monitoring" of the
    developer guide).
    """
    endpoint, config, variant, name, unit = metric
    whole = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
    values = sorted(counts)
    for dimensions in (whole, [*whole, {"Name": "EndpointConfigName", "Value": config}]):
        common = {"MetricName": name, "Unit": unit, "Timestamp": datetime.now(UTC), "Dimensions": dimensions}
        for start in range(0, len(values), _VALUES):
            some = values[start : start + _VALUES]
            yield {**common, "Values": some, "Counts": [float(counts[value]) for value in some]}


def _rounded(microseconds: float) -> float:
    """Two significant digits, so that what CloudWatch keeps grows with time and not with requests."""
    return float(f"{microseconds:.1e}")
