"""Environment variables of the Release function."""

from __future__ import annotations

from pydantic import Field

from lambdas.aws.environment import Variables


class Environment(Variables):
    """The function's environment variables; a missing one stops the first invocation and names it."""

    endpoint_stack_name: str = Field(min_length=1)
    """Name of the only CloudFormation stack this function may update."""
    endpoint_name: str = Field(min_length=1)
    """Name of the endpoint, which is asked what it serves after a release."""
    released_types: str = Field(pattern=r"^AWS::[A-Za-z:]+(,AWS::[A-Za-z:]+)*$")
    """The types of resources that a release may touch, as the role's policy lists them."""
    model_package_group_name: str = Field(min_length=1)
    """Model package group whose approvals are released."""
    artifact_bucket_name: str = Field(min_length=1)
    """Bucket in which verdicts are kept, below `releases/`."""
    signing_key_arn: str = Field(min_length=1)
    """KMS key that models are signed with when they are registered."""
    notification_topic_arn: str = Field(min_length=1)
    """SNS topic told about releases."""
    site_evaluation_required: bool = False
    """Whether a site evaluation has to call a version usable before it is released."""
