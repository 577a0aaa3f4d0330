"""SageMaker endpoints on the laptop: each InService variant is a serving process running the model's own artifact.

A change starts the new processes beside the old ones, moves the traffic to them as the deployment configuration says
when all are healthy, and stops the old ones when the requests they took have been answered. When a new process does
not become healthy, or an alarm goes off on the way, the endpoint stays on what it served before.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.containers.container import Answer, Container
from local.containers.hosted_model import hosted_model
from local.core.api import ApiError
from local.hosting.async_inference import AsyncInference
from local.hosting.endpoint_metrics import EndpointMetrics
from local.hosting.fleet import Fleet, Variant
from local.hosting.traffic import Rollout, rollout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.core.api import Cloud

# "Amazon SageMaker endpoints and quotas": payload of an invocation and the time a container has to answer it.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
MAX_SERVERLESS_PAYLOAD_BYTES = 4 * 1024 * 1024
INVOCATION_SECONDS = 60

# DescribeEndpoint's statuses as endpoint state change events spell them.
_EVENT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "RollingBack": "ROLLING_BACK",
    "InService": "IN_SERVICE",
    "Failed": "FAILED",
    "Deleting": "DELETING",
}
_UNSUPPORTED_CONFIG = ("ExplainerConfig",)
_CHANGING = ("Creating", "Updating", "RollingBack")
# How often the alarms of a release are looked at.
_LOOK_SECONDS = 0.5
# Copies of requests for shadow variants that are under way at once; more are dropped, for nobody waits for them.
_SHADOW_REQUESTS = 4


class _RolledBackError(Exception):
    """An alarm went off while the traffic moved. `str()` names it."""


@dataclass
class _Endpoint:
    name: str
    arn: str
    config_name: str
    tags: list[dict[str, str]]
    status: str = "Creating"
    failure_reason: str | None = None
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    fleet: Fleet | None = None
    candidate: Fleet | None = None
    share: float = 0.0
    """Part of the traffic that the candidate gets, from 0 to 1."""
    deployment: dict[str, Any] | None = None
    settled: threading.Event = field(default_factory=threading.Event)


class Endpoints:
    """The endpoints of one account and region.

    Args:
        cloud: where models, artifacts, logs and events are.
    """

    OPERATIONS = frozenset({"CreateEndpoint", "UpdateEndpoint", "DescribeEndpoint", "DeleteEndpoint", "ListEndpoints"})

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._endpoints: dict[str, _Endpoint] = {}
        self._retiring: list[threading.Thread] = []
        self._metrics = EndpointMetrics(cloud)
        self._shadows = ThreadPoolExecutor(_SHADOW_REQUESTS, thread_name_prefix="shadow")
        self._shadow_slots = threading.Semaphore(_SHADOW_REQUESTS)
        self._queue = AsyncInference(cloud, self._serving, self._ask_patiently)

    def handle(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one operation of `OPERATIONS`.

        Raises:
            ApiError: what SageMaker would answer.
        """
        if operation == "CreateEndpoint":
            return {"EndpointArn": self._create(request)}
        if operation == "UpdateEndpoint":
            return {"EndpointArn": self._update(request)}
        if operation == "DescribeEndpoint":
            return self._describe(self._find(request["EndpointName"]))
        if operation == "DeleteEndpoint":
            self._delete(request["EndpointName"])
            return {}
        contains = request.get("NameContains", "")
        listed = [self._describe(endpoint) for endpoint in list(self._endpoints.values()) if contains in endpoint.name]
        members = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        return {"Endpoints": [{member: described[member] for member in members} for described in listed]}

    def settle(self, name: str) -> dict[str, Any]:
        """Wait until a create or update has ended, and describe the endpoint."""
        endpoint = self._find(name)
        endpoint.settled.wait()
        return self._describe(endpoint)

    def invoke(self, name: str, body: bytes, headers: Mapping[str, str], target_variant: str | None = None) -> Answer:
        """Send a request to an endpoint's container.

        Args:
            name: the endpoint.
            body: payload, at most 6 MiB (4 MiB when serverless).
            headers: HTTP headers for the container.
            target_variant: the production variant to ask; by weight without it.

        Raises:
            ApiError: `ValidationError` for an unknown endpoint or too large a payload, `ModelError` with the
                container's own status and answer, when that is not a success.
        """
        began = time.monotonic()
        with self._serving(name) as fleet:
            if fleet.config.get("AsyncInferenceConfig"):
                raise ApiError(
                    "ValidationError",
                    f"Endpoint {name} is asynchronous: it takes requests by InvokeEndpointAsync only.",
                )
            variant = fleet.choose(target_variant)
            serverless = "ServerlessConfig" in variant.settings
            limit = MAX_SERVERLESS_PAYLOAD_BYTES if serverless else MAX_PAYLOAD_BYTES
            if len(body) > limit:
                raise ApiError(
                    "ValidationError",
                    f"1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have "
                    f"length less than or equal to {limit}; this one has {len(body)} bytes.",
                )
            for shadow in fleet.sampled_shadows(variant):
                self._copy(name, fleet, shadow, body, headers)
            return self._ask(name, variant, body, headers, began=began)

    def invoke_async(self, name: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Queue the object at `InputLocation` for an asynchronous endpoint.

        Args:
            name: the endpoint.
            headers: of InvokeEndpointAsync, in lower case.

        Returns:
            `InferenceId`, `OutputLocation` and `FailureLocation`.

        Raises:
            ApiError: `ValidationError` for an endpoint that is unknown or not asynchronous, or a wrong request.
        """
        return self._queue.submit(name, headers)

    def _ask(
        self,
        name: str,
        variant: Variant,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float = INVOCATION_SECONDS,
        began: float | None = None,
    ) -> Answer:
        """One container's answer, counted in the endpoint's metrics."""
        status, asked = 0, time.monotonic()
        try:
            answer = variant.container.invoke(body, headers, timeout)
            status = answer.status
        except TimeoutError as error:
            message = "Your invocation timed out while waiting for a response from container primary."
            raise self._model_error(variant, 0, message) from error
        except OSError as error:
            raise self._model_error(variant, 500, f"The container is gone: {error}") from error
        finally:
            ended = time.monotonic()
            self._metrics.record(
                name,
                variant.name,
                status=status,
                model_seconds=ended - asked,
                total_seconds=ended - (asked if began is None else began),
            )
        if not 200 <= answer.status < 300:
            said = answer.body.decode(errors="replace")
            raise self._model_error(variant, answer.status, said)
        return answer

    def _ask_patiently(
        self, name: str, variant: Variant, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        return self._ask(name, variant, body, headers, timeout=timeout)

    def _copy(self, name: str, fleet: Fleet, shadow: Variant, body: bytes, headers: Mapping[str, str]) -> None:
        """Give a shadow variant the same request; its answer goes nowhere, but its metrics tell of it."""
        if not self._shadow_slots.acquire(blocking=False):
            return
        fleet.enter()

        def ask() -> None:
            try:
                with contextlib.suppress(ApiError):
                    self._ask(name, shadow, body, headers)
            finally:
                fleet.leave()
                self._shadow_slots.release()

        self._shadows.submit(ask)

    def shutdown(self) -> None:
        """Stop every process."""
        with self._lock:
            endpoints = list(self._endpoints.values())
            self._endpoints.clear()
        self._queue.close()
        self._metrics.close()
        self._shadows.shutdown(wait=False, cancel_futures=True)
        for endpoint in endpoints:
            for fleet in (endpoint.candidate, endpoint.fleet):
                if fleet is not None:
                    fleet.retire(timeout=0)
        for thread in self._retiring:
            thread.join(1)

    def _model_error(self, variant: Variant, status: int, message: str) -> ApiError:
        region, group = self._cloud.region, variant.container.log_group
        where = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} "
            f"in account {self._cloud.account} for more information."
        )
        kind = "client" if 400 <= status < 500 else "server"
        return ApiError(
            "ModelError",
            f'Received {kind} error ({status}) from primary with message "{message}". See {where}',
            424,
            details={
                "OriginalStatusCode": status,
                "OriginalMessage": message,
                "LogStreamArn": f"arn:aws:logs:{region}:{self._cloud.account}:log-group:{group}",
            },
        )

    @contextlib.contextmanager
    def _serving(self, name: str) -> Iterator[Fleet]:
        with self._lock:
            # Counted before the lock is given up: the fleet cannot retire between the choice and the request.
            endpoint = self._endpoints.get(name.lower())
            fleet = endpoint.fleet if endpoint is not None else None
            if endpoint is None or fleet is None:
                raise ApiError("ValidationError", f"Endpoint {name} of account {self._cloud.account} not found.")
            if endpoint.candidate is not None and random.random() < endpoint.share:  # noqa: S311 - traffic, not keys
                fleet = endpoint.candidate
            fleet.enter()
        try:
            yield fleet
        finally:
            fleet.leave()

    def _find(self, name: str) -> _Endpoint:
        endpoint = self._endpoints.get(name.lower())
        if endpoint is None:
            raise ApiError("ValidationException", f'Could not find endpoint "{self._arn(name)}".')
        return endpoint

    def _arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self._cloud.region}:{self._cloud.account}:endpoint/{name.lower()}"

    def _create(self, request: Mapping[str, Any]) -> str:
        name = request["EndpointName"]
        self._cloud.registry("DescribeEndpointConfig", {"EndpointConfigName": request["EndpointConfigName"]})
        with self._lock:
            if name.lower() in self._endpoints:
                raise ApiError("ValidationException", f'Cannot create already existing endpoint "{self._arn(name)}".')
            endpoint = _Endpoint(name, self._arn(name), request["EndpointConfigName"], list(request.get("Tags", [])))
            endpoint.deployment = request.get("DeploymentConfig")
            self._endpoints[name.lower()] = endpoint
        # Nothing serves yet that the traffic could be taken from.
        self._begin(endpoint, "Creating", request["EndpointConfigName"], Rollout())
        return endpoint.arn

    def _update(self, request: Mapping[str, Any]) -> str:
        endpoint = self._find(request["EndpointName"])
        config = self._cloud.registry("DescribeEndpointConfig", {"EndpointConfigName": request["EndpointConfigName"]})
        self._refuse_conversion(endpoint, config)
        instances = config["ProductionVariants"][0].get("InitialInstanceCount", 1)
        deployment = endpoint.deployment if request.get("RetainDeploymentConfig") else request.get("DeploymentConfig")
        way = rollout(deployment, int(instances))
        with self._lock:
            if endpoint.status not in ("InService", "Failed"):
                raise ApiError("ValidationException", f"Cannot update in-progress endpoint {endpoint.arn}.")
            endpoint.settled.clear()
            endpoint.status = "Updating"
            endpoint.deployment = deployment
        self._begin(endpoint, "Updating", request["EndpointConfigName"], way)
        return endpoint.arn

    def _refuse_conversion(self, endpoint: _Endpoint, config: Mapping[str, Any]) -> None:
        """Only the other way round is allowed: "Deploy models with Amazon SageMaker Serverless Inference"."""
        serving = [] if endpoint.fleet is None else [variant.settings for variant in endpoint.fleet.variants]
        on_instances = any("ServerlessConfig" not in settings for settings in serving)
        if on_instances and any("ServerlessConfig" in settings for settings in config["ProductionVariants"]):
            raise ApiError(
                "ValidationException",
                f"Endpoint {endpoint.arn} runs on instances and cannot be converted to serverless.",
            )

    def _delete(self, name: str) -> None:
        endpoint = self._find(name)
        with self._lock:
            if endpoint.status in _CHANGING:
                raise ApiError("ValidationException", f"Cannot update in-progress endpoint {endpoint.arn}.")
            self._endpoints.pop(name.lower(), None)
            fleet, endpoint.fleet = endpoint.fleet, None
        self._report(endpoint, "Deleting")
        if fleet is not None:
            self._retire(fleet)

    def _begin(self, endpoint: _Endpoint, status: str, config_name: str, way: Rollout) -> None:
        self._report(endpoint, status)
        threading.Thread(target=self._replace, args=(endpoint, config_name, way), daemon=True).start()

    def _replace(self, endpoint: _Endpoint, config_name: str, way: Rollout) -> None:
        """Bring up the processes of a configuration and move the traffic to them, or stay."""
        started: list[Variant] = []
        try:
            config = self._config(config_name)
            for member in ("ProductionVariants", "ShadowProductionVariants"):
                for settings in config.get(member) or []:
                    started.append(self._start(endpoint.name, settings))
            productive = len(config["ProductionVariants"])
            fleet = Fleet(config, started[:productive], started[productive:])
            old = self._move_traffic(endpoint, fleet, way)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the endpoint's failure reason
            if isinstance(error, _RolledBackError):
                self._report(endpoint, "RollingBack")
            reason = error.message if isinstance(error, ApiError) else f"{type(error).__name__}: {error}"
            endpoint.failure_reason = str(error) if isinstance(error, _RolledBackError) else reason
            with self._lock:
                candidate, endpoint.candidate = endpoint.candidate, None
            if candidate is not None:
                self._retire(candidate)
            else:
                for variant in started:
                    variant.container.stop()
            # An endpoint that served before is in service with what it had.
            self._report(endpoint, "InService" if endpoint.fleet is not None else "Failed")
        else:
            with self._lock:
                gone = endpoint.name.lower() not in self._endpoints
            if gone:
                fleet.retire(timeout=0)
            else:
                self._report(endpoint, "InService")
                if old is not None:
                    self._retire(old)
        finally:
            endpoint.settled.set()

    def _move_traffic(self, endpoint: _Endpoint, fleet: Fleet, way: Rollout) -> Fleet | None:
        """Give the fleet its shares of the traffic, and all of it at last; what served before.

        Raises:
            _RolledBackError: an alarm went off. The fleet is the endpoint's candidate still, without traffic.
        """
        if endpoint.fleet is not None:
            with self._lock:
                endpoint.candidate, endpoint.share = fleet, 0.0
            try:
                for share in way.shares:
                    endpoint.share = share
                    self._watch(way.alarms, way.wait_seconds if share < 1 else way.termination_wait_seconds)
            except _RolledBackError:
                endpoint.share = 0.0
                raise
        with self._lock:
            old, endpoint.fleet = endpoint.fleet, fleet
            endpoint.candidate = None
            endpoint.config_name = fleet.config_name
            endpoint.failure_reason = None
        return old

    def _watch(self, alarms: tuple[str, ...], seconds: float) -> None:
        """Wait, with an eye on alarms; also when there is nothing to wait for, they have to be quiet."""
        deadline = time.monotonic() + seconds
        while True:
            if fired := self._alarms_that_fired(alarms):
                names = ", ".join(fired)
                raise _RolledBackError(
                    f"One or more CloudWatch alarms are in ALARM, so the update rolled back: {names}."
                )
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_SECONDS))

    def _alarms_that_fired(self, alarms: tuple[str, ...]) -> list[str]:
        if not alarms:
            return []
        cloudwatch = self._cloud.client("cloudwatch")
        found = cloudwatch.describe_alarms(AlarmNames=list(alarms), AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        states = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
        return [alarm["AlarmName"] for alarm in states if alarm["StateValue"] == "ALARM"]

    def _retire(self, fleet: Fleet) -> None:
        thread = threading.Thread(target=fleet.retire, daemon=True)
        thread.start()
        self._retiring = [*(running for running in self._retiring if running.is_alive()), thread]

    def _config(self, name: str) -> dict[str, Any]:
        config = self._cloud.registry("DescribeEndpointConfig", {"EndpointConfigName": name})
        for member in _UNSUPPORTED_CONFIG:
            if config.get(member):
                raise ApiError("ValidationException", f"{member} of {name} cannot be run on the laptop.")
        return config

    def _start(self, endpoint: str, settings: Mapping[str, Any]) -> Variant:
        variant = settings["VariantName"]
        container = Container(
            self._cloud,
            owner=f"production variant {variant}",
            directory=self._cloud.state_dir / "endpoints" / endpoint,
            log_group=f"/aws/sagemaker/Endpoints/{endpoint}",
            stream=variant,
            model=hosted_model(self._cloud, settings["ModelName"]),
        )
        try:
            container.start()
        except BaseException:
            container.stop()
            raise
        return Variant(dict(settings), container)

    def _describe(self, endpoint: _Endpoint) -> dict[str, Any]:
        fleet = endpoint.fleet
        described: dict[str, Any] = {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": endpoint.config_name,
            "EndpointStatus": endpoint.status,
            "CreationTime": endpoint.created,
            "LastModifiedTime": endpoint.modified,
        }
        if endpoint.failure_reason:
            described["FailureReason"] = endpoint.failure_reason
        if endpoint.deployment:
            described["LastDeploymentConfig"] = endpoint.deployment
        if fleet is not None:
            described["ProductionVariants"] = [_described_variant(variant.settings) for variant in fleet.variants]
            if fleet.shadows:
                described["ShadowProductionVariants"] = [
                    _described_variant(shadow.settings) for shadow in fleet.shadows
                ]
            if config := fleet.config.get("AsyncInferenceConfig"):
                described["AsyncInferenceConfig"] = config
        if (candidate := endpoint.candidate) is not None:
            described["PendingDeploymentSummary"] = {
                "EndpointConfigName": candidate.config_name,
                "ProductionVariants": [_described_variant(variant.settings) for variant in candidate.variants],
                "StartTime": endpoint.modified,
            }
        return described

    def _report(self, endpoint: _Endpoint, status: str) -> None:
        endpoint.status = status
        endpoint.modified = time.time()
        detail = {
            **self._describe(endpoint),
            "EndpointStatus": _EVENT_STATUS[status],
            "CreationTime": int(endpoint.created * 1000),
            "LastModifiedTime": int(endpoint.modified * 1000),
            "Tags": {tag["Key"]: tag["Value"] for tag in endpoint.tags},
        }
        self._cloud.put_event("aws.sagemaker", "SageMaker Endpoint State Change", [endpoint.arn], detail)


def _described_variant(settings: Mapping[str, Any]) -> dict[str, Any]:
    weight = settings.get("InitialVariantWeight", 1.0)
    described: dict[str, Any] = {
        "VariantName": settings["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }
    if serverless := settings.get("ServerlessConfig"):
        described["CurrentServerlessConfig"] = serverless
    else:
        count = settings.get("InitialInstanceCount", 1)
        described |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
    return described
