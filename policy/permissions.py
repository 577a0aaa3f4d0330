"""Permissions in the templates of every environment: who may do what on which resource under which condition."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra.settings.environment_name import ENVIRONMENT
from policy.template import listed, short, text
from policy.wildcards import MANAGED, reason_for_action, reason_for_resource

Template = dict[str, Any]
# By environment, or by a setting that one is given, then by the part of the stack's name behind the environment.
Templates = Mapping[str, Mapping[str, Template]]

# The property that names what a resource's policy is about, by type.
_RESOURCE_POLICIES = {
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SQS::QueuePolicy": "Queues",
    "AWS::SNS::TopicPolicy": "Topics",
}

_NAME = re.compile(rf"\bcxr-{ENVIRONMENT}\b")

HEAD = """\
# Who may do what

Generated from the templates of all environments by `make policy`; a test compares. References stand in angle
brackets, `cxr-<env>` is the name of an environment. A right that holds in some environments only names them;
a setting's name stands for prod with that setting. Every `*` in a resource or an action has its reason
(`policy/wildcards.py`).

"""


@dataclasses.dataclass(frozen=True, order=True)
class Right:
    """One statement of a policy."""

    part: str
    who: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str
    reason: str


class UnexplainedWildcardError(Exception):
    """A policy holds a wildcard without a reason; the message names both."""


def rights(part: str, template: Template) -> Iterator[Right]:
    """Every statement of a template's policies.

    Raises:
        UnexplainedWildcardError: one allows more than named things, and nobody said why.
    """
    for name, resource in template["Resources"].items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind == "AWS::IAM::Role":
            for policy in properties.get("Policies", []):
                yield from _of_identity(part, short(name), policy["PolicyDocument"])
            for arn in properties.get("ManagedPolicyArns", []):
                policy = _name(arn)
                reason = _explained(short(name), f"the managed policy {policy}", MANAGED.get(policy))
                yield Right(part, short(name), "Allow", (f"managed policy {policy}",), (), "", reason)
        elif kind == "AWS::IAM::Policy":
            for role in properties["Roles"]:
                yield from _of_identity(part, short(role["Ref"]), properties["PolicyDocument"])
        elif kind in _RESOURCE_POLICIES:
            targets = [text(item) for item in listed(properties[_RESOURCE_POLICIES[kind]])]
            yield from _of_resource(part, targets, properties["PolicyDocument"])
        elif kind == "AWS::KMS::Key":
            yield from _of_resource(part, [f"<{short(name)}>"], properties["KeyPolicy"])
        elif kind == "AWS::Lambda::Permission":
            source = {"ArnLike": {"AWS:SourceArn": properties["SourceArn"]}} if "SourceArn" in properties else {}
            function = text(properties["FunctionName"])
            principal = text(properties["Principal"])
            yield Right(part, principal, "Allow", (properties["Action"],), (function,), _condition(source), "")


def assumed_by(template: Template) -> Iterator[tuple[str, str, str]]:
    """Role, who may assume it, and under which condition."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
                yield short(name), _principal(statement["Principal"]), _condition(statement.get("Condition", {}))


def page(templates: Templates) -> str:
    """The tables as Markdown: one of rights for each stack, one of who assumes which role."""
    found: dict[Right, list[str]] = {}
    trusts: dict[tuple[str, str, str, str], list[str]] = {}
    for environment, parts in templates.items():
        for part, template in parts.items():
            for right in rights(part, template):
                found.setdefault(_everywhere(right), []).append(environment)
            for role, principal, condition in assumed_by(template):
                trusts.setdefault((part, role, principal, condition), []).append(environment)
    every = [label for label in templates if "." not in label]
    stacks = list(dict.fromkeys(part for parts in templates.values() for part in parts))
    sections = [_section(stack, {right: where for right, where in found.items() if right.part == stack}, every)
                for stack in stacks]  # fmt: skip
    return HEAD + "\n".join(sections) + "\n" + _trust_section(trusts, every)


