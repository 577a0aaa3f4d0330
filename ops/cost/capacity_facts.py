"""Facts behind docs/capacity.md: serving times that docs/benchmarks measured, quotas of AWS, rates of requests."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

from infra.settings.endpoint import RealtimeEndpoint, ServerlessEndpoint
from infra.settings.environment import Settings
from infra.settings.section import MAX_ENDPOINT_BYTES, MAX_IMAGE_BYTES, MAX_SERVERLESS_IMAGE_BYTES
from ops.base.tools import REPOSITORY
from ops.cost.prediction_cost import LONGEST_INFERENCE_SECONDS
from ops.cost.scale_facts import Measured, ServiceLimit

MACHINE = "two shared cores of\nan AMD EPYC with AVX-512 BF16"
"""The machine of every time here, as docs/benchmarks begins with it."""
# Milliseconds of one JPEG of 1,300 x 1,000 pixels at 220 px, decoded in the engine, one after another on both cores.
LITERT = Measured(11.0, "Engines", "| LiteRT | 11.0 ms | 10.6 ms |")
GRAPH = Measured(29.3, "Engines", "| exported graph | 29.3 ms | 27.7 ms |")
ENGINES = {"LiteRT": LITERT, "TensorFlow Serving's graph": GRAPH}
# Milliseconds that Predict itself takes, beside the endpoint and DynamoDB.
PREDICT_LEAST = Measured(0.03, "What the Predict function adds", "| a request with 8 KB (400 each) | 0.03 ms |")
PREDICT_MOST = Measured(2.21, "What the Predict function adds", "| with 4 MB and an `Idempotency-Key` | 2.21 ms |")
# Seconds of a processor that the Dicom function takes for one file, without its imports.
DICOM = Measured(0.43, "Converting DICOM", "| JPEG 2000 | 3,000 x 2,496 | 1.15 s, 290 MB | 0.43 s, 138 MB |")
DEAREST = Measured(1.30, "The dearest request", "| PNG, RGBA, 16 bits | 8 million | 1.30 | 0.29 |")

# infra/api/api_stack.py, whose templates a test compares.
PREDICT_MEMORY_MB, PREDICT_TIMEOUT_SECONDS = 1024, 29
DICOM_MEMORY_MB = 1769

# "SageMaker AI recommends that you start testing with a SAFETY_FACTOR of 0.5" (developer guide,
# endpoint-scaling-loadtest, read 2026-11).
SAFETY = 0.5
PER_DAY = 500
"""Radiographs of a hospital's day, assumed: three times the emergency department of MIMIC-CXR, whose 377,110 images are
of 2011 to 2016 (doi.org/10.1038/s41597-019-0322-0)."""
BUSIEST_HOUR = 0.15
"""Share of a day's radiographs in its busiest hour, assumed; 1 / 24 would be an even day."""


@dataclasses.dataclass(frozen=True)
class Load:
    """A rate of predictions.

    Attributes:
        title: in a table.
        per_second: mean rate, by which costs are reckoned.
        busiest: rate that has to be served.
    """

    title: str
    per_second: float
    busiest: float


LOADS = (
    Load(f"{PER_DAY} a day", PER_DAY / 86_400, PER_DAY * BUSIEST_HOUR / 3600),
    *(Load(f"{rate:g}", rate, rate) for rate in (0.1, 1, 10, 50)),
)

LAMBDA_CONCURRENCY = ServiceLimit(
    "Lambda: calls at once of all functions of an account and region",
    1_000,
    "Lambda's developer guide, gettingstarted-limits, read 2026-11; a new account has fewer until AWS raises it",
)
API_RATE = ServiceLimit(
    "API Gateway: requests a second of all APIs of an account and region",
    10_000,
    "API Gateway's developer guide, limits, read 2026-11; 2,500 in thirteen of the newer regions",
)
_MODEL = "botocore 1.43's service model"
QUOTAS = (
    LAMBDA_CONCURRENCY,
    ServiceLimit(
        "Lambda: more calls at once of one function, every ten seconds",
        1_000,
        "Lambda's developer guide, scaling-behavior, read 2026-11",
    ),
    ServiceLimit(
        "Lambda: bytes of an image in a request",
        MAX_IMAGE_BYTES,
        "6 MB with the base64 and the fields of API Gateway (`infra/settings/section.py`)",
    ),
    API_RATE,
    ServiceLimit(
        "API Gateway: seconds until it gives up",
        PREDICT_TIMEOUT_SECONDS,
        "integration timeout of a REST API (`infra/api/api_stack.py`)",
    ),
    ServiceLimit("InvokeEndpoint: bytes of a body", MAX_ENDPOINT_BYTES, "`infra/settings/section.py`", "BodyBlob"),
    ServiceLimit("the same, serverless", MAX_SERVERLESS_IMAGE_BYTES, "`infra/settings/section.py`"),
    ServiceLimit(
        "InvokeEndpoint: seconds of an answer", int(LONGEST_INFERENCE_SECONDS), "`ops/cost/prediction_cost.py`"
    ),
    ServiceLimit("serverless: calls at once of one endpoint", 200, _MODEL, "ServerlessMaxConcurrency"),
    ServiceLimit(
        "serverless: calls at once of all endpoints of a new account",
        10,
        "what an account was given, repost.aws/questions/QUY0gXNLrdTH6eqqA4hv5FeA, read 2026-11; ask Service Quotas",
    ),
)


@cache
def settings(environment: str) -> Settings:
    """The settings of an environment of cdk.json."""
    context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    return Settings.load({**context, "env": environment})


def realtime() -> RealtimeEndpoint:
    """The endpoint of prod."""
    endpoint = settings("prod").endpoint
    if not isinstance(endpoint, RealtimeEndpoint):
        raise TypeError("The endpoint of prod is not on instances.")
    return endpoint


def serverless() -> ServerlessEndpoint:
    """The endpoint of dev."""
    endpoint = settings("dev").endpoint
    if not isinstance(endpoint, ServerlessEndpoint):
        raise TypeError("The endpoint of dev is not serverless.")
    return endpoint
