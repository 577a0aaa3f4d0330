"""Environment variables of the FindServingModel function."""

from __future__ import annotations

from pydantic import Field

from lambdas.aws.environment import Variables


class Environment(Variables):
    """The function's environment variables; a missing or wrong one stops the first invocation and names it."""

    endpoint_name: str = Field(min_length=1)
    """Name of the endpoint, which need not exist."""
    nothing_served_uri: str = Field(pattern=r"^s3://[^/]+/.+$")
    """S3 URI of an object that exists, for an input that must be there although nothing serves."""
