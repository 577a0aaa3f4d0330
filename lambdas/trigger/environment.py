"""Environment variables of the Trigger function."""

from __future__ import annotations

from pydantic import Field

from lambdas.aws.environment import Variables
from lambdas.trigger.limits import Limits


class Environment(Limits, Variables):
    """The function's environment variables, the limits of archives among them.

    A missing or wrong one stops the first invocation and is named.
    """

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
