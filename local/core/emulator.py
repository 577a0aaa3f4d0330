"""Hooks into MiniStack's private names, in one place: its release is pinned exactly, a system test catches drift.

MiniStack reads its settings from the environment while it is imported, so `local.supervisor` starts this package's
server as a process of its own with the environment already set.

What is hooked, and why:

| name | reason |
| --- | --- |
| `app.SERVICE_HANDLERS`, `router.SERVICE_PATTERNS` | route SageMaker's requests here |
| `iam_evaluator.enforce`, `router.extract_access_key_id` | decide on SageMaker actions, which MiniStack does not map |
| `iam_evaluator.evaluate_trust_policy`, `sts.register_session` | let SageMaker act as the roles that trust it |
| `iam_actions.request_tag_context` | supply `cloudformation:ResourceTypes`, which MiniStack's policy checks lack |
| the same | supply `cloudwatch:namespace` too |
| `cloudformation.handlers._ACTION_HANDLERS` | refuse an update of resource types outside `ResourceTypes` |
| `provisioners._RESOURCE_HANDLERS`, `_REPLACING_PROPERTIES`, `_physical_name` | the SageMaker resource types |
| `stacks._runs_on_worker_thread` | an endpoint waits for processes, off the event loop |
| `stacks._add_event`, `CLIENT_REQUEST_TOKEN` | publish "CloudFormation Stack Status Change" events |
| `cloudwatch._dispatch_alarm_actions` | publish "CloudWatch Alarm State Change" events |
| `eventbridge._put_events` | publish events with source `aws.sagemaker` |

Those for versions of objects are in `local.core.object_versions`, for what fails inside in
`local.core.emulator_errors`, for metrics and alarms in `local.core.metrics`, for how many functions run in
`local.core.function_concurrency`, for what is kept of logs and tables in `local.core.retention`.
"""

from __future__ import annotations

import asyncio
import fnmatch
import importlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import hypercorn.asyncio
from hypercorn.config import Config
from ministack import app as ministack
from ministack.core import iam_actions, iam_evaluator, router
from ministack.services import cloudwatch, eventbridge, sts
from ministack.services.cloudformation import handlers as stack_actions
from ministack.services.cloudformation import helpers as stack_errors
from ministack.services.cloudformation import provisioners, stacks

from local.core.api import ApiError

Response = tuple[int, dict[str, str], bytes]
RequestHandler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Response]]


_DEPLOYED_SERVICES = (
    *("kms", "s3", "sns", "sqs", "iam", "sts", "ssm", "lambda_svc", "cloudwatch_logs", "cloudwatch", "eventbridge"),
    *("apigateway_v1", "dynamodb"),
)


@dataclass(frozen=True)
class ResourceType:
    """Handlers by which CloudFormation creates, changes and removes one resource type.

    `create(logical_id, properties, stack)` and `update(physical_id, old, new, stack)` answer the physical id and the
    attributes of `Fn::GetAtt`; `delete(physical_id, properties)` must not mind a resource that is gone. Each reports a
    failure as an exception whose text becomes the event's reason. One that waits for anything must be `blocking`: it
    runs on a thread of its own. The others finish before CloudFormation answers the next request, which spares the
    CDK command line the five seconds after which it asks again.
    """

    create: Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
    update: Callable[[str, dict[str, Any], dict[str, Any], str], tuple[str, dict[str, Any]]]
    delete: Callable[[str, dict[str, Any]], None]
    replacing: tuple[str, ...]
    blocking: bool = False


async def serve(host: str, port: int, stopping: asyncio.Event) -> None:
    """Serve every service until `stopping` is set.

    Args:
        host: the address to listen on.
        port: the TCP port, which must be free.
        stopping: ends the server; requests in flight are given a second.
    """
    config = Config()
    config.bind = [f"{host}:{port}"]
    config.graceful_timeout = 1
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    await hypercorn.asyncio.serve(_as_if_encrypted, config, shutdown_trigger=stopping.wait)


async def _as_if_encrypted(scope: Any, receive: Any, send: Any) -> None:
    # Buckets and queues refuse what does not come over TLS (aws:SecureTransport). The loopback interface stands for it.
    if scope["type"] == "http":
        scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
    await ministack.app(scope, receive, send)


