"""Traffic shifting of a blue/green deployment: all at once, canary or linear, and rollback by an alarm."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.core.api import ApiError
from local.hosting.traffic import Rollout, rollout
from tests.local.fake_cloud import wait_for
from tests.local.hosted import FAILS, variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.hosted import Hosting


def deployment(
    kind: str, value: int, *, size: str = "CAPACITY_PERCENT", wait: int = 2, stay: int = 0
) -> dict[str, Any]:
    sizes = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": wait}
    if kind in sizes:
        routing[sizes[kind]] = {"Type": size, "Value": value}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": stay}
    return {"BlueGreenUpdatePolicy": policy, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}


@pytest.mark.parametrize(
    ("configured", "instances", "shares"),
    [
        (deployment("CANARY", 10), 2, (0.1, 1.0)),
        (deployment("CANARY", 1, size="INSTANCE_COUNT"), 2, (0.5, 1.0)),
        (deployment("LINEAR", 25), 4, (0.25, 0.5, 0.75, 1.0)),
        (deployment("LINEAR", 40), 4, (0.4, 0.8, 1.0)),
        (deployment("ALL_AT_ONCE", 0), 2, (1.0,)),
    ],
)
def test_shares_of_the_traffic(configured: dict[str, Any], instances: int, shares: tuple[float, ...]) -> None:
    way = rollout(configured, instances)
    assert way.shares == pytest.approx(shares)
    assert (way.wait_seconds, way.alarms) == (2, ("errors",))


def test_without_a_configuration_everything_moves_at_once() -> None:
    assert rollout(None, 2) == Rollout((1.0,), 0, 0, ())


@pytest.mark.parametrize(
    "configured",
    [
        deployment("CANARY", 60),
        deployment("LINEAR", 5),
        {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                "WaitIntervalInSeconds": 0,
            }
        },
        {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY", "WaitIntervalInSeconds": 1}}},
    ],
    ids=["canary of more than half", "steps below a tenth", "rolling", "canary of no size"],
)
def test_what_sagemaker_refuses_is_refused(configured: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="ValidationException"):
        rollout(configured, 2)


@pytest.fixture(scope="module")
def released(hosting: Hosting) -> str:
    """An endpoint that serves the model `good`."""
    return hosting.endpoint("released", hosting.config("good", hosting.model("good")))


PERIOD_SECONDS = 10


def put_alarm(cloudwatch: Any, name: str, **of: str) -> None:
    """Make an alarm on the share of server errors of the variant, with more dimensions."""
    dimensions = {"VariantName": "AllTraffic", **of}
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        Statistic="Average",
        Period=PERIOD_SECONDS,
        EvaluationPeriods=1,
        Threshold=0.2,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )


@pytest.fixture
def alarmed(hosting: Hosting, released: str) -> str:
    """An alarm on the endpoint's share of server errors, quiet now."""
    cloudwatch = hosting.client("cloudwatch")
    cloudwatch.delete_alarms(AlarmNames=["errors"])
    put_alarm(cloudwatch, "errors", EndpointName=released)

    since = time.monotonic()

    def quiet() -> bool:
        """Failures of a test before this one stay in the alarm's period, and the endpoint may publish them late."""
        nonlocal since
        hosting.ask(released)
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"]
        if alarm["StateValue"] != "OK":
            since = time.monotonic()
        return time.monotonic() - since > PERIOD_SECONDS

    wait_for(quiet, 60)
    return "errors"


