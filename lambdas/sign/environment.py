"""Environment variables of the Sign function."""

from __future__ import annotations

from pydantic import Field

from lambdas.aws.environment import Variables


class Environment(Variables):
    """The function's environment variables; a missing one stops the first invocation and names it."""

    model_package_group_name: str = Field(min_length=1)
    """Model package group whose versions are signed."""
    artifact_bucket_name: str = Field(min_length=1)
    """Bucket in which statements are kept, below `signatures/`."""
    signing_key_arn: str = Field(min_length=1)
    """KMS key that signs."""
