"""Release: an approved model package is rolled out by updating one parameter of the endpoint stack.

Invoked asynchronously by EventBridge. CloudFormation does the blue/green switch and the rollback; this function never
touches SageMaker's endpoint itself. Unexpected failures raise: Lambda delivers the event again (twice) and then hands
it to the dead-letter queue; repeats are harmless.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from lambdas.release.environment import Environment
from lambdas.release.notification import Notifier
from lambdas.release.package import state_change
from lambdas.release.release import Release
from lambdas.release.stack import EndpointStack

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@cache
def release() -> Release:
    """The service, made once per execution environment."""
    environment = Environment.load()
    retries = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
    return Release(
        sagemaker=boto3.client("sagemaker", config=retries),
        stack=EndpointStack(boto3.client("cloudformation", config=retries), environment.endpoint_stack_name),
        notifier=Notifier(boto3.client("sns", config=retries), environment.notification_topic_arn),
        group=environment.model_package_group_name,
    )


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one EventBridge "SageMaker Model Package State Change" event."""
    change = state_change(event)
    if change is None:
        logger.info("ignored an event that is no state change", extra={"detail_type": event.get("detail-type")})
        return {"status": "ignored"}
    status = release().follow(change, lambda: context.get_remaining_time_in_millis() / 1000)
    outcome = {"status": status, "model_package_arn": change.package_arn, "approval_in_event": change.approval}
    logger.info("followed a model package", extra={"outcome": outcome})
    return outcome
