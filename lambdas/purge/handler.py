"""Purge: when an environment that retains nothing is removed, its registered models go first.

Invoked by CloudFormation as a custom resource. Only a deletion does anything; a failure is answered too.
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
    group = event["ResourceProperties"]["ModelPackageGroupName"]
    status, reason = "SUCCESS", "nothing to do"
    if event["RequestType"] == "Delete":
        try:
            reason = f"deleted {packages.delete_all(sagemaker(), group)} model packages of {group}"
        except (ClientError, BotoCoreError) as error:
            status, reason = "FAILED", f"The model packages of {group} could not be deleted: {error}"
    logger.info("answered", extra={"request": event["RequestType"], "status": status, "reason": reason})
    answer.send(event, status, reason)
