"""Environment variables of the Trigger function."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from lambdas.aws.environment import Variables


class Environment(Variables):
    """The function's environment variables; a missing or wrong one stops the first invocation and names it."""

    pipeline_name: str = Field(alias="PIPELINE_NAME", min_length=1)
    """Name of the SageMaker pipeline to start."""
    site_pipeline_name: str = Field(alias="SITE_PIPELINE_NAME", min_length=1)
    """Name of the SageMaker pipeline that evaluates a model on a site's archive."""
    calibration_pipeline_name: str = Field(alias="CALIBRATION_PIPELINE_NAME", min_length=1)
    """Name of the SageMaker pipeline that calibrates a model on a site's archive."""
    model_packages_arn: str = Field(
        alias="MODEL_PACKAGES_ARN", pattern=r"^arn:[^:]+:sagemaker:[^:]+:\d*:model-package/.+$"
    )
    """ARN of the versions that an archive may be uploaded for, without the version."""
    data_bucket_name: str = Field(alias="DATA_BUCKET_NAME", min_length=1)
    """Bucket with the datasets, for training that no upload started."""
    notification_topic_arn: str = Field(alias="NOTIFICATION_TOPIC_ARN", min_length=1)
    """SNS topic told about refused archives and about training that drift started."""
    max_archive_bytes: PositiveInt = Field(alias="MAX_ARCHIVE_BYTES")
    """Largest accepted archive."""
    max_uncompressed_bytes: PositiveInt = Field(alias="MAX_UNCOMPRESSED_BYTES")
    """Largest accepted sum of the sizes its entries declare."""
    max_files: PositiveInt = Field(alias="MAX_FILES")
    """Most accepted entries, directories and metadata files included. Kaggle's chest_xray archive has about 17,600."""
