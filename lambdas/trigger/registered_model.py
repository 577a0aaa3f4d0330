"""The registered model that a site's archive was uploaded for, as parameters of the pipeline that takes it."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from lambdas.aws.errors import is_absent
from lambdas.trigger.rejection import Reason, Rejection
from lambdas.trigger.upload import CALIBRATE_PREFIX, EVALUATE_PREFIX
from model_code.archive.entries import shown

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef

    from lambdas.trigger.upload import Upload

_KEY = re.compile(rf"({EVALUATE_PREFIX}|{CALIBRATE_PREFIX})(?P<version>[1-9][0-9]{{0,8}})/[^/]+")
_CARD = "/dataset.json"


@dataclasses.dataclass(frozen=True)
class RegisteredModel:
    """A version of the model registry.

    Attributes:
        model_uri: S3 URI of its artifact.
        evaluation_uri: S3 URI of its evaluation.json.
        image_size: edge of its images in pixels; None of a version of before sizes were registered, which leaves it to
            the deployment's default, and the job holds that against the model.
        report_prefix: S3 URI of the folder with its dataset card; None where it has none.
    """

    arn: str
    model_uri: str
    evaluation_uri: str
    image_size: str | None
    report_prefix: str | None

    @property
    def version(self) -> str:
        """Version number of the model package."""
        return self.arn.rpartition("/")[2]

    def to_evaluate(self) -> dict[str, str]:
        """Values of the site evaluation pipeline's parameters, by name."""
        found = {"ModelVersion": self.version, "ModelUri": self.model_uri, "EvaluationUri": self.evaluation_uri}
        return found | self._optional()

    def to_calibrate(self) -> dict[str, str]:
        """Values of the calibration pipeline's parameters, by name.

        Raises:
            Rejection: what it was trained on is not known.
        """
        return {"ModelPackageArn": self.arn, **self._calibrating()}

    def to_calibrate_on_labels(self) -> dict[str, str]:
        """Values of the parameters of the pipeline that calibrates on readers' labels, but for the period, by name.

        Raises:
            Rejection: what it was trained on is not known.
        """
        return {"LabelledPackageArn": self.arn, "EvaluationUri": self.evaluation_uri, **self._calibrating()}

    def _calibrating(self) -> dict[str, str]:
        if self.report_prefix is None:
            raise Rejection(
                Reason.NO_SUCH_MODEL,
                f"Version {self.version} has no dataset report, so what it was trained on is not known.",
            )
        # Training leaves it beside the artifact, and so do calibration and promotion.
        output = f"{self.model_uri.rpartition('/')[0]}/output.tar.gz"
        return {"ModelUri": self.model_uri, "TrainingOutputUri": output, **self._optional()}

    def _optional(self) -> dict[str, str]:
        own = {"ImageSize": self.image_size, "DatasetReportPrefix": self.report_prefix}
        return {name: value for name, value in own.items() if value}


def named_by(sagemaker: SageMakerClient, packages_arn: str, upload: Upload) -> RegisteredModel:
    """The version that an upload's key names.

    Args:
        packages_arn: ARN of the group's packages, without the version.
        upload: below `EVALUATE_PREFIX` or `CALIBRATE_PREFIX`.

    Raises:
        Rejection: the key names no version, or one that is not there or has no artifact or evaluation.
    """
    named = _KEY.fullmatch(upload.key)
    if named is None:
        prefix = CALIBRATE_PREFIX if upload.calibrates else EVALUATE_PREFIX
        raise Rejection(
            Reason.NO_SUCH_MODEL,
            f"The key {shown(upload.key)} names no model version: that is the folder below {prefix}.",
        )
    return of(sagemaker, f"{packages_arn}/{named['version']}")


def of(sagemaker: SageMakerClient, arn: str) -> RegisteredModel:
    """The version of an ARN.

    Raises:
        Rejection: it is not there, or has no artifact or evaluation.
    """
    package = _described(sagemaker, arn)
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    statistics = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    model_uri = containers[0].get("ModelDataUrl") if containers else None
    if not model_uri or not statistics.get("S3Uri"):
        raise Rejection(
            Reason.NO_SUCH_MODEL,
            f"Version {arn.rpartition('/')[2]} has no artifact or no evaluation to be compared with.",
        )
    own = package.get("CustomerMetadataProperties", {})
    card = own.get("DatasetReportUri", "")
    return RegisteredModel(
        arn=arn,
        model_uri=model_uri,
        evaluation_uri=statistics["S3Uri"],
        image_size=own.get("ImageSize"),
        report_prefix=card.removesuffix(_CARD) if card.endswith(_CARD) else None,
    )


def _described(sagemaker: SageMakerClient, arn: str) -> DescribeModelPackageOutputTypeDef:
    try:
        return sagemaker.describe_model_package(ModelPackageName=arn)
    except Exception as error:
        if is_absent(error):
            group, version = arn.split("/")[-2:]
            raise Rejection(Reason.NO_SUCH_MODEL, f"There is no version {version} of {group}.") from error
        raise