def preload() -> None:
    """Import the services a deployment uses, which MiniStack otherwise does at the first request for each."""
    for service in _DEPLOYED_SERVICES:
        importlib.import_module(f"ministack.services.{service}")


def register_service(name: str, target_prefix: str, handler: RequestHandler) -> None:
    """Send the requests of a service here instead of to MiniStack.

    Args:
        name: the service's signing name.
        target_prefix: prefix of its `X-Amz-Target` headers.
        handler: takes method, path, lower-case headers, body and query, and answers status, headers and body.
    """
    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target_prefix], "host_patterns": [rf"{name}\."]}
    ministack.SERVICE_HANDLERS[name] = handler


def register_resource_type(name: str, resource_type: ResourceType) -> None:
    """Teach CloudFormation a resource type."""
    provisioners._RESOURCE_HANDLERS[name] = {
        "create": resource_type.create,
        "update": resource_type.update,
        "delete": resource_type.delete,
    }
    provisioners._REPLACING_PROPERTIES[name] = resource_type.replacing
    if not resource_type.blocking:
        return
    on_worker_thread = stacks._runs_on_worker_thread

    def runs_on_worker_thread(candidate: str) -> bool:
        return bool(candidate == name or on_worker_thread(candidate))

    stacks._runs_on_worker_thread = runs_on_worker_thread


def physical_name(stack: str, logical_id: str, max_length: int) -> str:
    """A generated name as CloudFormation makes it: stable across updates, new when the resource is replaced."""
    name: str = provisioners._physical_name(stack, logical_id, max_len=max_length)
    return name


