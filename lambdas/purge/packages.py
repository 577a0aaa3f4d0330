"""A model package group and its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.aws.errors import is_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import TagTypeDef


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


def create_group(sagemaker: SageMakerClient, group: str, description: str, tags: Sequence[TagTypeDef]) -> str:
    """Make the group, or take over the one of this name that an earlier deployment left; a sentence about which."""
    try:
        sagemaker.create_model_package_group(
            ModelPackageGroupName=group, ModelPackageGroupDescription=description, Tags=tags
        )
    except sagemaker.exceptions.ClientError as error:
        if "already exists" in error.response["Error"]["Message"]:
            return f"took over the group {group}, which was there"
        raise
    return f"made the group {group}"


def delete_group(sagemaker: SageMakerClient, group: str) -> None:
    """Delete the group, which holds no versions any more; one that is gone is no failure."""
    try:
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    except sagemaker.exceptions.ClientError as error:
        if "does not exist" not in error.response["Error"]["Message"]:
            raise
