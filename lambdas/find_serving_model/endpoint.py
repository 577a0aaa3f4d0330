"""The endpoint, followed from its name to the model package it serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

# DescribeEndpoint's statuses in which no model answers (SageMaker API reference). In all others one does: through an
# update, a rollback, and a rollback that failed.
_NOT_SERVING = frozenset({"Creating", "Deleting", "Failed", "OutOfService"})
_LOOKS = 3
_SECONDS_BETWEEN_LOOKS = 10.0


class NoPackageError(RuntimeError):
    """Something serves, but nothing that a new model could be compared with. `str()` says what and what to do."""


@dataclass(frozen=True)
class ServedModel:
    """A model package that serves, where its `model.tar.gz` is, and what its predictions are compared with.

    Attributes:
        reference_uri: of its `reference.json`; None for a package of before there was one.
    """

    package_arn: str
    artifact_uri: str
    reference_uri: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """The endpoint, by name.

    While a release is under way DescribeEndpoint names the configuration that serves until it has succeeded; the new
    one is in `PendingDeploymentSummary` (SageMaker API reference), and its model is nobody's yardstick yet.
    """

    sagemaker: SageMakerClient
    name: str
    sleep: Callable[[float], None] = time.sleep

    def served_model(self) -> ServedModel | None:
        """What serves now; None when nothing does.

        Raises:
            NoPackageError: the endpoint serves no model package, or one that the registry does not have any more.
            botocore.exceptions.ClientError: SageMaker refuses to tell.
        """
        for look in range(_LOOKS):
            if look:
                self.sleep(_SECONDS_BETWEEN_LOOKS)
            configuration = self._configuration()
            if configuration is None:
                return None
            try:
                package_arn = self._package_of(configuration)
            except ClientError as error:
                if not _is_absent(error):
                    raise
                # A release that has just ended takes the old configuration and model away: the endpoint has others.
                continue
            return self._described(package_arn)
        raise NoPackageError(
            f"The configuration of the endpoint {self.name} or its model was not there, {_LOOKS} times: "
            "the endpoint was changed by other means than a release."
        )

    def _configuration(self) -> str | None:
        try:
            endpoint = self.sagemaker.describe_endpoint(EndpointName=self.name)
        except ClientError as error:
            if _is_absent(error):
                return None
            raise
        return None if endpoint["EndpointStatus"] in _NOT_SERVING else endpoint.get("EndpointConfigName")

    def _package_of(self, configuration: str) -> str:
        variants = self.sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"]
        model_name = variants[0].get("ModelName", "")
        container = self.sagemaker.describe_model(ModelName=model_name).get("PrimaryContainer", {})
        # The endpoint stack names the package twice: for SageMaker, and for the answers to say where they come from.
        package = container.get("ModelPackageName") or container.get("Environment", {}).get("MODEL_PACKAGE_ARN")
        if not package:
            raise NoPackageError(
                f"The model {model_name} of the endpoint {self.name} comes from no model package: release one."
            )
        return package

    def _described(self, package_arn: str) -> ServedModel:
        try:
            package = self.sagemaker.describe_model_package(ModelPackageName=package_arn)
        except ClientError as error:
            if not _is_absent(error):
                raise
            raise NoPackageError(
                f"The endpoint {self.name} serves {package_arn}, which is not in the registry any more: "
                "release another version, or empty the parameter ModelPackageArn of the endpoint's stack."
            ) from error
        containers = package.get("InferenceSpecification", {}).get("Containers", [])
        uri = containers[0].get("ModelDataUrl") if containers else None
        if not uri:
            raise NoPackageError(f"The model package {package_arn} names no artifact: release another version.")
        return ServedModel(package_arn, uri, _reference_of(package))


def _reference_of(package: Mapping[str, Any]) -> str | None:
    # Where SageMaker keeps what later data are compared with; registration fills it (pipeline/registration.py).
    uri: str | None = (
        package.get("DriftCheckBaselines", {}).get("ModelDataQuality", {}).get("Statistics", {}).get("S3Uri")
    )
    return uri


def _is_absent(error: ClientError) -> bool:
    """Whether an answer means that the resource does not exist: SageMaker has no own code for it."""
    answer = error.response["Error"]
    message = answer.get("Message", "").lower()
    return answer["Code"] in {"ValidationException", "ValidationError", "ResourceNotFound"} and (
        "not found" in message or "could not find" in message or "does not exist" in message
    )
