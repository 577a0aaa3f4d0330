"""Request for a prediction: an image, or the id of an uploaded one, and options of the answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pybase64 import b64decode

from lambdas.http.content import refuse_coded
from lambdas.http.idempotency import fingerprint
from lambdas.http.problems import Problem
from lambdas.predict import image
from lambdas.predict.image import EncodedImage
from model_code.contract.population import MAX_YEARS

UPLOAD = re.compile(r"[0-9a-f]{32}")
_FORM = 'Send {"image": "<base64 of a file>"} or {"upload": "<id from POST /v1/uploads>"}.'
# Nothing of a longer upload id is of interest.
_FIELDS = ("image", "upload")


@dataclass(frozen=True)
class Request:
    """Request for a prediction. Either `image` or `upload` is set; the image's bytes are kept out of `repr`."""

    image: EncodedImage | None = field(repr=False)
    upload: str | None
    explain: bool
    patient_age_years: float | None = field(default=None, repr=False)
    """As the client states it. No part of the fingerprint, which is kept."""

    def fingerprint(self) -> str:
        """A hash of what is asked for."""
        return fingerprint(self.image.data if self.image else "", self.upload or "", str(self.explain))


def read(event: dict[str, Any], max_bytes: int) -> Request:
    """Read a proxy event, with an image of at most `max_bytes` in it.

    Raises:
        Problem: invalid_request, unsupported_media_type, empty_body, image_too_large or undecodable_image.
    """
    explain = _explain(event)
    refuse_coded(event)
    if image.media_type(event) == image.JSON:
        document = _document(event)
        age = _age(document)
        found, upload = _of_json(document, max_bytes)
    else:
        found, upload, age = image.read(event, max_bytes), None, None
    return Request(found, upload, explain, age)


def _explain(event: dict[str, Any]) -> bool:
    value = (event.get("queryStringParameters") or {}).get("explain", "false")
    if value not in ("true", "false"):
        raise Problem("invalid_request", "explain has to be true or false.")
    return bool(value == "true")


def _age(document: dict[str, Any]) -> float | None:
    """Take the patient's age out of the document. No message repeats it."""
    years = document.pop("patient_age_years", None)
    if years is None:
        return None
    if isinstance(years, bool) or not isinstance(years, int | float) or not 0 <= years < MAX_YEARS:
        raise Problem("invalid_request", f"patient_age_years has to be a number from 0 to below {MAX_YEARS}.")
    return float(years)


def _of_json(document: dict[str, Any], max_bytes: int) -> tuple[EncodedImage | None, str | None]:
    named = [name for name in _FIELDS if name in document]
    if len(document) != 1 or len(named) != 1 or not isinstance(document[named[0]], str):
        sentence = "The JSON document has to have image or upload, a text, and no other member but patient_age_years."
        raise Problem("invalid_request", f"{sentence} {_FORM}")
    value: str = document[named[0]]
    if named == ["upload"]:
        if not UPLOAD.fullmatch(value):
            raise Problem("invalid_request", f"upload has to be 32 hexadecimal digits. {_FORM}")
        return None, value
    text = _standard(value)
    # Judged before decoding: 4 characters carry at most 3 bytes.
    if len(text) // 4 * 3 - 2 > max_bytes:
        raise image.too_large(len(text) // 4 * 3, max_bytes)
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise Problem(
            "invalid_request", f"image has to be base64 (RFC 4648), of the whole file and nothing else. {_FORM}"
        ) from None
    return image.recognise(data, max_bytes), None


def _standard(value: str) -> str:
    """Base64 as RFC 4648 has it in section 4, of what clients write: data URLs of browsers (RFC 2397), which may be
    percent-encoded, the alphabet for URLs (section 5), lines of a command line's tool, and no padding."""
    if value[:5].lower() == "data:":
        value = unquote(value.partition(",")[2])
    # A blank inside may have been a plus.
    value = value.strip(" ")
    for written, standard in (("\r", ""), ("\n", ""), ("\t", ""), ("-", "+"), ("_", "/")):
        value = value.replace(written, standard)
    return value + "=" * (-len(value) % 4)


def _document(event: dict[str, Any]) -> dict[str, Any]:
    body: str = event.get("body") or ""
    if not body:
        raise Problem("empty_body", f"The request has no body. {_FORM}")
    try:
        # With a byte order mark, as .NET's writers put one; of bytes, `json` knows it by itself.
        text = b64decode(body, validate=True) if event.get("isBase64Encoded") else body.removeprefix("\ufeff")
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem("invalid_request", f"The body is not JSON. {_FORM}") from None
    if not isinstance(document, dict):
        raise Problem("invalid_request", f"The body is not a JSON object. {_FORM}")
    return document
