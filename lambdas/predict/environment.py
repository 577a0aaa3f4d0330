"""What the Predict function is configured with.

A dataclass here, where the other functions use pydantic: that adds 240 ms to a cold start (see `handler`), which a
person waits for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Environment:
    """The function's environment variables."""

    endpoint_name: str
    """ENDPOINT_NAME: the SageMaker endpoint, which need not exist yet."""
    max_image_bytes: int
    """MAX_IMAGE_BYTES: largest accepted image.

    Lambda takes 6 MB (6,291,556 bytes) of JSON in a synchronous invocation and API Gateway base64-encodes the image
    into it, which leaves about 4,500,000 bytes; a serverless endpoint takes 4 MB.
    """

    @classmethod
    def load(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """Read and check the variables.

        Raises:
            ValueError: one is missing or wrong; the sentence names it.
        """
        endpoint_name, limit = variables.get("ENDPOINT_NAME", ""), variables.get("MAX_IMAGE_BYTES", "")
        if not endpoint_name:
            raise ValueError("The environment variable ENDPOINT_NAME has to name the SageMaker endpoint.")
        if not limit.isdecimal() or int(limit) == 0:
            raise ValueError(
                f"The environment variable MAX_IMAGE_BYTES has to be a positive whole number, not {limit!r}."
            )
        return cls(endpoint_name, int(limit))
