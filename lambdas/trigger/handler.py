"""Trigger: an archive uploaded under `incoming/` starts the pipeline once; anything else is refused with a report.

One under `incoming/evaluate/<version>/` starts the pipeline that evaluates that version of the model on it, one under
`incoming/calibrate/<version>/` the one that calibrates it. Where settings say so, the drift alarm starts training too,
on the newest dataset that has trained.

Invoked asynchronously by EventBridge. Anything unexpected raises, so that Lambda delivers the event again (twice) and
then hands it to the dead-letter queue; repeats are harmless. Of an archive only its directory is read.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from lambdas.trigger.archive import Limits
from lambdas.trigger.dataset import COPY_CONCURRENCY
from lambdas.trigger.environment import Environment
from lambdas.trigger.intake import Intake
from lambdas.trigger.retraining import Retraining, alarm
from lambdas.trigger.upload import announcement

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=COPY_CONCURRENCY)


@cache
def clients() -> dict[str, Any]:
    """The clients that uploads and retraining need, made once per execution environment."""
    return {name: boto3.client(name, config=_RETRIES) for name in ("s3", "sagemaker", "sns")}


@cache
def intake() -> Intake:
    """The service for uploads, made once per execution environment."""
    environment = Environment.load()
    return Intake(
        **clients(),
        pipeline_name=environment.pipeline_name,
        site_pipeline_name=environment.site_pipeline_name,
        calibration_pipeline_name=environment.calibration_pipeline_name,
        packages_arn=environment.model_packages_arn,
        topic_arn=environment.notification_topic_arn,
        limits=Limits(
            max_archive_bytes=environment.max_archive_bytes,
            max_uncompressed_bytes=environment.max_uncompressed_bytes,
            max_files=environment.max_files,
        ),
    )


@cache
def retraining() -> Retraining:
    """The service for drift, made once per execution environment."""
    environment = Environment.load()
    return Retraining(
        **clients(),
        pipeline_name=environment.pipeline_name,
        topic_arn=environment.notification_topic_arn,
        data_bucket=environment.data_bucket_name,
    )


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Handle one EventBridge event: "Object Created" of S3, or an alarm of CloudWatch that went off."""
    if drifted := alarm(event):
        outcome = retraining().start(drifted)
        logger.info("handled an alarm", extra={"outcome": outcome})
        return outcome
    announced = announcement(event)
    if announced is None:
        logger.info("ignored an event that announces no upload", extra={"detail_type": event.get("detail-type")})
        return {"status": "ignored"}
    outcome = intake().receive(announced)
    logger.info("handled an upload", extra={"outcome": outcome})
    return outcome
