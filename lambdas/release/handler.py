"""Release: an approved model package is rolled out by updating one parameter of the endpoint stack.

Invoked asynchronously by EventBridge: when somebody decided about a package or a package waits for that, and when an
update that this function asked for has ended. CloudFormation does the blue/green switch and the rollback; this
function never changes SageMaker's endpoint itself, but asks it what it serves before it calls a release done.
Unexpected failures raise: Lambda delivers the event again (twice) and then hands it to the dead-letter queue; repeats
are harmless.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from lambdas.aws.envelope import SigningKey
from lambdas.aws.provenance import Provenance
from lambdas.aws.statement import PackageInspector
from lambdas.aws.topic import Topic
from lambdas.release.endpoint import ServingEndpoint
from lambdas.release.environment import Environment
from lambdas.release.notification import Notifier
from lambdas.release.package import state_change
from lambdas.release.release import Release
from lambdas.release.signature_gate import SignatureGate
from lambdas.release.site_gate import SiteGate
from lambdas.release.stack import EndpointStack, update_ended
from lambdas.release.verdict import Verdicts

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@cache
def release() -> Release:
    """The service, made once per execution environment."""
    environment = Environment.load()
    retries = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
    # One attempt at a time, as long as an invocation may take: the endpoint is asked again where that helps.
    patience = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=65)
    sagemaker = boto3.client("sagemaker", config=retries)
    s3 = boto3.client("s3", config=retries)
    bucket = environment.artifact_bucket_name
    key = SigningKey(boto3.client("kms", config=retries), environment.signing_key_arn)
    return Release(
        sagemaker=sagemaker,
        stack=EndpointStack(
            boto3.client("cloudformation", config=retries),
            environment.endpoint_stack_name,
            tuple(environment.released_types.split(",")),
        ),
        endpoint=ServingEndpoint(
            sagemaker, boto3.client("sagemaker-runtime", config=patience), environment.endpoint_name
        ),
        notifier=Notifier(Topic(boto3.client("sns", config=retries), environment.notification_topic_arn)),
        verdicts=Verdicts(s3, bucket),
        group=environment.model_package_group_name,
        signature_gate=SignatureGate(Provenance(s3, bucket, key, PackageInspector(sagemaker, s3))),
        site_gate=SiteGate(s3, bucket) if environment.site_evaluation_required else None,
    )


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one event about a model package, or about the end of a release."""
    if (update := update_ended(event)) is not None:
        token, status, stack_arn = update
        outcome = {"status": release().conclude(token, status, stack_arn), "version": token.version, "update": status}
        logger.info("concluded a release", extra={"outcome": outcome})
        return outcome
    change = state_change(event)
    if change is None:
        logger.info("ignored an event that is no state change", extra={"detail_type": event.get("detail-type")})
        return {"status": "ignored"}
    status = release().follow(change, lambda: context.get_remaining_time_in_millis() / 1000)
    outcome = {"status": status, "model_package_arn": change.package_arn, "approval_in_event": change.approval}
    logger.info("followed a model package", extra={"outcome": outcome})
    return outcome
