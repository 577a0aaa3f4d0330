"""Publish: copies a deployment's source code and libraries from the CDK's asset bucket into the artifact bucket.

Invoked by CloudFormation as a custom resource. Nothing is ever removed: an execution keeps the addresses that it
started with, whatever is deployed meanwhile (docs/adr/0032).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from lambdas.custom_resource import answer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3.client import S3Client

logger = Logger()


@cache
def s3() -> S3Client:
    """The client, made once per execution environment."""
    return boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 6}))


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle one CloudFormation custom resource request."""
    del context
    failed = "The files of this deployment could not be copied"
    answer.respond(event, logger, lambda: _publish(event), failed)


def _publish(event: dict[str, Any]) -> str:
    if event["RequestType"] == "Delete":
        return answer.NOTHING
    return f"copied {_copy(event['ResourceProperties'])} files"


def _copy(properties: dict[str, Any]) -> int:
    """Copy every file; how many there were. A key says its content, so copying again changes nothing."""
    files = properties["Files"]
    for file in files:
        s3().copy_object(
            Bucket=properties["BucketName"],
            Key=file["Key"],
            CopySource={"Bucket": file["FromBucketName"], "Key": file["FromKey"]},
            # Tags, such as a malware scanner's, are not taken along: that takes rights to tags of both objects (AWS
            # Knowledge Center in Seagate/cortx-prvsnr#3033, and nasa/cumulus-orca#530; read 2026-11-30).
            TaggingDirective="REPLACE",
        )
    return len(files)
