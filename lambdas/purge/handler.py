"""Purge: when an environment that retains nothing is removed, its registered models go first.

Invoked by CloudFormation as a custom resource, which waits for an answer at the URL in the event
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html). As `Custom::ModelPackages` only a
deletion does anything; as `Custom::ModelPackageGroup`, where CloudFormation has no such type, it makes and deletes the
group too. A failure is answered too, because without any answer the stack would wait for an hour.

Only a stack that is itself deleted takes models along. CloudFormation asks for the same deletion where an update no
longer has this resource, which is what `retain: true` does, and where an update that brought it is rolled back. Nothing
in the request tells these apart (the guide's "Custom resource request objects", read 2026-11-29): the stack is asked.
A group that a failed creation made stays, empty; the next creation takes it over.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from lambdas.custom_resource import answer
from lambdas.purge import packages

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_sagemaker.client import SageMakerClient

logger = Logger()
_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 6})


@cache
def sagemaker() -> SageMakerClient:
    """The client, made once per execution environment."""
    return boto3.client("sagemaker", config=_RETRIES)


@cache
def cloudformation() -> CloudFormationClient:
    """The client, made once per execution environment."""
    return boto3.client("cloudformation", config=_RETRIES)


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle one CloudFormation custom resource request."""
    del context
    what = "group could not be made" if event["RequestType"] == "Create" else "packages could not be deleted"
    failed = f"The model {what}, of {event['ResourceProperties']['ModelPackageGroupName']}"
    answer.respond(event, logger, lambda: _change(event), failed)


def _change(event: dict[str, Any]) -> str:
    """Make the group, or delete what is in it and the group; what was done."""
    properties, request = event["ResourceProperties"], event["RequestType"]
    group, owned = properties["ModelPackageGroupName"], event["ResourceType"] == "Custom::ModelPackageGroup"
    if request == "Delete":
        if not _is_deleted(event["StackId"]):
            return f"kept the model packages of {group}: its stack stays"
        deleted = packages.delete_all(sagemaker(), group)
        if owned:
            packages.delete_group(sagemaker(), group)
        return f"deleted {deleted} model packages of {group}"
    if request == "Create" and owned:
        return packages.create_group(sagemaker(), group, properties["ModelPackageGroupDescription"], properties["Tags"])
    return answer.NOTHING


def _is_deleted(stack: str) -> bool:
    """Whether a stack is being deleted, as opposed to updated or rolled back."""
    (found,) = cloudformation().describe_stacks(StackName=stack)["Stacks"]
    return found["StackStatus"] == "DELETE_IN_PROGRESS"
