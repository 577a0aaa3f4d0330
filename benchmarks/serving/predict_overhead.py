"""Overhead of the Predict function in a prediction: its cold import, and its own time for one request.

    python -m benchmarks.serving.predict_overhead

The import is that of the handler with its clients, in a fresh interpreter, as Lambda's initialisation does it; the time
for a request is everything but the endpoint and DynamoDB, which answer at once here: reading the event, base64, checks,
hashing, the answer, the log.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from local.samples.sample_archive import write_examples

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "ENDPOINT_NAME": "cxr-dev",
    "MAX_IMAGE_BYTES": "4500000",
    "MAX_UPLOAD_BYTES": "6291456",
    "DICOM_FUNCTION_NAME": "dicom",
    "UPLOAD_BUCKET": "bucket",
    "PREDICTIONS_TABLE": "predictions",
    "REQUESTS_TABLE": "requests",
    "KEEP_DAYS": "30",
    "OUTSIDE_INTENDED_POPULATION": "refuse",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}
RUNS = 15
REQUESTS = 400
_IMPORT = "import time; start = time.perf_counter(), time.process_time(); import lambdas.predict.handler; " \
          "print(time.perf_counter() - start[0], time.process_time() - start[1])"  # fmt: skip
_ANSWER = json.dumps(
    {
        "predictions": [
            {
                "probability": 0.93,
                "logit": 2.6,
                "label": "PNEUMONIA",
                "indeterminate": False,
                "out_of_distribution_score": 0.4,
            }
        ],
        "model": {
            "package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/12",
            "threshold": 0.42,
            "indeterminate": {"low": 0.3, "high": 0.6},
            "image_size": 220,
            "dataset_sha256": "ab" * 32,
            "engine": "tensorflow",
        },
    }
).encode()


class Instant:
    """The endpoint and DynamoDB, which answer without any delay."""

    def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
        """InvokeEndpoint."""
        return {"Body": io.BytesIO(_ANSWER)}

    def put_item(self, **_: Any) -> None:
        """PutItem."""

    def delete_item(self, **_: Any) -> None:
        """DeleteItem."""


def import_seconds() -> tuple[float, float]:
    """Wall and processor time of one cold import of the handler, with its byte-code there."""
    ran = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _IMPORT],
        cwd=REPOSITORY,
        env={**ENVIRONMENT, "PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, processor = map(float, ran.stdout.split())
    return wall, processor


def request_seconds(image: bytes, *, key: bool) -> list[float]:
    """The function's own time for each of REQUESTS predictions of an image; with `key` each has an Idempotency-Key."""
    os.environ.update(ENVIRONMENT)
    from lambdas.predict.environment import Environment  # noqa: PLC0415 - the variables have to be there
    from lambdas.predict.handler import build  # noqa: PLC0415

    api, instant = build(Environment.load()), Instant()
    object.__setattr__(api.predictions.model, "runtime", instant)
    object.__setattr__(api.predictions.results, "dynamodb", instant)
    object.__setattr__(api.predictions.requests, "dynamodb", instant)
    body, seconds = base64.b64encode(image).decode(), []
    for number in range(REQUESTS):
        event = {
            "resource": "/v1/predictions",
            "httpMethod": "POST",
            "headers": {"content-type": "image/jpeg", **({"idempotency-key": str(number)} if key else {})},
            "requestContext": {"requestId": str(number), "identity": {"apiKeyId": "client"}},
            "body": body,
            "isBase64Encoded": True,
        }
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            answer = api.answer(event)
        seconds.append(time.perf_counter() - started)
        if answer["statusCode"] != 200:
            raise RuntimeError(answer["body"])
    return seconds


def main() -> None:
    """Measure and print."""
    import_seconds()  # writes byte-code
    runs = [import_seconds() for _ in range(RUNS)]
    for name, values in zip(("wall", "processor"), zip(*runs, strict=True), strict=True):
        print(f"cold import, {name} time: median {statistics.median(values) * 1000:.0f} ms, "
              f"best {min(values) * 1000:.0f} ms, worst {max(values) * 1000:.0f} ms")  # fmt: skip
    folder = REPOSITORY / "build" / "predict_overhead"
    folder.mkdir(parents=True, exist_ok=True)
    small = write_examples(folder)[0].read_bytes()
    for image in (small, small.ljust(400_000, b"\0"), small.ljust(4_000_000, b"\0")):
        for key in (False, True):
            seconds = sorted(request_seconds(image, key=key))
            median, late = statistics.median(seconds) * 1000, seconds[int(0.95 * len(seconds))] * 1000
            named = f"{len(image) / 1000:,.0f} KB{', Idempotency-Key' if key else ''}"
            print(f"request, {named}: median {median:.2f} ms, 95 % {late:.2f} ms")


if __name__ == "__main__":
    main()
