"""Environment variables of the Trigger function."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from lambdas.aws.environment import FunctionSettings, Variables


class ArchiveSettings(FunctionSettings):
    """Settings of `archive` in cdk.json that the function judges by, called alike (infra/settings/platform.py)."""

    max_uncompressed_bytes: PositiveInt
    """Most it may declare to unpack to."""
    # Kaggle's chest_xray archive has about 17,600. The function's memory follows (infra/training/training_stack.py).
    max_files: PositiveInt = Field(le=1_000_000)
    """Most entries it may hold, directories and metadata files included; up to a million."""


class Environment(ArchiveSettings, Variables):
    """The function's environment variables; a missing or wrong one stops the first invocation and names it."""

    pipeline_name: str = Field(min_length=1)
    """Name of the SageMaker pipeline to start."""
    site_pipeline_name: str = Field(min_length=1)
    """Name of the SageMaker pipeline that evaluates a model on a site's archive."""
    calibration_pipeline_name: str = Field(min_length=1)
    """Name of the SageMaker pipeline that calibrates a model on a site's archive."""
    model_packages_arn: str = Field(pattern=r"^arn:[^:]+:sagemaker:[^:]+:\d*:model-package/.+$")
    """ARN of the versions that an archive may be uploaded for, without the version."""
    data_bucket_name: str = Field(min_length=1)
    """Bucket with the datasets, for training that no upload started."""
    notification_topic_arn: str = Field(min_length=1)
    """SNS topic told about refused archives and about training that drift started."""
    max_archive_bytes: PositiveInt
    """Largest accepted archive."""
