#!/usr/bin/env bash
# MiniStack 1.5.33 makes no metrics of what a function logs in CloudWatch's embedded metric format: the line is in the
# log group, and CloudWatch's answer to ListMetrics is empty, without a word.
#
# CloudWatch extracts them of every such line that a Lambda function writes to its output
# (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring, "Embedding metrics within logs"), which is how Powertools'
# Metrics sends all of its figures. A test on the emulator that an alarm goes off by them, or that they are sent at all,
# waits for ever.
#
# Seen 2026-11-29 with ministack 1.5.33 and boto3 1.43.106 on Python 3.11:
#   lines in the embedded metric format in the log group: 1
#   metrics of their namespace: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
export GATEWAY_PORT BIND_HOST=127.0.0.1 LAMBDA_EXECUTOR=local
GATEWAY_PORT=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(cd "$folder" && exec "$folder/venv/bin/ministack") > "$folder/log" 2>&1 &
server=$!
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=us-east-1
"$folder/venv/bin/python" - > "$folder/seen" <<'PYTHON'
import io
import os
import time
import zipfile

import boto3
from botocore.exceptions import EndpointConnectionError

CODE = """
import json
import time


def handle(event, context):
    directive = {"Namespace": "Example", "Dimensions": [["Outcome"]], "Metrics": [{"Name": "Requests", "Unit": "Count"}]}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": about, "Outcome": "predicted", "Requests": 1}))
    return "counted"
"""
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w") as archive:
    archive.writestr("counting.py", CODE)

address = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
functions, logs, cloudwatch = (boto3.client(name, endpoint_url=address) for name in ("lambda", "logs", "cloudwatch"))
for _ in range(120):
    try:
        cloudwatch.list_metrics()
        break
    except EndpointConnectionError:
        time.sleep(0.5)
functions.create_function(
    FunctionName="counting",
    Runtime="python3.12",
    Role="arn:aws:iam::000000000000:role/example",
    Handler="counting.handle",
    Code={"ZipFile": packed.getvalue()},
)
answer = functions.invoke(FunctionName="counting")
assert b"counted" in answer["Payload"].read(), answer
deadline = time.monotonic() + 30
while True:
    try:
        events = logs.filter_log_events(logGroupName="/aws/lambda/counting")["events"]
    except logs.exceptions.ResourceNotFoundException:
        events = []
    embedded = [one for one in events if '"_aws"' in one["message"]]
    if embedded or time.monotonic() > deadline:
        break
    time.sleep(0.5)
time.sleep(5)
print(f"lines in the embedded metric format in the log group: {len(embedded)}")
print(f"metrics of their namespace: {len(cloudwatch.list_metrics(Namespace='Example')['Metrics'])}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
