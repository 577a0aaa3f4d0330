"""SageMaker endpoints on the laptop: each InService variant is a serving process running the model's own artifact.

A change starts the new processes beside the old ones, switches every new request over at once when all are healthy,
and stops the old ones when the requests they took have been answered. When a new process does not become healthy the
endpoint stays on what it served before.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.api import ApiError
from local.container import Answer, Container
from local.fleet import Fleet, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.api import Cloud

# "Amazon SageMaker endpoints and quotas": payload of an invocation and the time a container has to answer it.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
MAX_SERVERLESS_PAYLOAD_BYTES = 4 * 1024 * 1024
INVOCATION_SECONDS = 60

# DescribeEndpoint's statuses as endpoint state change events spell them.
_EVENT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "InService": "IN_SERVICE",
    "Failed": "FAILED",
    "Deleting": "DELETING",
}
_UNSUPPORTED_CONFIG = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")


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
        with self._serving(name) as fleet:
            variant = fleet.choose(target_variant)
            serverless = "ServerlessConfig" in variant.settings
            limit = MAX_SERVERLESS_PAYLOAD_BYTES if serverless else MAX_PAYLOAD_BYTES
            if len(body) > limit:
                raise ApiError(
                    "ValidationError",
                    f"1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have "
                    f"length less than or equal to {limit}; this one has {len(body)} bytes.",
                )
            try:
                answer = variant.container.invoke(body, headers, INVOCATION_SECONDS)
            except TimeoutError as error:
                message = "Your invocation timed out while waiting for a response from container primary."
                raise self._model_error(variant, 0, message) from error
            except OSError as error:
                raise self._model_error(variant, 500, f"The container is gone: {error}") from error
            if not 200 <= answer.status < 300:
                said = answer.body.decode(errors="replace")
                raise self._model_error(variant, answer.status, said)
            return answer

    def shutdown(self) -> None:
        """Stop every process."""
        with self._lock:
            endpoints = list(self._endpoints.values())
            self._endpoints.clear()
        for endpoint in endpoints:
            if endpoint.fleet is not None:
                endpoint.fleet.retire(timeout=0)
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
            self._endpoints[name.lower()] = endpoint
        self._begin(endpoint, "Creating", request["EndpointConfigName"])
        return endpoint.arn

    def _update(self, request: Mapping[str, Any]) -> str:
        endpoint = self._find(request["EndpointName"])
        self._cloud.registry("DescribeEndpointConfig", {"EndpointConfigName": request["EndpointConfigName"]})
        with self._lock:
            if endpoint.status not in ("InService", "Failed"):
                raise ApiError("ValidationException", f"Cannot update in-progress endpoint {endpoint.arn}.")
            endpoint.settled.clear()
            endpoint.status = "Updating"
        self._begin(endpoint, "Updating", request["EndpointConfigName"])
        return endpoint.arn

    def _delete(self, name: str) -> None:
        endpoint = self._find(name)
        with self._lock:
            if endpoint.status in ("Creating", "Updating"):
                raise ApiError("ValidationException", f"Cannot update in-progress endpoint {endpoint.arn}.")
            self._endpoints.pop(name.lower(), None)
            fleet, endpoint.fleet = endpoint.fleet, None
        self._report(endpoint, "Deleting")
        if fleet is not None:
            self._retire(fleet)

    def _begin(self, endpoint: _Endpoint, status: str, config_name: str) -> None:
        self._report(endpoint, status)
        threading.Thread(target=self._replace, args=(endpoint, config_name), daemon=True).start()

    def _replace(self, endpoint: _Endpoint, config_name: str) -> None:
        """Bring up the processes of a configuration and switch to them, or stay."""
        started: list[Variant] = []
        try:
            for settings in self._variants(config_name):
                started.append(self._start(endpoint.name, settings))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the endpoint's failure reason
            reason = error.message if isinstance(error, ApiError) else f"{type(error).__name__}: {error}"
            for variant in started:
                variant.container.stop()
            endpoint.failure_reason = reason
            # Rolled back: an endpoint that served before is in service with what it had.
            self._report(endpoint, "InService" if endpoint.fleet is not None else "Failed")
        else:
            with self._lock:
                gone = endpoint.name.lower() not in self._endpoints
                old, endpoint.fleet = endpoint.fleet, Fleet(config_name, started)
                endpoint.config_name = config_name
                endpoint.failure_reason = None
            if gone:
                endpoint.fleet.retire(timeout=0)
            else:
                self._report(endpoint, "InService")
                if old is not None:
                    self._retire(old)
        finally:
            endpoint.settled.set()

    def _retire(self, fleet: Fleet) -> None:
        thread = threading.Thread(target=fleet.retire, daemon=True)
        thread.start()
        self._retiring = [*(running for running in self._retiring if running.is_alive()), thread]

    def _variants(self, config_name: str) -> list[dict[str, Any]]:
        config = self._cloud.registry("DescribeEndpointConfig", {"EndpointConfigName": config_name})
        for member in _UNSUPPORTED_CONFIG:
            if config.get(member):
                raise ApiError("ValidationException", f"{member} of {config_name} cannot be run on the laptop.")
        variants: list[dict[str, Any]] = config["ProductionVariants"]
        return variants

    def _start(self, endpoint: str, settings: Mapping[str, Any]) -> Variant:
        model = self._cloud.registry("DescribeModel", {"ModelName": settings["ModelName"]})
        image = self._primary_container(model)
        container = Container(
            self._cloud,
            endpoint=endpoint,
            variant=settings["VariantName"],
            role_arn=model["ExecutionRoleArn"],
            environment=image.get("Environment", {}),
        )
        try:
            container.start(image["ModelDataUrl"])
        except BaseException:
            container.stop()
            raise
        return Variant(dict(settings), container)

    def _primary_container(self, model: Mapping[str, Any]) -> dict[str, Any]:
        containers = [model["PrimaryContainer"]] if model.get("PrimaryContainer") else model.get("Containers") or []
        if len(containers) != 1 or containers[0].get("Mode") == "MultiModel":
            raise ApiError(
                "ValidationException",
                f"Model {model['ModelName']} has {len(containers)} containers or serves several models: the laptop "
                f"serves models of one container.",
            )
        own: dict[str, Any] = containers[0]
        packaged: dict[str, Any] = {}
        if package := own.get("ModelPackageName"):
            described = self._cloud.registry("DescribeModelPackage", {"ModelPackageName": package})
            packaged = described["InferenceSpecification"]["Containers"][0]
        environment = {**packaged.get("Environment", {}), **own.get("Environment", {})}
        merged = {**packaged, **own, "Environment": environment}
        source = merged.get("ModelDataSource", {}).get("S3DataSource", {})
        if source and source.get("CompressionType") == "Gzip":
            merged["ModelDataUrl"] = source["S3Uri"]
        if not merged.get("ModelDataUrl"):
            raise ApiError("ValidationException", f"Model {model['ModelName']} names no model.tar.gz to serve.")
        return merged

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
        if fleet is not None:
            described["ProductionVariants"] = [_described_variant(variant.settings) for variant in fleet.variants]
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
