"""Reasons for which CloudFormation would refuse to update the stacks of an environment, one by one, by templates."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from policy.schemas import identifying, replacing
from tests.infra.conftest import IN_ORDER

Template = dict[str, Any]
Parts = Mapping[str, Template]

# Names that are no identifier by the schema, and still nobody else's.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "AWS::Budgets::Budget": ("Budget", "BudgetName"),
    "AWS::CloudTrail::Trail": ("TrailName",),
    "AWS::SageMaker::Endpoint": ("EndpointName",),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupName",),
    "AWS::SNS::Topic": ("TopicName",),
    "AWS::SQS::Queue": ("QueueName",),
}


def refused(before: Parts, after: Parts) -> Iterator[str]:
    """One sentence for each reason why an update from one set of templates to another would fail.

    The stacks are updated in their order. While one is, the later ones still import what they did, and a resource that
    goes is there until the new ones are: CloudFormation deletes at the end of an update ("Update behaviors of stack
    resources" and "Outputs", https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/, read 2026-11-29).

    Args:
        before: templates by part, as they are deployed.
        after: those to deploy.
    """
    changed: set[str] = set()
    for part in (part for part in IN_ORDER if part in before and part in after):
        replaced = set(_replaced(before[part], after[part], changed))
        yield from _exports(part, before, after, replaced, changed)
        yield from _taken(part, before, after, replaced)
        yield from _overlapping(part, before, after, replaced)


def _replaced(before: Template, after: Template, changed: set[str]) -> Iterator[str]:
    """Logical ids of the resources that would be replaced, by their own changes or by those they refer to."""
    found: set[str] = set()
    size = -1
    while len(found) > size:
        size = len(found)
        for name, old in before["Resources"].items():
            new = after["Resources"].get(name)
            if new is None or new["Type"] != old["Type"] or not old["Type"].startswith("AWS::"):
                continue
            for path in replacing(old["Type"]):
                value = _at(new, path)
                if _at(old, path) != value or _references(value) & found or _imports(value) & changed:
                    found.add(name)
    yield from found


def _exports(part: str, before: Parts, after: Parts, replaced: set[str], changed: set[str]) -> Iterator[str]:
    """Exports that go, or get another value, while a stack imports them."""
    old, new = _exported(before[part]), _exported(after[part])
    users = {name: [user for user in before if name in _imports(before[user])] for name in old}
    for name, value in old.items():
        if name not in new:
            if users[name]:
                yield f"{part}: {name} is not exported any more, and imported by {', '.join(users[name])}"
        elif new[name] != value or _references(value) & replaced:
            changed.add(name)
            if users[name]:
                yield f"{part}: {name} gets another value, and is imported by {', '.join(users[name])}"


def _taken(part: str, before: Parts, after: Parts, replaced: set[str]) -> Iterator[str]:
    """Resources that are made under a name that another one, or they themselves, still have."""
    there = {
        name: (other, logical_id)
        for other in before
        for logical_id, resource in before[other]["Resources"].items()
        # Stacks that come before this one have let go of theirs.
        if IN_ORDER.index(other) >= IN_ORDER.index(part) or logical_id in after.get(other, {}).get("Resources", {})
        for name in _fixed_names(resource)
    }
    for logical_id, resource in after[part]["Resources"].items():
        if logical_id in before[part]["Resources"] and logical_id not in replaced:
            continue
        for name in _fixed_names(resource, replaced):
            if name in there:
                yield f"{part}: {logical_id} is made as {name[1]}, which {' '.join(there[name])} has"


def _overlapping(part: str, before: Parts, after: Parts, replaced: set[str]) -> Iterator[str]:
    """Subnets that are made with addresses of one that is there."""
    old, new = _subnets(before[part]), _subnets(after[part])
    for logical_id, network in new.items():
        if logical_id in old and logical_id not in replaced:
            continue
        for other, addresses in old.items():
            if addresses.overlaps(network):
                yield f"{part}: {logical_id} is made with {network}, and {other} has {addresses}"


def gone(before: Parts, after: Parts) -> set[str]:
    """Types of the resources that an update takes away."""
    return {
        resource["Type"]
        for part in before
        for name, resource in before[part]["Resources"].items()
        if part in after and name not in after[part]["Resources"]
    }


def lost(before: Parts, after: Parts, kinds: Set[str]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Types and logical ids of the resources of some types that an update replaces, and that it deletes.

    What its deletion policy keeps is not deleted.
    """
    replaced: set[tuple[str, str]] = set()
    deleted: set[tuple[str, str]] = set()
    changed: set[str] = set()
    for part in (part for part in IN_ORDER if part in before and part in after):
        anew = set(_replaced(before[part], after[part], changed))
        list(_exports(part, before, after, anew, changed))  # adds to those that changed
        for name, resource in before[part]["Resources"].items():
            if resource["Type"] not in kinds:
                continue
            if name in anew:
                replaced.add((resource["Type"], name))
            elif name not in after[part]["Resources"] and not resource.get("DeletionPolicy", "").startswith("Retain"):
                deleted.add((resource["Type"], name))
    return replaced, deleted


def _fixed_names(resource: Mapping[str, Any], replaced: Set[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Names that the template gives, without those that another resource's name is a part of which is replaced."""
    kind = resource["Type"]
    if not kind.startswith("AWS::"):
        return
    paths = identifying(kind)
    for found in ([_at(resource, path) for path in paths], [_at(resource, _NAMES[kind])] if kind in _NAMES else []):
        if found and None not in found and not _references(found) & replaced:
            yield kind, json.dumps(found, sort_keys=True)


def _subnets(template: Template) -> dict[str, ipaddress.IPv4Network]:
    return {
        name: ipaddress.IPv4Network(resource["Properties"]["CidrBlock"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::EC2::Subnet"
    }


def _exported(template: Template) -> dict[str, Any]:
    outputs = template.get("Outputs", {}).values()
    return {item["Export"]["Name"]: item["Value"] for item in outputs if "Export" in item}


def _at(resource: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = resource.get("Properties", {})
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _imports(value: Any) -> set[str]:
    return {one["Fn::ImportValue"] for one in _intrinsics(value, "Fn::ImportValue")}


def _references(value: Any) -> set[str]:
    """Logical ids that a value refers to."""
    found = {one["Ref"] for one in _intrinsics(value, "Ref")}
    found |= {one["Fn::GetAtt"][0] for one in _intrinsics(value, "Fn::GetAtt")}
    texts = (one["Fn::Sub"] for one in _intrinsics(value, "Fn::Sub"))
    for text in (text if isinstance(text, str) else text[0] for text in texts):
        found |= set(re.findall(r"\$\{(\w+)", text))
    return found


def _intrinsics(value: Any, name: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if name in value:
            yield value
        for inner in value.values():
            yield from _intrinsics(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _intrinsics(inner, name)
