"""Content-Encoding of requests: compressed bodies are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.http.answers import header
from lambdas.http.problems import Problem


def refuse_coded(event: Mapping[str, Any]) -> None:
    """Refuse a compressed body, which would otherwise be refused as no image or no JSON.

    Raises:
        Problem: unsupported_media_type, with what is taken (RFC 9110, 12.5.3).
    """
    coding = header(event, "content-encoding").strip().lower()
    if coding not in ("", "identity"):
        # The gateway unpacks nothing where a stage does not compress answers (minimumCompressionSize), as none does.
        raise Problem(
            "unsupported_media_type",
            "The body is sent with a Content-Encoding: send it as it is, without one.",
            headers={"Accept-Encoding": "identity"},
        )
