"""Status of the SageMaker endpoint, for `GET /v1/health` and for the reason of a failed prediction."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.errors import is_absent

# DescribeEndpoint's statuses (SageMaker API reference). An endpoint serves throughout an update and a rollback.
_SERVING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})
_NOT_YET = frozenset({"Creating", "Deleting"})


@dataclass
class Endpoint:
    """The endpoint, described at most every `fresh_seconds`.

    The health path needs no key, and DescribeEndpoint is throttled for the whole account: remembering the answer
    keeps one caller's polling from disturbing a deployment. `client` makes the client on first use, because loading
    SageMaker's API description is the slowest part of a cold start and a prediction does without it.
    """

    client: Callable[[], Any]
    name: str
    fresh_seconds: float = 10.0
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[float, str | None] | None = field(default=None, init=False, repr=False)

    def status(self) -> str | None:
        """SageMaker's EndpointStatus, None when there is no endpoint."""
        now = self.clock()
        if self._seen is None or now - self._seen[0] >= self.fresh_seconds:
            self._seen = (now, self._describe())
        return self._seen[1]

    def health(self) -> str:
        """`ok`, `no_model_released` (none yet, or being created) or `failed`."""
        status = self.status()
        if status is None or status in _NOT_YET:
            return "no_model_released"
        return "ok" if status in _SERVING else "failed"

    def _describe(self) -> str | None:
        try:
            return str(self.client().describe_endpoint(EndpointName=self.name)["EndpointStatus"])
        except ClientError as error:
            if is_absent(error):
                return None
            raise
