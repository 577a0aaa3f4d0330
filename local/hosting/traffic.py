"""Blue/green traffic shifting of an endpoint: all at once, canary or linear, watched by alarms.

Source: "Blue/Green Deployments" and API_DeploymentConfig of the SageMaker developer guide and API reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.core.api import ApiError

_SIZES = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
# "The value must be less than or equal to 50% of the variant's total instance count" (API_TrafficRoutingConfig, of
# both sizes); a linear step is at least a tenth.
_MOST = 0.5
_LEAST_LINEAR = 0.1


@dataclass(frozen=True)
class Rollout:
    """The way from the old processes to the new ones.

    Attributes:
        shares: parts of the traffic that the new processes get, one after the other; the last is 1.
        wait_seconds: seconds that each of them but the last lasts.
        termination_wait_seconds: seconds that the old processes stay when they get nothing any more.
        alarms: names of the alarms that bring the traffic back.
    """

    shares: tuple[float, ...] = (1.0,)
    wait_seconds: float = 0
    termination_wait_seconds: float = 0
    alarms: tuple[str, ...] = ()


def rollout(deployment: Mapping[str, Any] | None, instances: int) -> Rollout:
    """Read a `DeploymentConfig`.

    Args:
        deployment: `DeploymentConfig` of the request; none means all at once.
        instances: number of instances of the variant, for sizes that are counted in instances.

    Raises:
        ApiError: `ValidationException` for what SageMaker refuses, or the laptop cannot do.
    """
    if not deployment:
        return Rollout()
    if "RollingUpdatePolicy" in deployment:
        raise ApiError("ValidationException", "RollingUpdatePolicy cannot be run on the laptop: it has no instances.")
    policy = deployment.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    alarms = deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    return Rollout(
        shares=_shares(routing, instances),
        wait_seconds=float(routing.get("WaitIntervalInSeconds", 0)),
        termination_wait_seconds=float(policy.get("TerminationWaitInSeconds", 0)),
        alarms=tuple(alarm["AlarmName"] for alarm in alarms),
    )


def _shares(routing: Mapping[str, Any], instances: int) -> tuple[float, ...]:
    kind = routing["Type"]
    if kind == "ALL_AT_ONCE":
        return (1.0,)
    size = routing.get(_SIZES[kind])
    if size is None:
        raise ApiError("ValidationException", f"A traffic routing of type {kind} needs a {_SIZES[kind]}.")
    total = instances if size["Type"] == "INSTANCE_COUNT" else 100
    share = float(size["Value"]) / total
    if not (_LEAST_LINEAR if kind == "LINEAR" else 0) <= share <= _MOST:
        raise ApiError("ValidationException", f"{_SIZES[kind]} is {share:.0%} of the capacity: at most 50% is allowed.")
    if kind == "CANARY":
        return (share, 1.0)
    steps = math.ceil(round(1 / share, 6))
    return tuple(min(1.0, share * step) for step in range(1, steps + 1))
