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
from botocore.exceptions import BotoCoreError, ClientError

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
    properties, request = event["ResourceProperties"], event["RequestType"]
    group, owned = properties["ModelPackageGroupName"], event["ResourceType"] == "Custom::ModelPackageGroup"
    status, reason = "SUCCESS", "nothing to do"
    try:
        if request == "Delete":
            reason = f"deleted {packages.delete_all(sagemaker(), group)} model packages of {group}"
            if owned:
                packages.delete_group(sagemaker(), group)
        elif request == "Create" and owned:
            description, tags = properties["ModelPackageGroupDescription"], properties["Tags"]
            reason = packages.create_group(sagemaker(), group, description, tags)
    except (ClientError, BotoCoreError) as error:
        what = "group could not be made" if request == "Create" else "packages could not be deleted"
        status, reason = "FAILED", f"The model {what}, of {group}: {error}"
    logger.info("answered", extra={"request": event["RequestType"], "status": status, "reason": reason})
    answer.send(event, status, reason)
