"""Environment variables of the functions of this folder.

A field that is called as a setting of the API gets that setting's value (infra/base/variables.py). A setting that one
function alone reads is declared here, for cdk.json too (infra/settings/api.py).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from lambdas.aws.environment import FunctionSettings, Variables


class Environment(Variables):
    """Environment variables that all of them have; a missing or wrong one stops the function and is named."""

    allowed_origins: str = ""
    """Whose pages may call from a browser, with spaces between them; may be empty."""


class UploadsEnvironment(Environment):
    """Environment variables of the Uploads function."""

    bucket: str = Field(alias="UPLOAD_BUCKET", min_length=1)
    """Bucket that uploads go to."""
    requests_table: str = Field(min_length=1)
    """Table that remembers requests."""
    max_upload_bytes: PositiveInt
    """Largest upload of a JPEG or PNG: what the endpoint takes."""


class PredictionsEnvironment(Environment):
    """Environment variables of the Predictions function."""

    predictions_table: str = Field(min_length=1)
    """Table that keeps predictions."""


class FeedbackSettings(FunctionSettings):
    """Settings of the API by which the Feedback function acts."""

    keep_labelled_days: Annotated[int, Field(ge=1, le=3650)]
    """How long a prediction can be read again from a reader's label on."""


class FeedbackEnvironment(FeedbackSettings, Environment):
    """Environment variables of the Feedback function."""

    predictions_table: str = Field(min_length=1)
    """Table that keeps predictions."""
    requests_table: str = Field(min_length=1)
    """Table that remembers requests."""


class ModelEnvironment(Environment):
    """Environment variables of the Model function."""

    endpoint_name: str = Field(min_length=1)
    """The endpoint, which need not exist."""
    artifact_bucket: str = Field(min_length=1)
    """Bucket with site evaluations and signed statements."""
    signing_key_arn: str = Field(min_length=1)
    """KMS key that models are signed with when they are registered."""
