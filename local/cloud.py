"""The SageMaker service of the embedded cloud: authenticates, validates, authorises and routes requests.

Pipeline executions and jobs are `local.pipelines.pipeline_service`, endpoints `local.hosting.endpoints`, everything
else the registry.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import boto3
from botocore.config import Config

from local import stack_resources
from local.core import emulator, emulator_errors, function_concurrency, metrics, object_versions, retention
from local.core.api import ApiError
from local.core.authorization import required_permissions
from local.core.emulator import Response
from local.core.machine_errors import words
from local.core.registry import Registry
from local.hosting.endpoints import Endpoints
from local.pipelines import lambda_step
from local.pipelines.pipeline_service import PipelineService

logger = logging.getLogger("sagemaker")

_INVOCATION = re.compile(r"^/endpoints/(?P<name>[^/]+)/(?P<kind>invocations|async-invocations)$")
_TARGET = "SageMaker."
_SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"
# Well inside the hour a role session lasts.
_SESSION_SECONDS = 1800
# One connection pool is shared by the threads of several steps and endpoints.
_CLIENT_CONFIG = Config(retries={"mode": "standard", "max_attempts": 3}, max_pool_connections=32)
# A function is called once, and may take its time.
_LAMBDA_CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=lambda_step.MAX_SECONDS)


@dataclass
class _Session:
    boto3: boto3.Session
    expires: float = float("inf")
    clients: dict[str, Any] = field(default_factory=dict)


class EmbeddedCloud:
    """SageMaker in one account and region of the emulator; a `local.core.api.Cloud` for the services in it.

    Args:
        endpoint_url: URL that the emulator listens on.
        state_dir: existing directory for processes and their logs.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        account: str,
        region: str,
        state_dir: Path,
    ) -> None:
        self.account = account
        self.region = region
        self.state_dir = state_dir.resolve()
        self._endpoint_url = endpoint_url
        self._registry = Registry(account, region)
        self._endpoints = Endpoints(self)
        self._executions = PipelineService(self)
        self._lock = threading.RLock()
        self._sessions: dict[str, _Session] = {"": _Session(boto3.Session("test", "test", region_name=region))}

    def install(self) -> None:
        """Take over SageMaker's requests and resource types in the emulator."""
        emulator_errors.install()
        emulator.register_service("sagemaker", _TARGET, self.handle_request)
        emulator.honour_resource_types()
        emulator.tell_policies_the_namespace()
        emulator.announce_stack_changes()
        emulator.announce_alarm_changes()
        metrics.judge_alarms_as_cloudwatch_does()
        metrics.extract()
        metrics.bound()
        function_concurrency.bound()
        object_versions.expire()
        retention.expire()
        stack_resources.register(self, self._endpoints)

    def shutdown(self) -> None:
        """Stop every process this service started."""
        self._executions.shutdown()
        self._endpoints.shutdown()

    def client(self, service: str, *, role_arn: str | None = None) -> Any:
        """See `Cloud.client`."""
        # boto3 sessions are not safe to share while a client is being made; clients are.
        with self._lock:
            session = self._session(role_arn or "")
            if service not in session.clients:
                make = cast("Callable[..., Any]", session.boto3.client)
                config = _LAMBDA_CONFIG if service == "lambda" else _CLIENT_CONFIG
                session.clients[service] = make(service, endpoint_url=self._endpoint_url, config=config)
            return session.clients[service]

    def credentials(self, role_arn: str) -> dict[str, str]:
        """See `Cloud.credentials`."""
        # Its own session rather than the cached one: a job may run longer than what is left of that.
        with self._lock:
            found = self._assume(role_arn).get_credentials()
        if found is None:
            raise ApiError("InternalFailure", f"No session could be made for {role_arn}.", 500)
        return {
            "AWS_ACCESS_KEY_ID": found.access_key,
            "AWS_SECRET_ACCESS_KEY": found.secret_key,
            "AWS_SESSION_TOKEN": found.token or "",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self._endpoint_url,
        }

    def authorize(self, role_arn: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        """See `Cloud.authorize`."""
        with self._lock:
            found = self._session(role_arn).boto3.get_credentials()
        access_key = found.access_key if found else ""
        emulator.enforce(access_key, action, resource, self.region, context)

    def registry(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """See `Cloud.registry`."""
        answer = self._registry.call(operation, request)
        if operation in ("CreateModelPackage", "UpdateModelPackage"):
            self._report_model_package(answer["ModelPackageArn"])
        return answer

    def put_event(self, source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
        """See `Cloud.put_event`."""
        emulator.put_event(source, detail_type, resources, detail)

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Response:
        """Answer one HTTP request signed for SageMaker or its runtime."""
        try:
            access_key = emulator.caller_key(headers, query)
            if invocation := _INVOCATION.match(path):
                name = unquote(invocation["name"])
                queued = invocation["kind"] == "async-invocations"
                operation = "InvokeEndpointAsync" if queued else "InvokeEndpoint"
                self._authorize_caller(access_key, operation, {"EndpointName": name})
                if queued:
                    return await asyncio.to_thread(self._invoke_async, name, headers, body)
                return await asyncio.to_thread(self._invoke, name, headers, body)
            operation = headers.get("x-amz-target", "").removeprefix(_TARGET)
            request = _parameters(operation, body)
            self._authorize_caller(access_key, operation, request)
            answer = await asyncio.to_thread(self._perform, operation, request)
            return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer, default=str).encode()
        except ApiError as error:
            return _error_response(error)
        except Exception as error:
            logger.exception("%s %s failed", method, headers.get("x-amz-target") or path)
            return _error_response(ApiError("InternalFailure", f"The embedded cloud failed. {words(error)}", 500))

    def _authorize_caller(self, access_key: str, operation: str, request: Mapping[str, Any]) -> None:
        for permission in required_permissions(operation, request, self.account, self.region):
            emulator.enforce(access_key, permission.action, permission.resource, self.region, permission.context)

    def _perform(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation in self._executions.OPERATIONS:
            return self._executions.handle(operation, request)
        if operation in self._endpoints.OPERATIONS:
            return self._endpoints.handle(operation, request)
        return self.registry(operation, request)

    def _invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> Response:
        forwarded = {
            wire: value
            for wire in ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")
            if (value := headers.get(wire.lower()))
        }
        variant = headers.get("x-amzn-sagemaker-target-variant")
        answer = self._endpoints.invoke(name, body, forwarded, variant)
        return answer.status, {"Content-Type": answer.content_type}, answer.body

    def _invoke_async(self, name: str, headers: Mapping[str, str], body: bytes) -> Response:
        queued = self._endpoints.invoke_async(name, headers, body)
        identifier = json.dumps({"InferenceId": queued["InferenceId"]}).encode()
        where = {f"X-Amzn-SageMaker-{member}": queued[member] for member in ("OutputLocation", "FailureLocation")}
        return 202, {"Content-Type": "application/json", **where}, identifier

    def _session(self, role_arn: str) -> _Session:
        """The session of an execution role, which must trust SageMaker; of root for an empty ARN."""
        session = self._sessions.get(role_arn)
        if session is None or time.monotonic() > session.expires:
            session = self._sessions[role_arn] = _Session(self._assume(role_arn), time.monotonic() + _SESSION_SECONDS)
        return session

    def _assume(self, role_arn: str) -> boto3.Session:
        iam = self.client("iam")
        try:
            role = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
        except iam.exceptions.NoSuchEntityException as error:
            raise ApiError("ValidationException", f"Could not assume role {role_arn}: it does not exist.") from error
        trust = role["AssumeRolePolicyDocument"]
        keys = emulator.service_session(role_arn, trust, _SERVICE_PRINCIPAL, self.account)
        if keys is None:
            raise ApiError(
                "ValidationException",
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                f"'{_SERVICE_PRINCIPAL}' to assume the role.",
            )
        return boto3.Session(*keys, region_name=self.region)

    def _report_model_package(self, arn: str) -> None:
        package = self._registry.call("DescribeModelPackage", {"ModelPackageName": arn})
        members = (
            *("ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn"),
            *("ModelPackageDescription", "CreationTime", "InferenceSpecification", "ModelPackageStatus"),
            *("ModelPackageStatusDetails", "CertifyForMarketplace", "ModelApprovalStatus", "ApprovalDescription"),
            *("LastModifiedTime", "ModelMetrics", "MetadataProperties", "CustomerMetadataProperties"),
        )
        detail = {member: package[member] for member in members if member in package}
        for member in ("CreationTime", "LastModifiedTime"):
            if member in detail:
                detail[member] = int(float(detail[member]) * 1000)
        self.put_event("aws.sagemaker", "SageMaker Model Package State Change", [arn], detail)


def _parameters(operation: str, body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"The parameters of {operation} are not JSON: {error}.") from error
    if not isinstance(request, dict):
        raise ApiError("SerializationException", f"The parameters of {operation} are not an object.")
    return request


def _error_response(error: ApiError) -> Response:
    document = {"__type": error.code, "message": error.message, "Message": error.message, **error.details}
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": error.code}
    return error.status, headers, json.dumps(document).encode()
