"""What the FindServingModel function is configured with."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class Environment(BaseModel):
    """The function's environment variables; a missing or wrong one stops the first invocation and names it."""

    # Pydantic quotes its input in errors, and this input holds the role's credentials.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    endpoint_name: str = Field(alias="ENDPOINT_NAME", min_length=1)
    """Name of the endpoint, which need not exist."""
    nothing_served_uri: str = Field(alias="NOTHING_SERVED_URI", pattern=r"^s3://[^/]+/.+$")
    """S3 URI of an object that exists, for an input that must be there although nothing serves."""

    @classmethod
    def load(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """Read and check the variables."""
        return cls.model_validate(dict(variables))
