"""The instances behind the endpoints of the templates, and how many of them there may be."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ops.base.assembly import Assembly, Resource


@dataclasses.dataclass(frozen=True)
class Fleet:
    """One production or shadow variant on instances.

    Attributes:
        config: the endpoint configuration that names it.
        instance_types: such as `ml.c6i.xlarge`, and what is tried after it where it has no capacity.
        fewest: instances that are always there.
        most: instances that scaling may reach.
        is_switched: whether a release has the new fleet beside the old one.
    """

    config: Resource
    instance_types: tuple[str, ...]
    fewest: int
    most: int
    is_switched: bool


def fleets(assembly: Assembly) -> Iterator[Fleet]:
    """All variants of all endpoint configurations that run on instances."""
    for config in assembly.of("AWS::SageMaker::EndpointConfig"):
        yield from of_config(assembly, config)


def of_config(assembly: Assembly, config: Resource) -> Iterator[Fleet]:
    """The variants of one endpoint configuration that run on instances."""
    endpoint = _endpoint(assembly, config)
    for list_name in ("ProductionVariants", "ShadowProductionVariants"):
        for variant in config.properties.get(list_name, []):
            if not (types := instance_types(variant)):
                continue
            fewest = most = int(variant["InitialInstanceCount"])
            if target := _scaling(assembly, endpoint, variant["VariantName"]):
                fewest, most = int(target["MinCapacity"]), int(target["MaxCapacity"])
            is_switched = endpoint is not None and "DeploymentConfig" in endpoint.properties
            yield Fleet(config, types, fewest, most, is_switched)


def instance_types(variant: Mapping[str, Any]) -> tuple[str, ...]:
    """Instance types of a variant as SageMaker and CloudFormation describe it, in the order in which they are tried.

    None of a serverless one.
    """
    pools = sorted(variant.get("InstancePools", ()), key=lambda pool: int(pool.get("Priority", 0)))
    single = [variant["InstanceType"]] if "InstanceType" in variant else []
    return tuple(str(instance_type) for instance_type in single or [pool["InstanceType"] for pool in pools])


def _endpoint(assembly: Assembly, config: Resource) -> Resource | None:
    """The endpoint that has this configuration."""
    for endpoint in assembly.of("AWS::SageMaker::Endpoint"):
        if f'"{config.name}"' in json.dumps(endpoint.properties.get("EndpointConfigName")):
            return endpoint
    return None


def _scaling(assembly: Assembly, endpoint: Resource | None, variant: str) -> dict[str, Any] | None:
    """The scalable target of a variant of an endpoint."""
    if endpoint is None:
        return None
    wanted = f"endpoint/{endpoint.properties.get('EndpointName')}/variant/{variant}"
    targets = assembly.of("AWS::ApplicationAutoScaling::ScalableTarget")
    return next((target.properties for target in targets if target.properties["ResourceId"] == wanted), None)
