"""Metrics of what functions log in the embedded metric format, which CloudWatch makes and MiniStack does not.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html,
read 2026-11. Hooked are MiniStack's `lambda_svc._emit_lambda_logs` and `cloudwatch._put_metric_data`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.services import cloudwatch, lambda_svc

if TYPE_CHECKING:
    from collections.abc import Iterator


def extract() -> None:
    """Make metrics of what functions log in the embedded metric format, as CloudWatch does and MiniStack does not."""
    emit = lambda_svc._emit_lambda_logs

    def emit_and_extract(func: dict[str, Any], request_id: str, log_text: str, *arguments: Any, **more: Any) -> None:
        emit(func, request_id, log_text, *arguments, **more)
        for line in (log_text or "").splitlines():
            for request in _embedded(line):
                cloudwatch._put_metric_data({}, request, is_cbor=False, is_json=True)

    lambda_svc._emit_lambda_logs = emit_and_extract


def _embedded(line: str) -> Iterator[dict[str, Any]]:
    """PutMetricData requests of a log line; none of a line in another format."""
    if '"_aws"' not in line:
        return
    try:
        document = json.loads(line)
        embedded = document["_aws"]
        for directive in embedded["CloudWatchMetrics"]:
            common = {"Timestamp": embedded["Timestamp"] / 1000}
            data = [
                {**common, "MetricName": metric["Name"], "Value": document[metric["Name"]], "Unit": metric["Unit"],
                 "Dimensions": [{"Name": name, "Value": str(document[name])} for name in names]}
                for names in directive["Dimensions"]
                for metric in directive["Metrics"]
            ]  # fmt: skip
            yield {"Namespace": directive["Namespace"], "MetricData": data}
    except (ValueError, LookupError, TypeError):
        return
