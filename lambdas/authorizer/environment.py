"""Environment variables of the Authorizer function."""

from __future__ import annotations

from pydantic import Field

from lambdas.aws.environment import Variables


class Environment(Variables):
    """The function's environment variables; a missing or wrong one stops the first invocation and names it."""

    issuer: str = Field(pattern=r"^https?://[^\s?#]+$")
    """The issuer of tokens, as their claim `iss` has it."""
    audience: str = Field(min_length=1)
    """Whom tokens have to be for: their claim `aud`, or `client_id` in access tokens of Amazon Cognito."""
    scope_prefix: str = ""
    """What stands before `predict`, `upload` and `feedback` in the scopes."""
