"""Sign: signs a statement of what a model package is made of when it is registered, so that a later change is detected.

Invoked asynchronously by EventBridge. Unexpected failures raise: Lambda delivers the event again (twice) and then hands
it to the dead-letter queue; repeats are harmless. What is registered is read from the registry, never from the event,
and a package whose registration is too long ago is not signed, whoever asks.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdas.aws.envelope import SigningKey
from lambdas.aws.errors import is_absent
from lambdas.aws.provenance import Provenance
from lambdas.aws.statement import PackageInspector
from lambdas.release.package import state_change
from lambdas.sign.environment import Environment

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sagemaker import SageMakerClient

logger = Logger()
environment = cache(Environment.load)


@cache
def sagemaker() -> SageMakerClient:
    """The client, made once per execution environment."""
    return boto3.client("sagemaker", config=_retries())


@cache
def provenance() -> Provenance:
    """The service, made once per execution environment."""
    s3 = boto3.client("s3", config=_retries())
    key = SigningKey(boto3.client("kms", config=_retries()), environment().signing_key_arn)
    return Provenance(s3, environment().artifact_bucket_name, key, PackageInspector(sagemaker(), s3))


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Handle one event about a model package."""
    change = state_change(event)
    if change is None or change.group != environment().model_package_group_name:
        return {"status": "ignored"}
    outcome = {"status": _sign(change.package_arn), "model_package_arn": change.package_arn}
    logger.info("looked at a registration", extra={"outcome": outcome})
    return outcome


def _sign(arn: str) -> str:
    try:
        package = sagemaker().describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if is_absent(error):
            return "gone"
        raise
    # The event's group is a claim; the registry's is what the permission is about.
    if package.get("ModelPackageGroupName") != environment().model_package_group_name:
        return "ignored"
    if not provenance().may_still_be_signed(package):
        return "too_late"
    return "signed" if provenance().sign(package) else "signed_already"


def _retries() -> Config:
    return Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
