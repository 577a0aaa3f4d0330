"""The versions of a model package group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.aws.errors import is_absent

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient


def delete_all(sagemaker: SageMakerClient, group: str) -> int:
    """Delete every version of the group and answer how many there were; a group that is gone has none.

    SageMaker deletes no group that holds versions, so neither could CloudFormation. The artifacts they point to are
    the bucket's to delete.
    """
    try:
        pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        arns = [package["ModelPackageArn"] for page in pages for package in page["ModelPackageSummaryList"]]
    except sagemaker.exceptions.ClientError as error:
        if is_absent(error):
            return 0
        raise
    for arn in arns:
        sagemaker.delete_model_package(ModelPackageName=arn)
    return len(arns)
