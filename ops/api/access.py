"""Authentication of requests to the API: key, token or IAM signature, as `api.authentication` chooses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

TOKEN_VARIABLE = "CXR_API_TOKEN"  # noqa: S105 - the variable's name


class Access(Protocol):
    """Adds authentication headers to a request."""

    def headers(self, method: str, url: str, body: bytes, given: Mapping[str, str]) -> dict[str, str]:
        """The request's headers, with those that authenticate it; called anew for each try."""
        ...


class ApiKey:
    """A key of the usage plan."""

    def __init__(self, key: str) -> None:
        self._key = key

    def headers(self, _method: str, _url: str, _body: bytes, given: Mapping[str, str]) -> dict[str, str]:
        """The headers, with the key."""
        return {**given, "x-api-key": self._key}


class BearerToken:
    """A token of the issuer that the API trusts."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self, _method: str, _url: str, _body: bytes, given: Mapping[str, str]) -> dict[str, str]:
        """The headers, with the token."""
        return {**given, "Authorization": f"Bearer {self._token}"}


class Signature:
    """Requests signed with AWS credentials (Signature Version 4).

    Args:
        credentials: botocore's; refreshed by themselves where they expire.
        region: region of the API.
    """

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials = credentials
        self._region = region

    def headers(self, method: str, url: str, body: bytes, given: Mapping[str, str]) -> dict[str, str]:
        """The headers, with time and signature."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        request = AWSRequest(method=method, url=url, data=body, headers=dict(given))
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(request)
        return dict(request.headers.items())


def token() -> str | None:
    """The token in the caller's environment."""
    return os.environ.get(TOKEN_VARIABLE) or None
