"""Environment variables of the functions of this folder.

A field that is called as a setting of the API gets that setting's value (infra/api/api_stack.py).
"""

from __future__ import annotations

from pydantic import Field, PositiveInt

from lambdas.aws.environment import Variables


class Environment(Variables):
    """Environment variables that all of them have; a missing or wrong one stops the function and is named."""

    allowed_origins: str = Field(alias="ALLOWED_ORIGINS", default="")
    """Whose pages may call from a browser, with spaces between them; may be empty."""


class UploadsEnvironment(Environment):
    """Environment variables of the Uploads function."""

    bucket: str = Field(alias="UPLOAD_BUCKET", min_length=1)
    """Bucket that uploads go to."""
    requests_table: str = Field(alias="REQUESTS_TABLE", min_length=1)
    """Table that remembers requests."""
    max_upload_bytes: PositiveInt = Field(alias="MAX_UPLOAD_BYTES")
    """Largest upload of a JPEG or PNG: what the endpoint takes."""


class PredictionsEnvironment(Environment):
    """Environment variables of the Predictions function."""

    predictions_table: str = Field(alias="PREDICTIONS_TABLE", min_length=1)
    """Table that keeps predictions."""


class FeedbackEnvironment(Environment):
    """Environment variables of the Feedback function."""

    predictions_table: str = Field(alias="PREDICTIONS_TABLE", min_length=1)
    """Table that keeps predictions."""
    requests_table: str = Field(alias="REQUESTS_TABLE", min_length=1)
    """Table that remembers requests."""
    keep_labelled_days: PositiveInt = Field(alias="KEEP_LABELLED_DAYS")
    """How long a prediction is kept that a reader labelled."""


class ModelEnvironment(Environment):
    """Environment variables of the Model function."""

    endpoint_name: str = Field(alias="ENDPOINT_NAME", min_length=1)
    """The endpoint, which need not exist."""
    artifact_bucket: str = Field(alias="ARTIFACT_BUCKET", min_length=1)
    """Bucket with site evaluations and signed statements."""
    signing_key_arn: str = Field(alias="SIGNING_KEY_ARN", min_length=1)
    """KMS key that models are signed with when they are registered."""
