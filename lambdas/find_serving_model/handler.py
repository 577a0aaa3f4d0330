"""FindServingModel: the Lambda step that tells an execution which model serves.

Training compares its own with it, and monitoring the predictions with the reference that came with it.

Invoked by SageMaker Pipelines, which takes the answer's members as the step's outputs, waits for ten minutes and does
not repeat a call that failed (https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html). What
may pass by itself is therefore repeated here; anything else raises, and its message is the step's failure reason.

A rule calls it every day too, for the sake of being called (`infra/training/daily_call.py`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from lambdas.find_serving_model.endpoint import Endpoint
from lambdas.find_serving_model.environment import Environment

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
environment = cache(Environment.load)


@cache
def endpoint() -> Endpoint:
    """The service, made once per execution environment."""
    retries = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10)
    return Endpoint(boto3.client("sagemaker", config=retries), environment().endpoint_name)


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: LambdaContext) -> dict[str, str]:
    """Answer the serving package, its artifact and its reference; `none` and an object to be left alone where nothing
    serves, that object too for a package without a reference."""
    if event.get("source") == "aws.events":
        return {}
    nothing_served_uri = environment().nothing_served_uri
    served = endpoint().served_model()
    answer = {
        "ServingPackageArn": served.package_arn if served else "none",
        "ServingModelUri": served.artifact_uri if served else nothing_served_uri,
        "ReferenceUri": (served.reference_uri if served else None) or nothing_served_uri,
    }
    logger.info("found what serves", extra={"answer": answer})
    return answer
