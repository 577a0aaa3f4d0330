"""Error codes of AWS services, for sentences of a report."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError


def reason(error: BotoCoreError | ClientError) -> str:
    """The code that AWS answered, or the name of what kept the question from it."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
