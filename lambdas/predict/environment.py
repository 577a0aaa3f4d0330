"""Environment variables of the Predict function.

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
    """MAX_IMAGE_BYTES: largest image accepted in a request.

    Lambda takes 6 MB (6,291,556 bytes) of JSON in a synchronous invocation and API Gateway base64-encodes the image
    into it, which leaves about 4,500,000 bytes; a serverless endpoint takes 4 MB.
    """
    max_upload_bytes: int
    """MAX_UPLOAD_BYTES: largest image accepted by way of an upload: what the endpoint takes."""
    dicom_function_name: str
    """DICOM_FUNCTION_NAME: the function that converts DICOM files."""
    upload_bucket: str
    """UPLOAD_BUCKET: the bucket with uploads below `uploads/`."""
    predictions_table: str
    """PREDICTIONS_TABLE: the DynamoDB table that keeps predictions."""
    requests_table: str
    """REQUESTS_TABLE: the DynamoDB table that remembers requests by their Idempotency-Key."""
    keep_days: int
    """KEEP_DAYS: how long a prediction is kept."""
    outside_intended_population: str
    """OUTSIDE_INTENDED_POPULATION: `refuse` or `flag`, what becomes of whom the model is not meant for."""
    dicom_result_function_name: str = ""
    """DICOM_RESULT_FUNCTION_NAME: the function that makes results in DICOM; may be empty, for none."""
    allowed_origins: str = ""
    """ALLOWED_ORIGINS: whose pages may call from a browser, with spaces between them; may be empty."""

    @classmethod
    def load(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """Read and check the variables.

        Raises:
            ValueError: one is missing or wrong; the sentence names it.
        """
        return cls(
            endpoint_name=_text(variables, "ENDPOINT_NAME"),
            max_image_bytes=_number(variables, "MAX_IMAGE_BYTES"),
            max_upload_bytes=_number(variables, "MAX_UPLOAD_BYTES"),
            dicom_function_name=_text(variables, "DICOM_FUNCTION_NAME"),
            upload_bucket=_text(variables, "UPLOAD_BUCKET"),
            predictions_table=_text(variables, "PREDICTIONS_TABLE"),
            requests_table=_text(variables, "REQUESTS_TABLE"),
            keep_days=_number(variables, "KEEP_DAYS"),
            outside_intended_population=_one_of(variables, "OUTSIDE_INTENDED_POPULATION", ("refuse", "flag")),
            dicom_result_function_name=variables.get("DICOM_RESULT_FUNCTION_NAME", ""),
            allowed_origins=variables.get("ALLOWED_ORIGINS", ""),
        )


def _text(variables: Mapping[str, str], name: str) -> str:
    if not variables.get(name):
        raise ValueError(f"The environment variable {name} is missing.")
    return variables[name]


def _one_of(variables: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = _text(variables, name)
    if value not in choices:
        raise ValueError(f"The environment variable {name} has to be {' or '.join(choices)}, not {value!r}.")
    return value


def _number(variables: Mapping[str, str], name: str) -> int:
    value = variables.get(name, "")
    if not value.isdecimal() or int(value) == 0:
        raise ValueError(f"The environment variable {name} has to be a positive whole number, not {value!r}.")
    return int(value)
