"""Patient key: writes the deployment's secret HMAC key for pseudonyms of patients, once.

Invoked by CloudFormation as a custom resource. A key that is there stays, whatever is deployed, and the function may
not read it: the same archive has to give the same patients, and so the same split, again (docs/adr/0036).
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdas.custom_resource import answer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3.client import S3Client

logger = Logger()

KEY_BYTES = 32
"""As many as `model_code/data/pseudonyms.py` expects, and as the hash has."""


@cache
def s3() -> S3Client:
    """The client, made once per execution environment."""
    return boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 6}))


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle one CloudFormation custom resource request."""
    del context
    failed = "The key for hashes of patients could not be written"
    answer.respond(event, logger, lambda: _make(event), failed)


def _make(event: dict[str, Any]) -> str:
    """Write a key unless there is one; what was done.

    A conditional write needs no right to read
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, read 2026-11).
    """
    if event["RequestType"] == "Delete":
        return answer.NOTHING
    properties = event["ResourceProperties"]
    try:
        s3().put_object(
            Bucket=properties["BucketName"],
            Key=properties["Key"],
            Body=secrets.token_bytes(KEY_BYTES),
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "PreconditionFailed":
            return "the key was there"
        raise
    return "a key was made"
