#!/usr/bin/env bash
# MiniStack 1.5.33 lets an alarm on one endpoint's metric go off because of another endpoint's: it compares names of
# metrics and leaves their dimensions out.
#
# In CloudWatch a metric is a namespace, a name and its dimensions (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring,
# "Dimensions"): data of endpoint `b` never concern an alarm on endpoint `a`, whose state stays INSUFFICIENT_DATA. A test
# on the emulator that a healthy release is kept fails as soon as anything else reports the same metric.
#
# Seen 2026-11-28 with ministack 1.5.33 and boto3 1.43.106 on Python 3.11; only endpoint b has reported errors:
#   alarm on endpoint a: ALARM
#   alarm on endpoint b: ALARM
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
export GATEWAY_PORT BIND_HOST=127.0.0.1
GATEWAY_PORT=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(cd "$folder" && exec "$folder/venv/bin/ministack") > "$folder/log" 2>&1 &
server=$!
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=us-east-1
"$folder/venv/bin/python" - > "$folder/seen" <<'PYTHON'
import os
import time

import boto3
from botocore.exceptions import EndpointConnectionError

cloudwatch = boto3.client("cloudwatch", endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}")
for _ in range(120):
    try:
        cloudwatch.describe_alarms()
        break
    except EndpointConnectionError:
        time.sleep(0.5)
for endpoint in ("a", "b"):
    cloudwatch.put_metric_alarm(
        AlarmName=endpoint,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
cloudwatch.put_metric_data(
    Namespace="AWS/SageMaker",
    MetricData=[
        {"MetricName": "Invocation5XXErrors", "Dimensions": [{"Name": "EndpointName", "Value": "b"}], "Value": 5.0}
    ],
)
deadline = time.monotonic() + 30
while True:
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    if states["b"] == "ALARM" or time.monotonic() > deadline:
        break
    time.sleep(0.5)
for name in ("a", "b"):
    print(f"alarm on endpoint {name}: {states[name]}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
