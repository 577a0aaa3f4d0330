#!/usr/bin/env bash
# MiniStack 1.5.33 leaves the time to live out that a template gives a DynamoDB table, without a word: the stack is made,
# DescribeTimeToLive answers DISABLED, and items that have expired stay for good.
#
# CloudFormation enables it by `TimeToLiveSpecification`
# (docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html), and DynamoDB removes
# what has expired. By UpdateTimeToLive MiniStack does so too, once a minute: a table that a test deploys grows for ever,
# and a test that something is gone at its time fails or is never written.
#
# Seen 2026-11-29 with ministack 1.5.33 and boto3 1.43.106 on Python 3.11; the same table, by a template and by the API:
#   by a template: CREATE_COMPLETE, time to live DISABLED, expired items after 70 seconds: 1
#   by UpdateTimeToLive: time to live ENABLED, expired items after 70 seconds: 0
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
import json
import os
import time

import boto3
from botocore.exceptions import EndpointConnectionError

address = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
cloudformation, dynamodb = (boto3.client(name, endpoint_url=address) for name in ("cloudformation", "dynamodb"))
for _ in range(120):
    try:
        dynamodb.list_tables()
        break
    except EndpointConnectionError:
        time.sleep(0.5)
table = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ttl = {"AttributeName": "expires_at", "Enabled": True}
properties = {**table, "TableName": "template", "TimeToLiveSpecification": ttl}
resources = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}
cloudformation.create_stack(StackName="example", TemplateBody=json.dumps({"Resources": resources}))
cloudformation.get_waiter("stack_create_complete").wait(StackName="example", WaiterConfig={"Delay": 1})
status = cloudformation.describe_stacks(StackName="example")["Stacks"][0]["StackStatus"]
dynamodb.create_table(TableName="api", **table)
dynamodb.update_time_to_live(TableName="api", TimeToLiveSpecification=ttl)
for name in ("template", "api"):
    item = {"id": {"S": "old"}, "expires_at": {"N": str(int(time.time()) - 3600)}}
    dynamodb.put_item(TableName=name, Item=item)
time.sleep(70)
for name, said in (("template", f"by a template: {status}, "), ("api", "by UpdateTimeToLive: ")):
    told = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"]
    kept = dynamodb.scan(TableName=name)["Count"]
    print(f"{said}time to live {told}, expired items after 70 seconds: {kept}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
