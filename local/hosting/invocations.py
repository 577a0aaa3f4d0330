"""Requests to the containers of endpoints: their answers, counted in the endpoints' metrics, and copies for shadows."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local.core.api import ApiError
from local.hosting.endpoint_metrics import EndpointMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.containers.container import Answer
    from local.core.api import Cloud
    from local.hosting.fleet import Fleet, Variant

# "Amazon SageMaker endpoints and quotas": the time a container has to answer.
INVOCATION_SECONDS = 60
# Copies of requests for shadow variants that are under way at once; more are dropped, for nobody waits for them.
_SHADOW_REQUESTS = 4


class Invocations:
    """Asks the containers of one account and region."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._metrics = EndpointMetrics(cloud)
        self._shadows = ThreadPoolExecutor(_SHADOW_REQUESTS, thread_name_prefix="shadow")
        self._shadow_slots = threading.Semaphore(_SHADOW_REQUESTS)

    def ask(
        self,
        name: str,
        variant: Variant,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float = INVOCATION_SECONDS,
        *,
        began: float | None = None,
    ) -> Answer:
        """Invoke one container, and count its answer in the endpoint's metrics.

        Args:
            variant: whose container is asked.
            timeout: seconds that the container has.
            began: when the request came, on the monotonic clock; now without it.

        Raises:
            ApiError: `ModelError` with the container's own status and answer, when that is not a success.
        """
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
                variant.config_name,
                variant.name,
                status=status,
                model_seconds=ended - asked,
                total_seconds=ended - (asked if began is None else began),
            )
        if not 200 <= answer.status < 300:
            said = answer.body.decode(errors="replace")
            raise self._model_error(variant, answer.status, said)
        return answer

    def copy(self, name: str, fleet: Fleet, shadow: Variant, body: bytes, headers: Mapping[str, str]) -> None:
        """Give a shadow variant the same request; its answer goes nowhere, but its metrics tell of it."""
        if not self._shadow_slots.acquire(blocking=False):
            return
        fleet.enter()

        def ask() -> None:
            try:
                with contextlib.suppress(ApiError):
                    self.ask(name, shadow, body, headers)
            finally:
                fleet.leave()
                self._shadow_slots.release()

        self._shadows.submit(ask)

    def close(self) -> None:
        """Stop counting and copying."""
        self._metrics.close()
        self._shadows.shutdown(wait=False, cancel_futures=True)

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
