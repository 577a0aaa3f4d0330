"""The registered model that an archive was uploaded to evaluate, as parameters of the site evaluation pipeline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lambdas.aws.errors import is_absent
from lambdas.trigger.rejection import Reason, Rejection
from lambdas.trigger.upload import EVALUATE_PREFIX
from model_code.archive.entries import shown

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef

    from lambdas.trigger.upload import Upload

_KEY = re.compile(rf"{EVALUATE_PREFIX}(?P<version>[1-9][0-9]{{0,8}})/[^/]+")
_CARD = "/dataset.json"


def parameters(sagemaker: SageMakerClient, packages_arn: str, upload: Upload) -> dict[str, str]:
    """What the registry says of the version that an upload's key names.

    Args:
        sagemaker: boto3's client.
        packages_arn: ARN of the group's packages, without the version.
        upload: below `EVALUATE_PREFIX`.

    Returns:
        Values of the pipeline's parameters, by name. A version of before sizes were registered leaves ImageSize to the
        deployment's default, which the job holds against the model.

    Raises:
        Rejection: the key names no version, or one that is not there or has no artifact or evaluation.
    """
    named = _KEY.fullmatch(upload.key)
    if named is None:
        raise Rejection(
            Reason.NO_SUCH_MODEL,
            f"The key {shown(upload.key)} names no model version: that is the folder below {EVALUATE_PREFIX}.",
        )
    version = named["version"]
    package = _described(sagemaker, f"{packages_arn}/{version}")
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    statistics = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    model_uri = containers[0].get("ModelDataUrl") if containers else None
    if not model_uri or not statistics.get("S3Uri"):
        raise Rejection(
            Reason.NO_SUCH_MODEL, f"Version {version} has no artifact or no evaluation to be compared with."
        )
    own = package.get("CustomerMetadataProperties", {})
    found = {"ModelVersion": version, "ModelUri": model_uri, "EvaluationUri": statistics["S3Uri"]}
    if size := own.get("ImageSize"):
        found["ImageSize"] = size
    if (card := own.get("DatasetReportUri", "")).endswith(_CARD):
        found["DatasetReportPrefix"] = card.removesuffix(_CARD)
    return found


def _described(sagemaker: SageMakerClient, arn: str) -> DescribeModelPackageOutputTypeDef:
    try:
        return sagemaker.describe_model_package(ModelPackageName=arn)
    except Exception as error:
        if is_absent(error):
            group, version = arn.split("/")[-2:]
            raise Rejection(Reason.NO_SUCH_MODEL, f"There is no version {version} of {group}.") from error
        raise
