#!/usr/bin/env bash
# MiniStack 1.5.33 answers S3's GetObject with the whole object, status 200, where a request names both a Range and a
# VersionId; without VersionId the range is honoured with 206, as S3 does in both cases.
#
# RFC 9110 (14.2) lets a server ignore a range, so a reader has to look at the status or Content-Range before it takes
# the first bytes of the answer for those it asked for. One that reads an archive piece by piece, at the version that an
# event named, gets the beginning of the file again and again.
#
# Seen 2026-11-28 with ministack 1.5.33 and boto3 1.43.106 on Python 3.11, asking for bytes 10 to 13 of 100:
#   without VersionId: 206, 4 bytes, bytes 10-13/100
#   with VersionId: 200, 100 bytes, no Content-Range
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
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

endpoint = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
for _ in range(120):
    try:
        s3.create_bucket(Bucket="files")
        break
    except EndpointConnectionError:
        time.sleep(0.5)
s3.put_bucket_versioning(Bucket="files", VersioningConfiguration={"Status": "Enabled"})
version = s3.put_object(Bucket="files", Key="archive", Body=bytes(range(100)))["VersionId"]
for title, named in (("without VersionId", {}), ("with VersionId", {"VersionId": version})):
    answer = s3.get_object(Bucket="files", Key="archive", Range="bytes=10-13", **named)
    status, told = answer["ResponseMetadata"]["HTTPStatusCode"], answer.get("ContentRange", "no Content-Range")
    print(f"{title}: {status}, {len(answer['Body'].read())} bytes, {told}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
