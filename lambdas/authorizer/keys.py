"""The issuer's public keys, found as OpenID Connect Discovery 1.0 says."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import KeySet

_TIMEOUT_SECONDS = 3.0
_MAX_BYTES = 256 * 1024
_FRESH_SECONDS = 3600.0
_AGAIN_SECONDS = 60.0
"""A token with an unknown key makes the keys be fetched again, which notices a rotation; not more often than this. An
issuer that does not answer is asked no more often either, as long as any keys are known: each try takes up to 3 s."""


class KeysUnavailableError(RuntimeError):
    """The issuer's keys could not be fetched; `str()` says where they were asked for."""


@dataclass
class Keys:
    """The keys of one issuer, remembered for an hour.

    Args:
        issuer: URL, as the claim `iss` has it.
        fetch: answers the JSON document at a URL.
    """

    issuer: str
    fetch: Callable[[str], Any]
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[float, KeySet] | None = field(default=None, init=False, repr=False)
    _asked: float = field(default=0.0, init=False, repr=False)

    def with_key(self, key_id: str | None) -> KeySet:
        """The keys, fetched again where none of those known has this id.

        Raises:
            KeysUnavailableError: the issuer does not answer, and no keys are known.
        """
        now = self.clock()
        if self._seen is not None:
            known = key_id in {key.kid for key in self._seen[1].keys}
            if now - self._asked < _AGAIN_SECONDS or (known and now - self._seen[0] < _FRESH_SECONDS):
                return self._seen[1]
        self._asked = now
        try:
            found = KeySet.import_key_set(self._key_set())
        except (OSError, ValueError, KeyError, TypeError) as error:
            if self._seen is not None:  # older keys are better than none
                return self._seen[1]
            raise KeysUnavailableError(f"The keys of {self.issuer} could not be fetched.") from error
        self._seen = now, found
        return found

    def _key_set(self) -> Any:
        configuration = self.fetch(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if configuration["issuer"] != self.issuer:
            raise ValueError("the issuer calls itself by another name")
        return self.fetch(configuration["jwks_uri"])


def download(url: str) -> Any:
    """The JSON document at a URL, or where that redirects to, over TLS unless it is on this machine.

    Raises:
        OSError, ValueError: there is none.
    """
    _check(url)
    with urllib.request.build_opener(_Redirects).open(url, timeout=_TIMEOUT_SECONDS) as answer:
        content = answer.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("the document is too large to be one of keys")
    return json.loads(content)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects that stay on TLS."""

    def redirect_request(self, *request: Any) -> urllib.request.Request | None:
        *_, url = request
        _check(url)
        return super().redirect_request(*request)


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise ValueError("keys are fetched over https only")
