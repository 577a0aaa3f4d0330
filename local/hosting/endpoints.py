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
from collections.abc import Iterator, Mapping
from typing import Any

from local.containers.container import Answer, Container
from local.containers.hosted_model import hosted_model
from local.core.api import ApiError, Cloud
from local.core.machine_errors import words
from local.hosting.async_inference import AsyncInference
from local.hosting.endpoint import Endpoint
from local.hosting.fleet import Fleet, Variant
from local.hosting.invocations import Invocations
from local.hosting.traffic import Rollout, rollout

# "Amazon SageMaker endpoints and quotas": payload of an invocation.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
MAX_SERVERLESS_PAYLOAD_BYTES = 4 * 1024 * 1024

_UNSUPPORTED_CONFIG = ("ExplainerConfig",)
_CHANGING = ("Creating", "Updating", "RollingBack")
# How often the alarms of a release are looked at.
_LOOK_SECONDS = 0.5


class _RolledBackError(Exception):
    """An alarm went off while the traffic moved. `str()` names it."""


class Endpoints:
    """The endpoints of one account and region."""

    OPERATIONS = frozenset({"CreateEndpoint", "UpdateEndpoint", "DescribeEndpoint", "DeleteEndpoint", "ListEndpoints"})

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._endpoints: dict[str, Endpoint] = {}
        self._retiring: list[threading.Thread] = []
        self._invocations = Invocations(cloud)
        self._queue = AsyncInference(cloud, self._serving, self._invocations.ask)

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
            return self._find(request["EndpointName"]).describe()
        if operation == "DeleteEndpoint":
            self._delete(request["EndpointName"])
            return {}
        contains = request.get("NameContains", "")
        listed = [endpoint.describe() for endpoint in list(self._endpoints.values()) if contains in endpoint.name]
        members = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        return {"Endpoints": [{member: described[member] for member in members} for described in listed]}

    def settle(self, name: str) -> dict[str, Any]:
        """Wait until a create or update has ended, and describe the endpoint."""
        endpoint = self._find(name)
        endpoint.settled.wait()
        return endpoint.describe()

    def invoke(self, name: str, body: bytes, headers: Mapping[str, str], target_variant: str | None = None) -> Answer:
        """Send a request to an endpoint's container.

        Args:
            body: payload, at most 6 MiB (4 MiB when serverless).
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
                self._invocations.copy(name, fleet, shadow, body, headers)
            return self._invocations.ask(name, variant, body, headers, began=began)

    def invoke_async(self, name: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Queue the object at `InputLocation`, or the body, of a request: see `AsyncInference.submit`."""
        return self._queue.submit(name, headers, body)

    def shutdown(self) -> None:
        """Stop every process."""
        with self._lock:
            endpoints = list(self._endpoints.values())
            self._endpoints.clear()
        self._queue.close()
        self._invocations.close()
        for endpoint in endpoints:
            for fleet in (endpoint.candidate, endpoint.fleet):
                if fleet is not None:
                    fleet.stop()
        for thread in self._retiring:
            thread.join(1)

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

    def _find(self, name: str) -> Endpoint:
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
            endpoint = Endpoint(name, self._arn(name), request["EndpointConfigName"], list(request.get("Tags", [])))
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

    def _refuse_conversion(self, endpoint: Endpoint, config: Mapping[str, Any]) -> None:
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

    def _begin(self, endpoint: Endpoint, status: str, config_name: str, way: Rollout) -> None:
        self._report(endpoint, status)
        threading.Thread(target=self._replace, args=(endpoint, config_name, way), daemon=True).start()

    def _replace(self, endpoint: Endpoint, config_name: str, way: Rollout) -> None:
        """Bring up the processes of a configuration and move the traffic to them, or stay."""
        started: list[Variant] = []
        try:
            config = self._config(config_name)
            for member in ("ProductionVariants", "ShadowProductionVariants"):
                for settings in config.get(member) or []:
                    started.append(self._start(endpoint.name, config_name, settings))
            productive = len(config["ProductionVariants"])
            fleet = Fleet(config, started[:productive], started[productive:])
            old = self._move_traffic(endpoint, fleet, way)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the endpoint's failure reason
            if isinstance(error, _RolledBackError):
                self._report(endpoint, "RollingBack")
            reason = error.message if isinstance(error, ApiError) else words(error)
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
                fleet.stop()
            else:
                self._report(endpoint, "InService")
                if old is not None:
                    self._retire(old)
        finally:
            endpoint.settled.set()

    def _move_traffic(self, endpoint: Endpoint, fleet: Fleet, way: Rollout) -> Fleet | None:
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

    def _start(self, endpoint: str, config_name: str, settings: Mapping[str, Any]) -> Variant:
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
        return Variant(dict(settings), container, config_name)

    def _report(self, endpoint: Endpoint, status: str) -> None:
        endpoint.status = status
        endpoint.modified = time.time()
        self._cloud.put_event("aws.sagemaker", "SageMaker Endpoint State Change", [endpoint.arn], endpoint.event())
