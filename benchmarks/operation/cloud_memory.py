"""Memory that predictions leave in the laptop's cloud (metrics, logs, tables), and the time that its alarms take.

    python -m benchmarks.operation.cloud_memory
    python -m benchmarks.operation.cloud_memory --emulator-alone   # without what this project lets go

Writes into MiniStack's services, in this process and on a clock of its own, what one prediction after the other
writes: the function's and the container's log lines, the endpoint's and the function's metrics, the kept record. No
network, function or model is in it. Tells the size of each store by its objects and of the process by proc(5), and the
processor time of one evaluation of two alarms like the endpoint's (an average and a p90 over a quarter of an hour).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import time
import timeit
import types
import uuid
from collections import Counter
from typing import Any

import numpy as np
from ministack.services import cloudwatch, cloudwatch_logs, dynamodb, lambda_svc

from benchmarks.operation.processes import megabytes
from lambdas.predict import log
from lambdas.predict.endpoint_invocation import Prediction
from lambdas.predict.results import Results
from local.core import metrics, retention
from local.hosting import endpoint_metrics

_GROUP, _STREAM, _TABLE = "/aws/sagemaker/Endpoints/cxr", "AllTraffic/i-0", "predictions"
_DIMENSIONS = [{"Name": "EndpointName", "Value": "cxr"}, {"Name": "VariantName", "Value": "AllTraffic"}]
_STORES = {
    "metrics": (cloudwatch, "_metrics"),
    "log streams": (cloudwatch_logs, "_log_groups"),
    "log records": (cloudwatch_logs, "_log_records"),
    "tables": (dynamodb, "_tables"),
}


def prepare() -> None:
    """Make the table, the container's log and the alarms."""
    key = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    dynamodb._create_table(
        {"TableName": _TABLE, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], **key}
    )
    expires = {"AttributeName": "expires_at", "Enabled": True}
    dynamodb._update_ttl({"TableName": _TABLE, "TimeToLiveSpecification": expires})
    cloudwatch_logs._create_log_group({"logGroupName": _GROUP})
    cloudwatch_logs._create_log_stream({"logGroupName": _GROUP, "logStreamName": _STREAM})
    common = {"Namespace": "AWS/SageMaker", "Dimensions": _DIMENSIONS, "Period": 300, "EvaluationPeriods": 3}
    above = {"Threshold": 1e9, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
    for metric, statistic in (
        ("Invocation5XXErrors", {"Statistic": "Average"}),
        ("ModelLatency", {"ExtendedStatistic": "p90"}),
    ):
        alarm = {"AlarmName": metric, "MetricName": metric, **statistic, **common, **above}
        cloudwatch._put_metric_alarm({}, alarm, is_cbor=False, is_json=True)


def predict(results: Results, now: float) -> None:
    """Write what one prediction writes, but for its endpoint's metrics."""
    identifier = str(uuid.uuid4())
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        counted = log.count("ChestXray/Api", "Requests", Endpoint="cxr", Outcome="predicted")
        log.write("INFO", "answered", status=200, ms=20, request_id=identifier, path="/v1/predictions", **counted)
    function = {"config": {"FunctionName": "predict", "MemorySize": 512}}
    lambda_svc._emit_lambda_logs(function, identifier, said.getvalue(), False, 20)
    line = 'INFO serving: "POST /invocations HTTP/1.1" 200 -'
    event = {"timestamp": int(now * 1000), "message": line}
    cloudwatch_logs._put_log_events({"logGroupName": _GROUP, "logStreamName": _STREAM, "logEvents": [event]})
    model = {"package_arn": f"arn:aws:sagemaker:us-east-1:000000000000:model-package/cxr/1{'':20}"}
    model["served_sha256"] = "0" * 64
    image = {"probability": 0.114, "label": "NORMAL", "indeterminate": False}
    answer = {"id": identifier, **image, "threshold": 0.305, "model": model, "guarantee": None, "text": " " * 400}
    results.keep(answer, Prediction(image, 0.305, model, features=tuple(np.arange(8) / 7)))


def publish(seconds: Counter[float], *, aggregated: bool) -> None:
    """Publish a second's latencies with the invocations' other metrics, as `EndpointMetrics` does, or one by one."""
    number = sum(seconds.values())
    counts = {name: Counter({0.0: number}) for name in ("Invocation4XXErrors", "Invocation5XXErrors")}
    latency = Counter({endpoint_metrics._rounded(value * 1e6): count for value, count in seconds.items()})
    named = {"Invocations": Counter({1.0: number}), **counts, "ModelLatency": latency, "OverheadLatency": latency}
    data = [
        {**datum, "Timestamp": time.time()}
        for name, values in named.items()
        for datum in endpoint_metrics._data(("cxr", "cxr-1", "AllTraffic", name, "None"), values)
    ]
    if not aggregated:
        single = [{key: value for key, value in datum.items() if key not in ("Values", "Counts")} for datum in data]
        data = [
            {**metric, "Value": value}
            for metric, datum in zip(single, data, strict=True)
            for value, count in zip(datum["Values"], datum["Counts"], strict=True)
            for _ in range(int(count))
        ]
    cloudwatch._evict_old_metrics()
    cloudwatch._put_metric_data({}, {"Namespace": "AWS/SageMaker", "MetricData": data}, is_cbor=False, is_json=True)


def size(found: Any) -> int:
    """Bytes of an object and of what it holds."""
    seen, ahead, total = set[int](), [found], 0
    while ahead:
        item = ahead.pop()
        if id(item) in seen or isinstance(item, types.ModuleType | types.FunctionType | type):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        if isinstance(item, dict):
            ahead += [*item, *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            ahead += item
        elif hasattr(item, "_data"):
            ahead.append(item._data)
    return total


def main() -> None:
    """Print a line for every sixth of the predictions."""
    parser = argparse.ArgumentParser(description="Memory that predictions leave in the laptop's cloud.")
    parser.add_argument("--predictions", type=int, default=30_000, help="how many (30,000)")
    parser.add_argument("--rate", type=int, default=28, help="a second, on the clock of the measurement (28)")
    parser.add_argument("--emulator-alone", action="store_true", help="keep everything, as MiniStack does")
    options = parser.parse_args()
    begun, clock = time.time(), [time.time()]
    time.time = lambda: clock[0]  # what MiniStack takes for now
    evaluate = cloudwatch._evaluate_all_alarms
    cloudwatch._evaluate_all_alarms = lambda: None  # they are timed alone
    metrics.extract()
    if not options.emulator_alone:
        metrics.bound()
        retention.expire()
    prepare()
    table = types.SimpleNamespace(put_item=lambda **request: dynamodb._put_item(json.loads(json.dumps(request))))
    results = Results(table, _TABLE, 30 * 86_400)
    latencies = np.random.default_rng(0).lognormal(np.log(0.02), 0.4, options.predictions)
    print(f"{'predictions':>12}{'process':>10}", *(f"{name:>13}" for name in _STORES), f"{'alarms':>10}")
    second: Counter[float] = Counter()
    for number, latency in enumerate(latencies):
        if number % (options.predictions // 6) == 0:
            tell(number, evaluate)
        predict(results, clock[0])
        second[float(latency)] += 1
        clock[0] = begun + (number + 1) / options.rate
        if (number + 1) % options.rate == 0:
            publish(second, aggregated=not options.emulator_alone)
            second.clear()
    tell(options.predictions, evaluate)


def tell(number: int, evaluate: Any) -> None:
    """Print memory in MB, and the milliseconds of an evaluation of the alarms, the least of three."""
    gc.collect()
    milliseconds = min(timeit.repeat(evaluate, timer=time.process_time, number=1, repeat=3)) * 1000
    sizes = [size(getattr(module, name)) / 1e6 for module, name in _STORES.values()]
    resident = megabytes(os.getpid())[0] * 1.048576
    print(
        f"{number:>12,}{resident:>7.0f} MB",
        *(f"{megabytes:>10.1f} MB" for megabytes in sizes),
        f"{milliseconds:>7.1f} ms",
    )


if __name__ == "__main__":
    main()
