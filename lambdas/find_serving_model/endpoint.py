"""Model package that the endpoint serves, with its artifact and reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.aws import served_package
from lambdas.aws.errors import is_absent

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient


class NoPackageError(RuntimeError):
    """Something serves, but nothing that a new model could be compared with. `str()` says what and what to do."""


@dataclass(frozen=True)
class ServedModel:
    """A model package that serves, where its `model.tar.gz` is, and what its predictions are compared with.

    Attributes:
        reference_uri: S3 URI of its `reference.json`; None for an older package without one.
    """

    package_arn: str
    artifact_uri: str
    reference_uri: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """The endpoint, by name. A model that is being rolled out does not count as serving yet."""

    sagemaker: SageMakerClient
    name: str
    sleep: Callable[[float], None] = time.sleep

    def served_model(self) -> ServedModel | None:
        """The model that serves now; None when none does.

        Raises:
            NoPackageError: the endpoint serves no model package, or one that the registry does not have any more.
            botocore.exceptions.ClientError: SageMaker refuses to tell.
        """
        served = served_package.find(self.sagemaker, self.name, sleep=self.sleep)
        if not served.serves:
            return None
        if served.model_name is None:
            raise NoPackageError(
                f"The configuration of the endpoint {self.name} or its model was not there, {served_package.LOOKS} "
                "times: the endpoint was changed by other means than a release."
            )
        if served.package_arn is None:
            raise NoPackageError(
                f"The model {served.model_name} of the endpoint {self.name} comes from no model package: release one."
            )
        return self._described(served.package_arn)

    def _described(self, package_arn: str) -> ServedModel:
        try:
            package = self.sagemaker.describe_model_package(ModelPackageName=package_arn)
        except ClientError as error:
            if not is_absent(error):
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
