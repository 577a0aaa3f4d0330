"""Metrics that SageMaker publishes about an endpoint, which auto-rollback alarms watch.

Source: "Monitor Amazon SageMaker AI with Amazon CloudWatch". Latencies are in microseconds.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from local.core.api import Cloud

logger = logging.getLogger("endpoints")

_NAMESPACE = "AWS/SageMaker"
# SageMaker publishes once a minute; who tries a release on the laptop does not wait for that.
INTERVAL_SECONDS = 1.0
# PutMetricData takes at most 1,000 (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html).
_BATCH = 500


class EndpointMetrics:
    """Collects what each invocation was like, and publishes it once a second.

    Args:
        cloud: whose CloudWatch gets it.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pending: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def record(self, endpoint: str, variant: str, *, status: int, model_seconds: float, total_seconds: float) -> None:
        """Count one invocation.

        Args:
            endpoint: name of the endpoint.
            variant: that was asked.
            status: status that the container answered with; 0 when it did not.
            model_seconds: until its answer.
            total_seconds: until the caller has it.
        """
        values = {
            "Invocations": (1.0, "None"),
            "Invocation4XXErrors": (float(400 <= status < 500), "None"),
            "Invocation5XXErrors": (float(status >= 500 or status == 0), "None"),
            "ModelLatency": (model_seconds * 1e6, "Microseconds"),
            "OverheadLatency": ((total_seconds - model_seconds) * 1e6, "Microseconds"),
        }
        dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
        now = datetime.now(UTC)
        with self._lock:
            self._pending += [
                {"MetricName": name, "Value": value, "Unit": unit, "Timestamp": now, "Dimensions": dimensions}
                for name, (value, unit) in values.items()
            ]
            if self._thread is None:
                self._thread = threading.Thread(target=self._publish_regularly, name="endpoint metrics", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Publish no more."""
        self._closing.set()

    def _publish_regularly(self) -> None:
        while not self._closing.wait(INTERVAL_SECONDS):
            with self._lock:
                batch, self._pending = self._pending[:_BATCH], self._pending[_BATCH:]
            if not batch:
                continue
            try:
                self._cloud.client("cloudwatch").put_metric_data(Namespace=_NAMESPACE, MetricData=batch)
            except (BotoCoreError, ClientError) as error:
                logger.warning("Metrics of endpoints were lost: %s", error)
