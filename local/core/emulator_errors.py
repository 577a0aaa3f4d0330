"""Error answers for failures inside the emulator, in the format that each service's clients parse.

MiniStack answers JSON whatever the service. Clients of S3 and of the services that speak XML find no reason in that:
they tell of "500 Internal Server Error", or of an answer that cannot be parsed.

Hooks, besides those of `local.core.emulator`: `app.SERVICE_HANDLERS`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ministack import app as ministack

from local.core.machine_errors import words

if TYPE_CHECKING:
    from local.core.emulator import RequestHandler, Response

logger = logging.getLogger("emulator")

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, read 2026-11
_S3 = "InternalError"
# "Common Errors" of the services that take forms, such as
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html, read 2026-11
_QUERY = "InternalFailure"
_FORM = "application/x-www-form-urlencoded"


def install() -> None:
    """Make every service of the emulator answer an internal failure with its reason."""
    for service, handle in list(ministack.SERVICE_HANDLERS.items()):
        ministack.SERVICE_HANDLERS[service] = _telling(service, handle)


def _telling(service: str, handle: RequestHandler) -> RequestHandler:
    async def telling(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Response:
        try:
            return await handle(method, path, headers, body, query)
        except Exception as error:
            logger.exception("%s %s of %s failed", method, path, service)
            return answer(service, headers, words(error))

    return telling


def answer(service: str, headers: dict[str, str], sentence: str) -> Response:
    """The answer to a request that failed inside.

    Args:
        service: MiniStack's name of it.
        headers: the request's, in lower case.
        sentence: the reason.
    """
    if service == "s3":
        return 500, {"Content-Type": "application/xml"}, _error(_S3, sentence).encode()
    if headers.get("content-type", "").startswith(_FORM):
        document = f"<ErrorResponse>{_error(_QUERY, sentence, '<Type>Receiver</Type>')}</ErrorResponse>"
        return 500, {"Content-Type": "text/xml"}, document.encode()
    document = json.dumps({"__type": _QUERY, "message": sentence})
    return 500, {"Content-Type": "application/x-amz-json-1.0"}, document.encode()


def _error(code: str, sentence: str, more: str = "") -> str:
    return f"<Error>{more}<Code>{code}</Code><Message>{escape(sentence)}</Message></Error>"
