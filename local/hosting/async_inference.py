"""Asynchronous inference: requests name an object in S3 or hold the input, are queued, and answered in S3.

Source: "Asynchronous inference" in the SageMaker developer guide, and API_runtime_InvokeEndpointAsync. Differences to
AWS: the one process of a variant is always there, so nothing scales to zero or from it; the queue ends with the cloud.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.core import transfer
from local.core.api import ApiError
from local.core.transfer import TransferError

if TYPE_CHECKING:
    from local.containers.container import Answer
    from local.core.api import Cloud
    from local.hosting.fleet import Fleet, Variant

logger = logging.getLogger("endpoints")

# What is not said: InvocationTimeoutSeconds, and how many requests a container gets at once (SageMaker chooses).
DEFAULT_TIMEOUT_SECONDS = 900
DEFAULT_CONCURRENCY = 4
# `Body` of InvokeEndpointAsync (botocore 1.43's service model, read 2026-11).
MAX_INLINE_BYTES = 128_000
_PREFIX = "x-amzn-sagemaker-"


class _Request(NamedTuple):
    """One queued request."""

    endpoint: str
    inference_id: str
    received: str
    input: str | bytes
    output: str
    failure: str
    headers: dict[str, str]
    timeout: float


class AsyncInference:
    """The queues of asynchronous endpoints.

    Args:
        serving: enters what serves an endpoint now.
        ask: one container's answer, or an `ApiError` with what it said instead.
    """

    def __init__(
        self,
        cloud: Cloud,
        serving: Callable[[str], AbstractContextManager[Fleet]],
        ask: Callable[[str, Variant, bytes, Mapping[str, str], float], Answer],
    ) -> None:
        self._cloud, self._serving, self._ask = cloud, serving, ask
        self._workers: dict[str, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()

    def submit(self, name: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Queue a request.

        Args:
            headers: headers of InvokeEndpointAsync, in lower case.
            body: the input itself, at most 128,000 bytes, where no header names it.

        Returns:
            `InferenceId`, `OutputLocation` and `FailureLocation`.

        Raises:
            ApiError: `ValidationError` for an endpoint that is unknown or not asynchronous, no input, two of them, or
                one that is too large to be inline.
        """
        location = headers.get(f"{_PREFIX}inputlocation")
        if bool(location) is bool(body):
            raise ApiError("ValidationError", "Exactly one of Body and InputLocation is needed.")
        if len(body) > MAX_INLINE_BYTES:
            raise ApiError("ValidationError", f"Body has {len(body)} bytes, of which {MAX_INLINE_BYTES} are allowed.")
        with self._serving(name) as fleet:
            config = fleet.config.get("AsyncInferenceConfig")
        if not config:
            raise ApiError("ValidationError", f"Endpoint {name} is not asynchronous: ask it by InvokeEndpoint.")
        output, identifier = config["OutputConfig"], str(uuid.uuid4())
        below = headers.get(f"{_PREFIX}s3outputpathextension", "").strip("/")
        answers = "/".join(filter(None, (output["S3OutputPath"].rstrip("/"), below)))
        failures = output.get("S3FailurePath", output["S3OutputPath"]).rstrip("/")
        request = _Request(
            endpoint=name,
            inference_id=headers.get(f"{_PREFIX}inference-id") or identifier,
            received=_now(),
            input=location or body,
            output=f"{answers}/{headers.get(f'{_PREFIX}filename') or f'{identifier}.out'}",
            failure=f"{failures}/{identifier}-error.out",
            headers=_container_headers(headers),
            timeout=float(headers.get(f"{_PREFIX}invocationtimeoutseconds") or DEFAULT_TIMEOUT_SECONDS),
        )
        self._executor(name, config).submit(self._answer, request)
        return {
            "InferenceId": request.inference_id,
            "OutputLocation": request.output,
            "FailureLocation": request.failure,
        }

    def close(self) -> None:
        """Forget what is still queued."""
        with self._lock:
            for executor in self._workers.values():
                executor.shutdown(wait=False, cancel_futures=True)

    def _executor(self, name: str, config: Mapping[str, Any]) -> ThreadPoolExecutor:
        most = config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENCY)
        with self._lock:
            if name not in self._workers:
                self._workers[name] = ThreadPoolExecutor(int(most), thread_name_prefix=f"async {name}")
            return self._workers[name]

    def _answer(self, request: _Request) -> None:
        try:
            with self._serving(request.endpoint) as fleet:
                self._answer_with(fleet, request)
        except Exception:
            logger.exception("The asynchronous request %s was lost.", request.inference_id)

    def _answer_with(self, fleet: Fleet, request: _Request) -> None:
        variant = fleet.choose(None)
        output: Mapping[str, Any] = fleet.config["AsyncInferenceConfig"]["OutputConfig"]
        role, key = variant.container.role_arn, output.get("KmsKeyId")
        s3 = self._cloud.client("s3", role_arn=role)
        topics: Mapping[str, str] = output.get("NotificationConfig", {})
        try:
            body = request.input if isinstance(request.input, bytes) else transfer.read(s3, request.input)
            answer = self._ask(request.endpoint, variant, body, request.headers, request.timeout)
            _put(s3, request.output, answer.body, key, answer.content_type)
        except (ApiError, TransferError, ClientError, BotoCoreError) as error:
            reason = error.message if isinstance(error, ApiError) else str(error)
            said = error.details.get("OriginalMessage", reason) if isinstance(error, ApiError) else reason
            try:
                _put(s3, request.failure, said.encode(), key, "text/plain")
            except (ClientError, BotoCoreError) as lost:
                logger.warning("The failure of %s could not be written: %s", request.inference_id, lost)
            self._tell(role, topics.get("ErrorTopic"), _failed(request, reason, self._cloud.region))
        else:
            message = _completed(request, answer.content_type, self._cloud.region)
            self._tell(role, topics.get("SuccessTopic"), message)

    def _tell(self, role: str, topic: str | None, message: Mapping[str, Any]) -> None:
        if not topic:
            return
        try:
            self._cloud.client("sns", role_arn=role).publish(TopicArn=topic, Message=json.dumps(message))
        except (ClientError, BotoCoreError) as error:
            # As in AWS: a role that may not publish answers all the same.
            logger.warning("%s did not hear of %s: %s", topic, message["inferenceId"], error)


