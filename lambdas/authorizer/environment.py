"""What the Authorizer function is configured with."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class Environment(BaseModel):
    """The function's environment variables; a missing or wrong one stops the first invocation and names it."""

    # Pydantic quotes its input in errors, and this input holds the role's credentials.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    issuer: str = Field(alias="ISSUER", pattern=r"^https?://[^\s?#]+$")
    """The issuer of tokens, as their claim `iss` has it."""
    audience: str = Field(alias="AUDIENCE", min_length=1)
    """Whom tokens have to be for: their claim `aud`, or `client_id` in access tokens of Amazon Cognito."""
    scope_prefix: str = Field(alias="SCOPE_PREFIX", default="")
    """What stands before `predict`, `upload` and `feedback` in the scopes."""

    @classmethod
    def load(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """Read and check the variables."""
        return cls.model_validate(dict(variables))