def put_event(source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
    """Publish an event of an AWS service on the default bus."""
    entry = {"Source": source, "DetailType": detail_type, "Resources": resources, "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def caller_key(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> str:
    """The access key a request is signed with."""
    key: str = router.extract_access_key_id(headers, query)
    return key


def enforce(access_key: str, action: str, resource: str, region: str, context: Mapping[str, Any] | None = None) -> None:
    """Check the signature of the request being handled, once, and whether its caller may do something.

    Args:
        access_key: access key from `caller_key`, or of a session made by `AssumeRole`.
        action: such as `sagemaker:InvokeEndpoint`.
        resource: ARN of what is acted on, or `*`.
        context: condition keys of the request.

    Raises:
        ApiError: `AccessDeniedException`, or what is wrong with the credentials.
    """
    service = action.partition(":")[0]
    denied = iam_evaluator.enforce(access_key, action, service, region, resource_arn=resource, service_context=context)
    if denied is None:
        return
    if isinstance(denied, iam_evaluator.AuthError):
        raise ApiError(denied.code, denied.message, 403)
    message = iam_actions.identity_denial_message(action, denied.principal_arn, resource, denied.decision == "Deny")
    raise ApiError("AccessDeniedException", message, 400)


def service_session(
    role_arn: str, trust_policy: Mapping[str, Any], service: str, account: str
) -> tuple[str, str, str] | None:
    """Access key, secret and token of an AWS service acting as a role; None when the role does not trust it.

    `AssumeRole` cannot give one: its caller is never a service, and the condition keys that a trust policy puts on
    services (`aws:SourceAccount`) are not in its request.
    """
    root = f"arn:aws:iam::{account}:root"  # which the emulator lets stand for any service
    trusting = [item for item in trust_policy.get("Statement", []) if _names_service(item, service)]
    context = iam_evaluator.EvalContext(
        principal_arn=root,
        principal_type="Root",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region="",
        service_context={"aws:sourceaccount": account},
    )
    if not iam_evaluator.evaluate_trust_policy({"Statement": trusting}, root, context):
        return None
    role, session = role_arn.rpartition("/")[2], f"{service.partition('.')[0]}-{secrets.token_hex(6)}"
    key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(32)
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
            "UserId": f"{role}:{session}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return key, secret, token


def _names_service(statement: Mapping[str, Any], service: str) -> bool:
    principal = statement.get("Principal", {})
    named = principal.get("Service", []) if isinstance(principal, dict) else []
    return service in ([named] if isinstance(named, str) else named)


def honour_resource_types() -> None:
    """Make CloudFormation's `ResourceTypes` parameter count, in policies and in updates, as it does in AWS."""
    tag_context = iam_actions.request_tag_context

    def request_context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = tag_context(service, action, body, params)
        if service == "cloudformation" and (types := _resource_types(params)):
            context["cloudformation:resourcetypes"] = types
        return context

    iam_actions.request_tag_context = request_context
    update_stack = stack_actions._ACTION_HANDLERS["UpdateStack"]

    def update_listed_types(params: dict[str, Any]) -> Any:
        allowed = _resource_types(params)
        if allowed:
            refused = sorted({changed for changed in _changed_types(params) if not _covers(allowed, changed)})
            if refused:
                message = f"Resource type {refused[0]} is not allowed by parameter ResourceTypes {allowed}"
                return stack_errors._error("ValidationError", message)
        return update_stack(params)

    stack_actions._ACTION_HANDLERS["UpdateStack"] = update_listed_types


def announce_stack_changes() -> None:
    """Publish an event for every status that a stack gets, as CloudFormation does and MiniStack does not."""
    add_event = stacks._add_event

    def add_and_announce(
        stack_id: str, stack_name: str, logical_id: str, resource_type: str, status: str, *rest: Any, **more: Any
    ) -> None:
        add_event(stack_id, stack_name, logical_id, resource_type, status, *rest, **more)
        if resource_type != "AWS::CloudFormation::Stack" or logical_id != stack_name:
            return
        reason = rest[0] if rest else more.get("reason", "")
        detail = {
            "stack-id": stack_id,
            "status-details": {"status": status, "status-reason": reason},
            "client-request-token": stacks.CLIENT_REQUEST_TOKEN.get(),
        }
        put_event("aws.cloudformation", "CloudFormation Stack Status Change", [stack_id], detail)

    stacks._add_event = add_and_announce
    stack_actions._add_event = add_and_announce


def tell_policies_the_namespace() -> None:
    """Give policies the namespace that PutMetricData writes to, as a condition key."""
    tag_context = iam_actions.request_tag_context

    def request_context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = tag_context(service, action, body, params)
        if action == "cloudwatch:PutMetricData" and (namespace := _namespace(body, params)):
            context["cloudwatch:namespace"] = namespace
        return context

    iam_actions.request_tag_context = request_context


def _namespace(body: bytes, params: Mapping[str, Any]) -> str:
    """The namespace of a PutMetricData request, which SDKs send as JSON, older ones as a form."""
    if body[:1] == b"{":
        return str(json.loads(body).get("Namespace", ""))
    value = params.get("Namespace", "")
    return str(value[0] if isinstance(value, list) else value)


def announce_alarm_changes() -> None:
    """Publish an event for every state that an alarm gets, as CloudWatch does and MiniStack does not."""
    dispatch = cloudwatch._dispatch_alarm_actions

    def dispatch_and_announce(alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
        dispatch(alarm, old, new, reason)
        detail = {
            "alarmName": alarm["AlarmName"],
            "state": {"value": new, "reason": reason, "timestamp": _now()},
            "previousState": {"value": old},
            "configuration": {"description": alarm.get("AlarmDescription", "")},
        }
        put_event("aws.cloudwatch", "CloudWatch Alarm State Change", [alarm["AlarmArn"]], detail)

    cloudwatch._dispatch_alarm_actions = dispatch_and_announce


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())


def _resource_types(params: Mapping[str, Any]) -> list[str]:
    found = [(int(name.rpartition(".")[2]), value) for name, value in params.items() if _RESOURCE_TYPE.match(name)]
    return [value[0] if isinstance(value, list) else value for _, value in sorted(found)]


_RESOURCE_TYPE = re.compile(r"ResourceTypes\.member\.\d+$")


def _covers(allowed: list[str], resource_type: str) -> bool:
    return any(fnmatch.fnmatchcase(resource_type, pattern) for pattern in allowed)


def _changed_types(params: Mapping[str, Any]) -> list[str]:
    # What an update would touch is what a change set of the same request lists.
    name = "resource-types-check"
    described = {**params, "ChangeSetName": [name]}
    described.pop("ResourceTypes", None)
    try:
        stack_actions._ACTION_HANDLERS["CreateChangeSet"](described)
        status, _, body = stack_actions._ACTION_HANDLERS["DescribeChangeSet"](described)
    finally:
        stack_actions._ACTION_HANDLERS["DeleteChangeSet"](described)
    if status != 200:
        return []
    document = ET.fromstring(body)  # noqa: S314 - written by this process
    return [element.text or "" for element in document.iter() if element.tag.endswith("}ResourceType")]
