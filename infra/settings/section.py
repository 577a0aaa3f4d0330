"""Base of the groups of settings: limits of services, types of values, and the error of a wrong one."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024

# CopyObject copies at most 5 GB in one request (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
MAX_COPY_BYTES = 5 * 1024 * MIB
# A Lambda request is at most 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). API
# Gateway wraps the image in base64, four characters for three bytes, beside 10 KB of headers and its own fields.
MAX_IMAGE_BYTES = 4_500_000
# InvokeEndpoint takes 6 MB (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html).
MAX_ENDPOINT_BYTES = 6_291_456
# A serverless endpoint takes 4 MB (https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html).
MAX_SERVERLESS_IMAGE_BYTES = 4 * MIB
# API_BlueGreenUpdatePolicy, MaximumExecutionTimeoutInSeconds.
MAX_ROLLOUT_SECONDS = 28_800

# What PutRetentionPolicy accepts.
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
                           3288, 3653]  # fmt: skip
# With one * at most, which is what S3's CORS rules take, for the start of the host or for the port.
PageOrigin = Annotated[
    str, Field(pattern=r"^https?://([a-z0-9.-]+(:(\d{1,5}|\*))?|\*\.[a-z0-9.-]+(:\d{1,5})?)$", max_length=255)
]
Positive = Annotated[int, Field(ge=1)]
# What AWS takes as a tag; of names without the colon, which its own begin with (aws:)
# (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html).
TagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _./=+@-]{1,128}$")]
TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,256}$")]


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line that says which, and what to do."""


class Section(BaseModel):
    """A group of settings: immutable, and closed to names it does not know.

    What stands below a field as a string is its meaning in docs/settings.md (`infra/settings/reference.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def with_kind(value: Any, kinds: str) -> Any:
    """A section of one of several kinds, before it is read.

    Args:
        value: value in cdk.json.
        kinds: those that there are, as a sentence goes on with them.

    Raises:
        ValueError: it does not say which it is.
    """
    if isinstance(value, Mapping) and "kind" not in value:
        raise ValueError(f"kind is missing; it is {kinds}")
    return value
