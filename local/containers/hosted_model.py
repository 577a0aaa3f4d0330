"""Model of the control plane as a container runs it: role, artifact and environment, its package's merged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.core.api import ApiError, Cloud


@dataclass(frozen=True)
class HostedModel:
    """A model that one container can serve."""

    role_arn: str
    artifact: str
    """S3 URI of the `model.tar.gz`."""
    environment: Mapping[str, str]


def hosted_model(cloud: Cloud, name: str) -> HostedModel:
    """Look a model up.

    Raises:
        ApiError: it does not exist, or is one that the laptop cannot serve.
    """
    model = cloud.registry("DescribeModel", {"ModelName": name})
    container = _primary_container(cloud, model)
    return HostedModel(model["ExecutionRoleArn"], container["ModelDataUrl"], container["Environment"])


def _primary_container(cloud: Cloud, model: Mapping[str, Any]) -> dict[str, Any]:
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
        described = cloud.registry("DescribeModelPackage", {"ModelPackageName": package})
        packaged = described["InferenceSpecification"]["Containers"][0]
    environment = {**packaged.get("Environment", {}), **own.get("Environment", {})}
    merged = {**packaged, **own, "Environment": environment}
    source = merged.get("ModelDataSource", {}).get("S3DataSource", {})
    if source and source.get("CompressionType") == "Gzip":
        merged["ModelDataUrl"] = source["S3Uri"]
    if not merged.get("ModelDataUrl"):
        raise ApiError("ValidationException", f"Model {model['ModelName']} names no model.tar.gz to serve.")
    return merged
