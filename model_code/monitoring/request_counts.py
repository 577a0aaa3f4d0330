"""Refused and failed requests of a window of time, from CloudWatch: kept predictions are of answered requests only.

The Predict function counts every request for a prediction (`contract.outcomes`), API Gateway what reaches the API. Of
hours without a request there is no datapoint, and before the function counted there is none either: where nothing at
all was counted the figures are not known, which is something else than 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from model_code.contract import outcomes
from model_code.monitoring.aws_errors import reason

# Datapoints of an hour are kept for 455 days, of a minute for 15
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html, read 2026-11).
HOUR = 3600
_OUTCOMES = (outcomes.PREDICTED, outcomes.REPEATED, *outcomes.REFUSED, *outcomes.FAILED)
# Of the API as a whole, by what they are called in the findings.
_API = {"requests": "Count", "client_errors": "4XXError", "server_errors": "5XXError"}


def read(cloudwatch: Any, endpoint: str, *, since: int, until: int) -> dict[str, Any]:
    """Requests of a window, by full hours.

    Args:
        endpoint: its name, and that of the REST API.
        since: seconds since 1970.
        until: seconds since 1970.

    Returns:
        "predictions" with "first" (the hour of the first that was counted), "total", "predicted", "repeated", and of
        those with any "refused" and "failed", numbers by outcome; "api" with "requests", "client_errors" (4xx) and
        "server_errors" (5xx). Either is None where it is not known. "sentence" says it.
    """
    queries = [
        *(
            _query(f"o{number}", outcomes.NAMESPACE, outcomes.METRIC,
                   {outcomes.ENDPOINT: endpoint, outcomes.OUTCOME: outcome})
            for number, outcome in enumerate(_OUTCOMES)
        ),
        *(_query(name, "AWS/ApiGateway", metric, {"ApiName": endpoint}) for name, metric in _API.items()),
    ]  # fmt: skip
    begin, end = since // HOUR * HOUR, (until // HOUR + 1) * HOUR
    sums: dict[str, float] = {}
    first: dict[str, dt.datetime] = {}
    try:
        for page in cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=_moment(begin), EndTime=_moment(end)
        ):
            for result in page["MetricDataResults"]:
                name, moments = result["Id"], result["Timestamps"]
                sums[name] = sums.get(name, 0) + sum(result["Values"])
                if moments:
                    first[name] = min([*moments, *([first[name]] if name in first else [])])
    except (BotoCoreError, ClientError) as error:
        return _found(None, None, f"CloudWatch could not be asked ({reason(error)})")
    counted = {outcome: round(sums.get(f"o{number}", 0)) for number, outcome in enumerate(_OUTCOMES)}
    of_outcomes = [moment for name, moment in first.items() if name not in _API]
    api = {name: round(sums.get(name, 0)) for name in _API} if set(first) & set(_API) else None
    if not of_outcomes:
        return _found(None, api, "none was counted in these days")
    begun = min(of_outcomes).astimezone(dt.UTC).isoformat(timespec="seconds")
    return _found({"first": begun, **_grouped(counted)}, api, "")


def _query(name: str, namespace: str, metric: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    of = {"Namespace": namespace, "MetricName": metric, "Dimensions": listed}
    return {"Id": name, "MetricStat": {"Metric": of, "Period": HOUR, "Stat": "Sum"}}


def _grouped(counted: Mapping[str, int]) -> dict[str, Any]:
    def those(names: Iterable[str]) -> dict[str, int]:
        return {name: counted[name] for name in names if counted[name]}

    return {
        "total": sum(counted.values()),
        "predicted": counted[outcomes.PREDICTED],
        "repeated": counted[outcomes.REPEATED],
        "refused": those(outcomes.REFUSED),
        "failed": those(outcomes.FAILED),
    }


def _found(predictions: dict[str, Any] | None, api: dict[str, int] | None, reason: str) -> dict[str, Any]:
    if predictions is None:
        said = f"How many requests were refused and how many failed is not known: {reason}."
    else:
        refused, failed = (sum(predictions[name].values()) for name in ("refused", "failed"))
        said = f"Of {predictions['total']:,} requests for a prediction {refused:,} were refused and {failed:,} failed."
    return {"predictions": predictions, "api": api, "sentence": said}


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
