"""Processor time that an answer in DICOM adds to a prediction, and to the start of functions that are asked for none.

    python -m benchmarks.dicom.result [--before COMMIT]

One radiograph of an ordinary detector, asked for in JSON with an overlay, as a report, and as a report with a picture,
in turn: the processor time of the Predict function with the two that it asks in its process, warm, without network,
model and DynamoDB, which answer at once. Then the imports that are a cold start's own part, in fresh interpreters: of
each function here and, in turn with them, of COMMIT's.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.dicom.conversion import SIZES, SYNTAXES, drawn
from benchmarks.serving.predict_overhead import ENVIRONMENT, REPOSITORY, Instant

FORMS = {
    "JSON": ("application/json", "true"),
    "a report": ("application/dicom", "false"),
    "a report and a picture": ('multipart/related; type="application/dicom"', "true"),
}
HANDLERS = ("predict", "dicom", "dicom_result")
_IMPORT = "import time; start = time.process_time(); import lambdas.{}.handler; print(time.process_time() - start)"


class _Model(Instant):
    """The endpoint, with a map of as many pixels as the network sees."""

    def __init__(self) -> None:
        heat = Image.fromarray(np.random.default_rng(3).integers(0, 256, (16, 16, 4), dtype=np.uint8))
        buffer = io.BytesIO()
        heat.resize((220, 220), Image.Resampling.BILINEAR).save(buffer, "PNG")
        answer = json.loads(Instant().invoke_endpoint()["Body"].read())
        answer["predictions"][0]["overlay_png"] = base64.b64encode(buffer.getvalue()).decode("ascii")
        self._answer = json.dumps(answer).encode()

    def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
        """InvokeEndpoint."""
        return {"Body": io.BytesIO(self._answer)}


class _Functions:
    """Lambda, with the functions in this process."""

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - botocore's names
        """Invoke."""
        from lambdas.dicom import handler as dicom  # noqa: PLC0415 - of which some measure the import
        from lambdas.dicom_result import handler as dicom_result  # noqa: PLC0415

        handle = {"dicom": dicom.handle, "dicom-result": dicom_result.handle}[FunctionName]
        return {"Payload": io.BytesIO(json.dumps(handle(json.loads(Payload), None)).encode())}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--before", metavar="COMMIT", help="a commit whose functions are imported beside these")
    chosen = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    _print_requests(chosen.rounds)
    with tempfile.TemporaryDirectory() as folder:
        trees = {"here": REPOSITORY}
        if chosen.before:
            packed = subprocess.run(  # noqa: S603
                ["git", "archive", chosen.before],  # noqa: S607
                cwd=REPOSITORY,
                capture_output=True,
                check=True,
            )
            with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
                archive.extractall(folder, filter="data")
            trees["before"] = Path(folder)
        _print_imports(trees, chosen.rounds)


def _print_requests(rounds: int) -> None:
    from lambdas.predict.environment import Environment  # noqa: PLC0415 - the variables have to be there
    from lambdas.predict.handler import build  # noqa: PLC0415

    api = build(Environment.load({**ENVIRONMENT, "DICOM_RESULT_FUNCTION_NAME": "dicom-result"}))
    parts = api.predictions
    instant = _Model()
    for part, name, value in (
        (parts.model, "runtime", instant),
        (parts, "hurried_model", lambda: parts.model),  # on a machine that is busy, converting takes long
        (parts.results, "dynamodb", instant),
        (parts.dicom.function, "client", _Functions),
        (parts.dicom_result.function if parts.dicom_result else None, "client", _Functions),
    ):
        object.__setattr__(part, name, value)
    body = base64.b64encode(drawn(SIZES["ordinary"], SYNTAXES["JPEG 2000"])).decode()
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for number in range(rounds + 1):
        for form, (accepted, explain) in FORMS.items():
            event = {
                "resource": "/v1/predictions",
                "httpMethod": "POST",
                "headers": {"content-type": "application/dicom", "accept": accepted},
                "queryStringParameters": {"explain": explain},
                "body": body,
                "isBase64Encoded": True,
            }
            started = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                answer = api.answer(event)
            took = time.process_time() - started
            if answer["statusCode"] != 200:
                raise RuntimeError(answer["body"])
            if number:  # the first of each warms up
                seconds[form].append(took)
    base = statistics.median(seconds["JSON"])
    for form, times in seconds.items():
        median = statistics.median(times)
        added = statistics.median(first - other for first, other in zip(times, seconds["JSON"], strict=True))
        print(
            f"{form}: median {median * 1000:.0f} ms, {median / base:.2f} of JSON's, {added * 1000:+.0f} ms", flush=True
        )


def _print_imports(trees: dict[str, Path], rounds: int) -> None:
    seconds: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for handler in HANDLERS:
            for name, tree in trees.items():
                if not (tree / "lambdas" / handler).is_dir():
                    continue
                ran = subprocess.run(  # noqa: S603 - this interpreter
                    [sys.executable, "-c", _IMPORT.format(handler)],
                    cwd=tree,
                    env={**ENVIRONMENT, "PATH": os.environ.get("PATH", "")},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                if number:  # the first of each writes byte-code
                    seconds.setdefault((handler, name), []).append(float(ran.stdout))
    for (handler, name), times in seconds.items():
        median = statistics.median(times)
        before = seconds.get((handler, "before"))
        ratio = f", {median / statistics.median(before):.2f} of before" if before and name == "here" else ""
        print(f"import of {handler}, {name}: median {median * 1000:.0f} ms, best {min(times) * 1000:.0f} ms{ratio}")


if __name__ == "__main__":
    main()
