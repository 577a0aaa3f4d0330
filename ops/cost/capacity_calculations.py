"""Calculations behind docs/capacity.md: instances, concurrent calls, cost of a million predictions, rate limits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from ops.cost import capacity_facts as facts
from ops.cost.charges import Usage
from ops.cost.prediction_cost import WRITES
from ops.cost.prices import PriceTable

REGION = "us-east-1"
MILLION = 1_000_000
# Of as many processors as prod's instance type; in its place where that has no price.
STAND_IN = "ml.m5.xlarge"


def price(key: str) -> float:
    """US dollars of one unit.

    Raises:
        LookupError: the table has no such price.
    """
    found = PriceTable.load().find(REGION, key)
    if found is None:
        raise LookupError(f"ops/cost/prices.json has no price of {key} in {REGION}.")
    return found.usd


def priced_instance() -> str:
    """The instance type that an hour's price is of: prod's, or the one that stands in for it."""
    own = facts.realtime().instance_type
    return own if PriceTable.load().find(REGION, f"AmazonSageMaker/Host:{own}") else STAND_IN


def hourly() -> float:
    """US dollars of an hour of one endpoint instance."""
    return price(f"AmazonSageMaker/Host:{priced_instance()}")


def one_after_another(milliseconds: float) -> float:
    """Predictions a second of processors that take so long for each, one after another, and do nothing else."""
    return 1000 / milliseconds


def target(milliseconds: float) -> int:
    """Invocations a minute for autoscaling to keep, if an instance reached that."""
    return math.floor(one_after_another(milliseconds) * facts.SAFETY * 60)


def instances(per_second: float, per_minute: int, least: int) -> int:
    """Instances that target tracking settles at."""
    return max(least, math.ceil(round(per_second * 60 / per_minute, 9)))


def at_once(per_second: float, seconds: float) -> float:
    """Requests under way on average (Little's law)."""
    return per_second * seconds


def instances_usd(count: int, per_second: float) -> float:
    """US dollars of a million predictions on instances that are there all the time."""
    return count * hourly() / (per_second * 3600) * MILLION


def serverless_usd(seconds: float) -> float:
    """US dollars of a million predictions at a serverless endpoint that takes so long for each."""
    gigabytes = facts.serverless().memory_mb // 1024
    return seconds * price(f"AmazonSageMaker/ServerlessInf:Mem-{gigabytes}GB") * MILLION


def even(count: int, seconds: float) -> float:
    """Predictions a second above which instances cost less than a serverless endpoint."""
    return count * hourly() / (serverless_usd(seconds) / MILLION * 3600)


def predict_seconds(engine: float) -> float:
    """Seconds of one JPEG in Predict, of what was measured: its own and the engine's, without any network."""
    return (facts.PREDICT_MOST.value + engine) / 1000


@dataclasses.dataclass(frozen=True)
class Part:
    """Something that a prediction is charged for beside the endpoint.

    Attributes:
        units: of one prediction.
        key: in the price table.
    """

    what: str
    units: float
    key: str

    @property
    def usd(self) -> float:
        """US dollars of a million predictions."""
        return self.units * price(self.key) * MILLION


def parts() -> list[Part]:
    """All but the endpoint, for one JPEG by LiteRT; those of a DICOM file come last."""
    seconds, gigabytes = predict_seconds(facts.LITERT.value), facts.PREDICT_MEMORY_MB / 1024
    return [
        Part("API Gateway, a request", 1, "AmazonApiGateway/ApiGatewayRequest"),
        Part("Predict, a call", 1, "AWSLambda/Request-ARM"),
        Part(
            f"Predict, {gigabytes:g} GB for {seconds * 1000:.1f} ms; waiting for the network comes on top",
            gigabytes * seconds,
            "AWSLambda/Lambda-GB-Second-ARM",
        ),
        Part(f"DynamoDB, {WRITES} writes", WRITES, "AmazonDynamoDB/WriteRequestUnits"),
        Part(f"logs, {Usage().log_kb:g} KB assumed", Usage().log_kb / 1e6, "AmazonCloudWatch/DataProcessing-Bytes"),
        Part("X-Ray, if each is sampled", 1, "AWSXRay/XRay-TracesStored"),
        Part("AWS WAF, where `api.firewall` is on", 1, "awswaf/RequestV2-Tier1"),
        Part("for a DICOM file: Dicom, a call", 1, "AWSLambda/Request-ARM"),
        Part(
            f"Dicom, and Predict that waits for it, for {facts.DICOM.value:g} s",
            facts.DICOM.value * (facts.DICOM_MEMORY_MB / 1024 + gigabytes),
            "AWSLambda/Lambda-GB-Second-ARM",
        ),
    ]


@dataclasses.dataclass(frozen=True)
class Limit:
    """A rate above which a part turns requests away, or slows down.

    Attributes:
        prod: requests a second in prod; None where it has none.
        dev: the same in dev.
        answer: what a client gets above it.
        seen: where an operator sees it.
    """

    what: str
    prod: float | None
    dev: float | None
    answer: str
    seen: str


def limits() -> list[Limit]:
    """Every limit, the one that prod meets first at the top."""
    found = [*_limits_of_the_api(), *_limits_of_the_endpoint(), *_limits_of_accounts()]
    return sorted(found, key=lambda limit: (limit.prod is None, limit.prod or limit.dev or 0))


_REFUSED = "dashboard, *API*: *Share of requests that fail* (4XXError); no alarm"


def _limits_of_the_api() -> Iterator[Limit]:
    prod, dev = facts.settings("prod").api, facts.settings("dev").api
    address = [api.firewall.requests_per_five_minutes / 300 if api.firewall.enabled else None for api in (prod, dev)]
    yield Limit(
        "`api.requests_per_day`, all day long",
        prod.requests_per_day / 86_400,
        dev.requests_per_day / 86_400,
        "429 `quota_exceeded`",
        _REFUSED,
    )
    yield Limit(
        "`api.firewall.requests_per_five_minutes`, one address",
        address[0],
        address[1],
        "403 `refused_by_firewall`",
        "metric `BlockedRequests` of AWS/WAFV2, rule `TooManyRequests`; not on the dashboard",
    )
    yield Limit(
        "`api.requests_per_second`, one key",
        prod.requests_per_second,
        dev.requests_per_second,
        "429 `throttled`",
        _REFUSED,
    )
    yield Limit(
        "`api.stage_requests_per_second`, all clients",
        prod.stage_requests_per_second,
        dev.stage_requests_per_second,
        "429 `throttled`",
        _REFUSED,
    )


def _limits_of_the_endpoint() -> Iterator[Limit]:
    endpoint, small = facts.realtime(), facts.serverless()
    each = endpoint.scaling.invocations_per_minute / 60
    load = "dashboard, *Endpoint*: *Load (%)*, *Latency (µs)*; alarm [endpoint-latency](runbooks.md#endpoint-latency)"
    yield Limit(
        f"`endpoint.instance_count`: above it there come more than {endpoint.instance_count} instances",
        endpoint.instance_count * each,
        None,
        "answers, slower until the new instance is there (minutes)",
        "dashboard, *Endpoint*: *Invocations*, *Load (%)*",
    )
    yield Limit(
        f"`endpoint.scaling.max_instances` at their target: no more than {endpoint.scaling.max_instances} come",
        endpoint.scaling.max_instances * each,
        None,
        "slower answers, then 504 `model_timeout`",
        load,
    )
    for name, engine in facts.ENGINES.items():
        yield Limit(
            f"the processors of {endpoint.instance_count} instances, as measured for one request after another, {name}",
            endpoint.instance_count * one_after_another(engine.value),
            None,
            "slower answers, then 504 `model_timeout`",
            load,
        )
    yield Limit(
        f"`endpoint.max_concurrency` {small.max_concurrency}, where a request takes 1 s",
        None,
        small.max_concurrency,
        "429 `throttled`",
        "dashboard, *Endpoint*: *Cold starts (µs)*, *Latency (µs)*; *API*: 4XXError",
    )


def _limits_of_accounts() -> Iterator[Limit]:
    throttled = "dashboard, *Functions*: *Throttles*; alarm [predict-throttles](runbooks.md#predict-throttles)"
    for what, seconds in (
        (f"each taking all of Predict's {facts.PREDICT_TIMEOUT_SECONDS} s", float(facts.PREDICT_TIMEOUT_SECONDS)),
        ("each taking 1 s", 1.0),
    ):
        rate = facts.LAMBDA_CONCURRENCY.value / seconds
        yield Limit(f"Lambda's calls at once, {what}", rate, rate, "the gateway's error", throttled)
    rate = facts.API_RATE.value
    yield Limit("API Gateway's requests of an account", rate, rate, "429 `throttled`", _REFUSED)
