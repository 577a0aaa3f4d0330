"""CloudFormation's schemas and IAM's actions, as cfn-lint carries them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER


def handlers(kind: str) -> Mapping[str, Any]:
    """Actions that the handlers of a resource type call, by `create`, `read`, `update` and `delete`."""
    schema: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    found: Mapping[str, Any] = schema["handlers"]
    return found


def replacing(kind: str) -> list[tuple[str, ...]]:
    """The properties of a resource type, as paths, whose change replaces the resource."""
    return _paths(kind, "createOnlyProperties") + _paths(kind, "conditionalCreateOnlyProperties")


def identifying(kind: str) -> list[tuple[str, ...]]:
    """The properties of a resource type, as paths, that no other resource of the account and region may have too."""
    return _paths(kind, "primaryIdentifier")


@cache
def _paths(kind: str, name: str) -> list[tuple[str, ...]]:
    schema: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths: list[str] = schema.get(name, [])
    return [tuple(path.removeprefix("/properties/").split("/")) for path in paths]


def exists(action: str) -> bool:
    """Whether IAM knows an action such as `s3:GetObject`."""
    service, _, name = action.partition(":")
    return name.lower() in _actions(service)


@cache
def _actions(service: str) -> frozenset[str]:
    known = load_resource(AdditionalSpecs, "Policies.json")
    return frozenset(known.get(service, {}).get("Actions", {}))
