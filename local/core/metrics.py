"""CloudWatch's metrics: of logs in the embedded metric format, kept in bounded memory, and judged by alarms.

MiniStack makes no metrics of what functions log, keeps every point for two weeks, and with every datum that arrives
goes through all of them for each alarm, which after a quarter of an hour at 28 predictions a second takes more than
half of a processor (docs/benchmarks/serving.md). CloudWatch keeps what is older than three hours by the minute, and an
alarm's periods have ten seconds or more
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html, read 2026-11).

| hooked name of MiniStack | reason |
| --- | --- |
| `lambda_svc._emit_lambda_logs`, `cloudwatch._put_metric_data` | metrics of log lines |
| `cloudwatch._evict_old_metrics` | equal values of a minute are one point that says how many |
| `cloudwatch._evaluate_alarm`, `_describe_alarms`, `_metrics`, `_dims_key` | alarms judge their own metric, in time |
| `cloudwatch._evaluate_all_alarms` | at most once a second |
"""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudwatch, lambda_svc

Point = dict[str, Any]

_MINUTE = 60
# Younger points keep their time, by which alarms of ten seconds judge.
_AS_THEY_CAME_SECONDS = 120
_EVALUATION_SECONDS = 1.0
_OVER = "No datapoint was received, and none is not breaching."


def extract() -> None:
    """Make metrics of what functions log in the embedded metric format, as CloudWatch does and MiniStack does not
    (findings/ministack_embedded_metrics.sh).

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html,
    read 2026-11.
    """
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


def bound() -> None:
    """Keep metrics by the minute, so that memory grows with time and not with requests."""
    settled = 0.0

    def settle() -> None:
        nonlocal settled
        now = time.time()
        if now - settled < _MINUTE:
            return
        settled = now
        for _, points in cloudwatch._metrics.all_items():
            # In place, and never the end: other threads append meanwhile.
            old = _count_before(points, (now - _AS_THEY_CAME_SECONDS) // _MINUTE * _MINUTE)
            points[:old] = by_minute(points[:old], now - cloudwatch.TWO_WEEKS_SECONDS)

    cloudwatch._evict_old_metrics = settle


def by_minute(points: Sequence[Point], since: float) -> list[Point]:
    """Points with the equal values of a minute as one, and how many there were: every statistic of whole minutes stays.

    Args:
        points: as MiniStack keeps them.
        since: time of the first that is kept, in seconds.
    """
    kept: list[Point] = []
    counted: dict[tuple[float, float, str], Point] = {}
    for point in points:
        if point["Timestamp"] < since:
            continue
        if "_stat" in point:  # a statistic set, as it was published
            kept.append(point)
            continue
        minute, count = point["Timestamp"] // _MINUTE * _MINUTE, point.get("Count", 1.0)
        point_of_minute = counted.get(key := (minute, point["Value"], point["Unit"]))
        if point_of_minute is None:
            counted[key] = point_of_minute = {**point, "Timestamp": minute, "Count": 0.0}
            kept.append(point_of_minute)
        point_of_minute["Count"] += count
    return kept


def _count_before(points: Sequence[Point], moment: float) -> int:
    return next((number for number, point in enumerate(points) if point["Timestamp"] >= moment), len(points))


# Dimensions of the alarm that this thread judges, as MiniStack's key of them.
_judged: contextvars.ContextVar[str | None] = contextvars.ContextVar("judged", default=None)


class _Metrics(AccountRegionScopedDict):  # type: ignore[misc]  # MiniStack has no types
    """MiniStack's store of metrics, in which an alarm that is judged finds those with its own dimensions."""

    __slots__ = ()

    def items(self) -> list[tuple[Any, list[Point]]]:
        own = _judged.get()
        return [item for item in super().items() if own is None or item[0][2] == own]


class Soon:
    """A call that is made soon after it is asked for, once for all who ask until then, in the context of the first.

    Args:
        call: what is called.
        later: calls something in a moment, as `threading.Timer` does.
    """

    def __init__(self, call: Callable[[], None], later: Callable[[Callable[[], None]], None]) -> None:
        self._call, self._later = call, later
        self._asked = threading.Lock()

    def __call__(self) -> None:
        """Ask."""
        if self._asked.acquire(blocking=False):
            context = contextvars.copy_context()
            try:
                self._later(lambda: context.run(self._run))
            except RuntimeError:  # no thread can be started
                self._asked.release()

    def _run(self) -> None:
        # Before the call: what is asked from here on may come too late for it.
        self._asked.release()
        self._call()


def judge_alarms_as_cloudwatch_does() -> None:
    """Make an alarm judge its own metric, as time goes by, and not with every datum.

    MiniStack takes every metric of the same name together, whatever its dimensions
    (findings/ministack_alarm_dimensions.sh), and looks at an alarm only when a metric arrives: one that went off before
    the traffic ended would stay so.
    """
    evaluate, evaluate_all, describe = (
        cloudwatch._evaluate_alarm,
        cloudwatch._evaluate_all_alarms,
        cloudwatch._describe_alarms,
    )
    cloudwatch._metrics = _Metrics()
    evaluating = threading.RLock()

    def evaluate_own(alarm: dict[str, Any]) -> None:
        own = cloudwatch._dims_key({item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []})
        token = _judged.set(own)
        try:
            if _is_over(alarm, cloudwatch._metrics):
                alarm["StateValue"], alarm["StateReason"] = "OK", _OVER
                cloudwatch._dispatch_alarm_actions(alarm, "ALARM", "OK", alarm["StateReason"])
            else:
                evaluate(alarm)
        finally:
            _judged.reset(token)

    def evaluate_in_turn() -> None:
        with evaluating:
            evaluate_all()

    def evaluate_and_describe(*arguments: Any, **more: Any) -> Any:
        evaluate_in_turn()
        return describe(*arguments, **more)

    cloudwatch._evaluate_alarm = evaluate_own
    cloudwatch._evaluate_all_alarms = Soon(evaluate_in_turn, _in_a_moment)
    cloudwatch._describe_alarms = evaluate_and_describe


def _in_a_moment(call: Callable[[], None]) -> None:
    timer = threading.Timer(_EVALUATION_SECONDS, call)
    timer.daemon = True
    timer.start()


def _is_over(alarm: Mapping[str, Any], metrics: AccountRegionScopedDict) -> bool:
    """Whether an alarm that went off has no point of its metric in the time that it looks at, and is quiet then."""
    if alarm["StateValue"] != "ALARM" or alarm.get("TreatMissingData") != "notBreaching":
        return False
    begin = time.time() - alarm.get("Period", 60) * alarm.get("EvaluationPeriods", 1)
    name = alarm.get("Namespace"), alarm.get("MetricName")
    return not any(
        point["Timestamp"] >= begin for key, points in metrics.items() if key[:2] == name for point in points
    )
