"""Validation of JSON Web Tokens: RFC 7519, with the best practices of RFC 8725."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

if TYPE_CHECKING:
    from lambdas.authorizer.keys import Keys

# Signatures with a public key. Not HS256, whose key would be whatever the token says, and not none.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"]
LEEWAY_SECONDS = 30
_MAX_LENGTH = 8192


class InvalidTokenError(Exception):
    """A token that proves nothing. `str()` is for the log and repeats nothing of the token."""


@dataclass(frozen=True)
class Bearer:
    """The holder of a token, with its scopes."""

    subject: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Verifier:
    """Checks tokens of one issuer for one audience.

    Args:
        issuer: required value of `iss`.
        audience: required value of `aud`, or one of its values; `client_id` where there is no `aud`.
        clock: seconds since 1970.
    """

    keys: Keys
    issuer: str
    audience: str
    clock: Callable[[], float]

    def bearer(self, authorization: str) -> Bearer:
        """The holder of the token in an Authorization header.

        Raises:
            InvalidTokenError: nobody known.
            KeysUnavailableError: that cannot be found out now.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token.strip()) <= _MAX_LENGTH:
            raise InvalidTokenError("no bearer token")
        claims = self._claims(token.strip())
        if claims.get("iss") != self.issuer:
            raise InvalidTokenError("another issuer")
        # Access tokens of Amazon Cognito have no audience (Cognito developer guide, "Understanding the access token").
        audience = claims.get("aud", claims.get("client_id"))
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise InvalidTokenError("another audience")
        self._check_times(claims)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidTokenError("no subject")
        return Bearer(subject, _scopes(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key_id = jws.extract_compact(token.encode("ascii")).headers().get("kid")
            keys = self.keys.with_key(key_id)
            return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise InvalidTokenError(type(error).__name__) from error

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self.clock()
        expires = claims.get("exp")
        begins = claims.get("nbf", 0)
        if not isinstance(expires, int | float) or expires + LEEWAY_SECONDS <= now:
            raise InvalidTokenError("expired")
        if not isinstance(begins, int | float) or begins - LEEWAY_SECONDS > now:
            raise InvalidTokenError("not valid yet")


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Scopes as `scope` holds them (RFC 8693), or as `scp` does at Okta and Microsoft Entra."""
    found = claims.get("scope", claims.get("scp", ""))
    return frozenset(found.split() if isinstance(found, str) else map(str, found))