class Clients:
    """Requests one after the other, as long as the block lasts: who answered, or what went wrong."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self.answers: list[str] = []
        self._ask, self._stop = ask, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self._ask())
            except ClientError as error:
                self.answers.append(error.response["Error"]["Code"])
            time.sleep(0.1)

    def __enter__(self) -> Clients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.system
def test_a_canary_gets_its_share_before_it_gets_everything(hosting: Hosting, released: str, alarmed: str) -> None:
    hosting.config("better", hosting.model("better"))
    with Clients(lambda: hosting.ask(released)["name"]) as clients:
        hosting.sagemaker.update_endpoint(
            EndpointName=released, EndpointConfigName="better", DeploymentConfig=deployment("CANARY", 50, wait=5)
        )
        wait_for(lambda: "better" in clients.answers, 60)
        began = len(clients.answers)
        during = hosting.sagemaker.describe_endpoint(EndpointName=released)
        described = hosting.settled(released)
        mixed = clients.answers[began:]
    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", "good")
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "better"
    assert 0.25 < mixed.count("better") / len(mixed) < 0.75, "half of the traffic, give or take chance"
    assert set(clients.answers) == {"good", "better"}, "no request failed"
    assert described["EndpointConfigName"] == "better"
    assert hosting.ask(released)["name"] == "better"


@pytest.mark.system
@pytest.mark.parametrize("kind", ["CANARY", "LINEAR"])
def test_a_model_that_fails_is_rolled_back_by_the_alarm(
    hosting: Hosting, released: str, alarmed: str, kind: str
) -> None:
    before = hosting.sagemaker.describe_endpoint(EndpointName=released)["EndpointConfigName"]
    broken = hosting.config(f"broken-{kind.lower()}", hosting.model(f"broken-{kind.lower()}", FAILS))
    with Clients(lambda: hosting.ask(released)["name"]) as clients:
        hosting.sagemaker.update_endpoint(
            EndpointName=released, EndpointConfigName=broken, DeploymentConfig=deployment(kind, 50, wait=30)
        )
        described = hosting.settled(released)
        went_back = len(clients.answers)
        wait_for(lambda: len(clients.answers) > went_back + 10)
    assert described["EndpointConfigName"] == before
    assert "CloudWatch alarms are in ALARM" in described["FailureReason"]
    assert "ModelError" in clients.answers, "the broken model was asked"
    assert set(clients.answers[went_back + 1 :]) == {before}, "and is not any more"


@pytest.mark.system
def test_a_model_that_fails_is_replaced_where_the_alarm_is_about_the_new_configuration(hosting: Hosting) -> None:
    """Of the whole endpoint it would be on already, and take each other model back."""
    failing = hosting.endpoint("failing", hosting.config("failing", hosting.model("failing", FAILS)))
    mended = hosting.config("mended", hosting.model("mended"))
    put_alarm(hosting.client("cloudwatch"), "errors-of-the-new", EndpointName=failing, EndpointConfigName=mended)
    way = deployment("CANARY", 50, wait=PERIOD_SECONDS + 5)
    way["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "errors-of-the-new"}]}
    with Clients(lambda: hosting.ask(failing)["name"]) as clients:
        wait_for(lambda: clients.answers.count("ModelError") > 10)
        hosting.sagemaker.update_endpoint(EndpointName=failing, EndpointConfigName=mended, DeploymentConfig=way)
        described = hosting.settled(failing)
    assert described["EndpointConfigName"] == mended
    assert set(clients.answers) == {"ModelError", "mended"}


@pytest.mark.system
def test_an_endpoint_on_instances_cannot_become_serverless(hosting: Hosting, released: str) -> None:
    serverless: dict[str, Any] = {"VariantName": "AllTraffic", "ModelName": "good", "InitialVariantWeight": 1}
    serverless["ServerlessConfig"] = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    hosting.sagemaker.create_endpoint_config(EndpointConfigName="serverless", ProductionVariants=[serverless])
    with pytest.raises(ClientError, match="cannot be converted to serverless"):
        hosting.sagemaker.update_endpoint(EndpointName=released, EndpointConfigName="serverless")
    assert hosting.ask(released)["length"] == 3


@pytest.mark.system
def test_a_shadow_gets_copies_of_requests_and_answers_nobody(hosting: Hosting) -> None:
    shadow = variant(hosting.model("shadow", FAILS), "Shadow", weight=1)
    hosting.endpoint("shadowed", hosting.config("shadowed", hosting.model("lit"), ShadowProductionVariants=[shadow]))

    assert {hosting.ask("shadowed")["name"] for _ in range(10)} == {"lit"}

    described = hosting.sagemaker.describe_endpoint(EndpointName="shadowed")
    assert described["ShadowProductionVariants"][0]["VariantName"] == "Shadow"

    def errors_of_the_shadow() -> Any:
        answer = hosting.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "errors",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": "AWS/SageMaker",
                            "MetricName": "Invocation5XXErrors",
                            "Dimensions": [
                                {"Name": "EndpointName", "Value": "shadowed"},
                                {"Name": "VariantName", "Value": "Shadow"},
                            ],
                        },
                        "Period": 60,
                        "Stat": "Sum",
                    },
                }
            ],
            StartTime=time.time() - 300,
            EndTime=time.time() + 60,
        )
        return sum(answer["MetricDataResults"][0]["Values"])

    assert wait_for(errors_of_the_shadow) > 0


@pytest.mark.system
def test_latency_is_published_in_microseconds(hosting: Hosting, released: str) -> None:
    hosting.ask(released)

    def published() -> Any:
        return hosting.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="ModelLatency",
            Dimensions=[{"Name": "EndpointName", "Value": released}, {"Name": "VariantName", "Value": "AllTraffic"}],
            StartTime=time.time() - 300,
            EndTime=time.time() + 60,
            Period=60,
            Statistics=["Minimum"],
        )["Datapoints"]

    slowest = max(point["Minimum"] for point in wait_for(published))
    assert 100 < slowest < 5_000_000, json.dumps(slowest)
