"""State of one endpoint, and how SageMaker describes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.hosting.fleet import Fleet

# DescribeEndpoint's statuses as endpoint state change events spell them.
_EVENT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "RollingBack": "ROLLING_BACK",
    "InService": "IN_SERVICE",
    "Failed": "FAILED",
    "Deleting": "DELETING",
}


@dataclass
class Endpoint:
    """An endpoint as it is now."""

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

    def describe(self) -> dict[str, Any]:
        """DescribeEndpoint's answer."""
        fleet = self.fleet
        described: dict[str, Any] = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config_name,
            "EndpointStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }
        if self.failure_reason:
            described["FailureReason"] = self.failure_reason
        if self.deployment:
            described["LastDeploymentConfig"] = self.deployment
        if fleet is not None:
            described["ProductionVariants"] = [_described_variant(variant.settings) for variant in fleet.variants]
            if fleet.shadows:
                described["ShadowProductionVariants"] = [
                    _described_variant(shadow.settings) for shadow in fleet.shadows
                ]
            if config := fleet.config.get("AsyncInferenceConfig"):
                described["AsyncInferenceConfig"] = config
        if (candidate := self.candidate) is not None:
            described["PendingDeploymentSummary"] = {
                "EndpointConfigName": candidate.config_name,
                "ProductionVariants": [_described_variant(variant.settings) for variant in candidate.variants],
                "StartTime": self.modified,
            }
        return described

    def event(self) -> dict[str, Any]:
        """The detail of an endpoint state change event."""
        return {
            **self.describe(),
            "EndpointStatus": _EVENT_STATUS[self.status],
            "CreationTime": int(self.created * 1000),
            "LastModifiedTime": int(self.modified * 1000),
            "Tags": {tag["Key"]: tag["Value"] for tag in self.tags},
        }


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
