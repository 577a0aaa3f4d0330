"""Purge: when an environment that retains nothing is removed, its registered models go first.

Invoked by CloudFormation as a custom resource, which waits for an answer at the URL in the event
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html). As `Custom::ModelPackages` only a
deletion does anything; as `Custom::ModelPackageGroup`, where CloudFormation has no such type, it makes and deletes the
group too. A failure is answered too, because without any answer the stack would wait for an hour.
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
    from mypy_boto3_sagemaker.client import SageMakerClient

logger = Logger()


@cache
def sagemaker() -> SageMakerClient:
    """The client, made once per execution environment."""
    return boto3.client("sagemaker", config=Config(retries={"mode": "standard", "total_max_attempts": 6}))


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
        deleted = packages.delete_all(sagemaker(), group)
        if owned:
            packages.delete_group(sagemaker(), group)
        return f"deleted {deleted} model packages of {group}"
    if request == "Create" and owned:
        return packages.create_group(sagemaker(), group, properties["ModelPackageGroupDescription"], properties["Tags"])
    return answer.NOTHING
