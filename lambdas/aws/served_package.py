"""Model package that an endpoint serves: from the endpoint to its configuration, its model and the package."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import is_absent

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

# DescribeEndpoint's statuses in which no model answers (SageMaker API reference). In all others one does: through an
# update, a rollback, and a rollback that failed.
_NOT_SERVING = frozenset({"Creating", "Deleting", "Failed", "OutOfService"})
LOOKS = 3
SECONDS_BETWEEN_LOOKS = 10.0


@dataclass(frozen=True)
class Served:
    """State of an endpoint, and the model that it serves.

    Attributes:
        status: SageMaker's EndpointStatus; None when there is no endpoint.
        package_arn: ARN of the model package; None when nothing serves, or something of no package.
        model_name: name of the model that serves; None when nothing does, or it could not be found.
        failure_reason: failure reason of the endpoint, where it says one.
    """

    status: str | None = None
    package_arn: str | None = None
    model_name: str | None = None
    failure_reason: str = ""

    @property
    def serves(self) -> bool:
        """Whether a model answers, of whatever package."""
        return self.status is not None and self.status not in _NOT_SERVING


def find(
    sagemaker: SageMakerClient,
    endpoint_name: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    seconds: float = SECONDS_BETWEEN_LOOKS,
) -> Served:
    """Follow an endpoint to the model package that it serves.

    While a release is under way DescribeEndpoint names the configuration that serves until it has succeeded; the new
    one is in `PendingDeploymentSummary` (SageMaker API reference). One that has just ended takes the old configuration
    and model away: then the endpoint has others, and is looked at again.

    Args:
        endpoint_name: name of the endpoint, which need not exist.

    Raises:
        botocore.exceptions.ClientError: SageMaker refuses to tell.
    """
    found = Served()
    for look in range(LOOKS):
        if look:
            sleep(seconds)
        try:
            endpoint = sagemaker.describe_endpoint(EndpointName=endpoint_name)
        except Exception as error:
            if is_absent(error):
                return Served()
            raise
        found = Served(endpoint["EndpointStatus"], failure_reason=endpoint.get("FailureReason", ""))
        if not found.serves:
            return found
        if "EndpointConfigName" not in endpoint:
            return Served()
        try:
            model_name = _model_of(sagemaker, endpoint["EndpointConfigName"])
            package = _package_of(sagemaker.describe_model(ModelName=model_name))
        except Exception as error:
            if not is_absent(error):
                raise
            continue
        return Served(found.status, package, model_name, found.failure_reason)
    return found


def _model_of(sagemaker: SageMakerClient, configuration: str) -> str:
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"]
    return variants[0].get("ModelName", "")


def _package_of(model: Any) -> str | None:
    containers = [model.get("PrimaryContainer") or {}, *model.get("Containers", [])]
    # The endpoint stack names the package twice: for SageMaker, and for the answers to say where they come from.
    named = (
        container.get("ModelPackageName") or container.get("Environment", {}).get("MODEL_PACKAGE_ARN")
        for container in containers
    )
    return next(filter(None, named), None)
