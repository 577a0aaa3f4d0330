"""Instance types of a variant: one, or several in the order in which SageMaker tries them for capacity.

Source: "Deploy to multiple instance types with instance pools" of the SageMaker developer guide (read 2026-11; not
tried): `InstancePools` replaces `InstanceType`, falls back when an endpoint is created and when it scales out, gives
fallback instances back first, and works for real-time and asynchronous endpoints.
"""

from collections.abc import Sequence
from typing import TypedDict

from aws_cdk import aws_sagemaker as sagemaker

_Pool = sagemaker.CfnEndpointConfig.InstancePoolProperty


class _Instances(TypedDict, total=False):
    """Keyword arguments of a production variant: one of the two."""

    instance_type: str
    instance_pools: Sequence[_Pool]


def instances(instance_type: str, fallbacks: Sequence[str]) -> _Instances:
    """Properties of a production variant that name its instance types."""
    if not fallbacks:
        return {"instance_type": instance_type}
    types = enumerate((instance_type, *fallbacks), start=1)
    return {"instance_pools": [_Pool(instance_type=kind, priority=priority) for priority, kind in types]}