def _container_headers(headers: Mapping[str, str]) -> dict[str, str]:
    forwarded = {
        "Content-Type": headers.get(f"{_PREFIX}content-type"),
        "Accept": headers.get(f"{_PREFIX}accept"),
        "X-Amzn-SageMaker-Custom-Attributes": headers.get(f"{_PREFIX}custom-attributes"),
    }
    return {name: value for name, value in forwarded.items() if value}


def _put(s3: Any, uri: str, body: bytes, key: str | None, content_type: str) -> None:
    bucket, name = transfer.split(uri)
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
    s3.put_object(Bucket=bucket, Key=name, Body=body, ContentType=content_type, **encryption)


def _completed(request: _Request, content_type: str, region: str) -> dict[str, Any]:
    answered = {"contentType": content_type, "outputLocation": request.output}
    return {**_message(request, region), "invocationStatus": "Completed", "responseParameters": answered}


def _failed(request: _Request, reason: str, region: str) -> dict[str, Any]:
    return {**_message(request, region), "invocationStatus": "Failed", "failureReason": f"ClientError: {reason}"}


def _message(request: _Request, region: str) -> dict[str, Any]:
    return {
        "awsRegion": region,
        "eventTime": _now(),
        "receivedTime": request.received,
        "requestParameters": {
            "contentType": request.headers.get("Content-Type", ""),
            "endpointName": request.endpoint,
            **({"inputLocation": request.input} if isinstance(request.input, str) else {}),
        },
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