def _section(stack: str, found: Mapping[Right, list[str]], every: list[str]) -> str:
    rows = [
        (
            _code([right.who]),
            ("" if right.effect == "Allow" else "**not** ") + _code(right.actions),
            _code(right.resources),
            _code([right.condition] if right.condition else []),
            "; ".join(filter(None, [_where(where, every), right.reason])),
        )
        for right, where in sorted(found.items())
    ]
    return f"## Stack {stack}\n\n" + _table(("who", "may", "on", "if", "remarks"), rows)


def _trust_section(trusts: Mapping[tuple[str, str, str, str], list[str]], every: list[str]) -> str:
    rows = [
        (_code([f"{part}: {role}"]), _code([principal]), _code([condition] if condition else []), _where(where, every))
        for (part, role, principal, condition), where in sorted(trusts.items())
    ]
    return "## Who acts as which role\n\n" + _table(("role", "is assumed by", "if", "remarks"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _of_identity(part: str, who: str, document: dict[str, Any]) -> Iterator[Right]:
    for statement in document["Statement"]:
        yield _right(part, who, statement, [text(item) for item in listed(statement["Resource"])])


def _of_resource(part: str, targets: list[str], document: dict[str, Any]) -> Iterator[Right]:
    """Statements of a policy that belongs to a resource, where `*` means that resource, or anybody who is denied."""
    for statement in document["Statement"]:
        resources = [text(item) for item in listed(statement["Resource"])]
        resources = targets if resources == ["*"] else resources
        who = _principal(statement["Principal"])
        actions = statement["Action"]
        allows = statement["Effect"] == "Allow"
        wide = [action for action in listed(actions) if allows and "*" in action]
        reasons = [_explained(who, action, reason_for_action(action)) for action in wide]
        right = Right(
            part,
            who,
            statement["Effect"],
            tuple(listed(actions)),
            tuple(resources),
            _condition(statement.get("Condition", {})),
            "; ".join(dict.fromkeys(reasons)),
        )
        if right.effect == "Allow" and right.who == "anybody" and not right.condition:
            raise UnexplainedWildcardError(f"{part}: anybody may {', '.join(right.actions)} on {', '.join(targets)}.")
        yield right


def _right(part: str, who: str, statement: dict[str, Any], resources: list[str]) -> Right:
    actions = listed(statement["Action"])
    reasons: list[str] = []
    if statement["Effect"] == "Allow":
        for resource in resources:
            if "*" in resource:
                reasons.append(_explained(who, resource, reason_for_resource(resource, actions)))
        for action in actions:
            if "*" in action:
                reasons.append(_explained(who, action, reason_for_action(action)))
    condition = _condition(statement.get("Condition", {}))
    reason = "; ".join(dict.fromkeys(reasons))
    # Sorted without the hashes of assets, by which the CDK sorts: an edit of the sources must not change this page.
    return Right(part, who, statement["Effect"], tuple(actions), tuple(sorted(resources)), condition, reason)


def _explained(who: str, wildcard: str, reason: str | None) -> str:
    if reason is None:
        raise UnexplainedWildcardError(f"{who}: nobody said why {wildcard} has to be so wide: policy/wildcards.py.")
    return reason


def _principal(principal: Any) -> str:
    if principal == "*":
        return "anybody"
    ((_, value),) = principal.items()
    who = ", ".join(map(text, listed(value)))
    return "anybody" if who == "*" else who


def _condition(condition: Mapping[str, Mapping[str, Any]]) -> str:
    return " and ".join(
        f"{operator} {key}: {' or '.join(map(text, listed(value)))}"
        for operator, keys in condition.items()
        for key, value in keys.items()
    )


def _name(arn: Any) -> str:
    return text(arn).partition(":policy/")[2]


def _everywhere(right: Right) -> Right:
    """The right with the environment's name left open, so that the same one of two environments is one."""

    def opened(value: str) -> str:
        return _NAME.sub("cxr-<env>", value)

    return dataclasses.replace(
        right,
        who=opened(right.who),
        resources=tuple(map(opened, right.resources)),
        condition=opened(right.condition),
    )


def _where(where: list[str], every: list[str]) -> str:
    """The environments, unless it is all; a setting is named where it is what makes the difference to prod."""
    environments = [label for label in where if "." not in label]
    if environments == every:
        return ""
    return f"only {', '.join(environments if 'prod' in where else where)}"


def _code(values: Iterable[str]) -> str:
    return "<br>".join(f"`{value}`" for value in values)
