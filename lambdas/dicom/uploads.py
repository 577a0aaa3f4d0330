"""DICOM files that were uploaded to S3, where the API takes what is too large for a request.

Predict signs an address that holds for seconds and for one object. So this function needs no right to read uploads,
which a file made to take over a decoder would then have too.
"""

from __future__ import annotations

import urllib.error
import urllib.request

from model_code.dicom.refusal import Refusal

MAX_BYTES = 96 * 1024 * 1024
"""Largest file read: `header.MAX_PIXELS` of 16 bits, uncompressed, and what else a file holds."""
TIMEOUT_SECONDS = 3.0


def fetch(url: str) -> bytes:
    """The file at a signed address.

    Raises:
        Refusal: upload_not_found or image_too_large.
        ValueError: the address is none of HTTP.
        OSError: S3 did not answer.
    """
    if not url.startswith(("https://", "http://")):
        raise ValueError("an upload has an HTTP address")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
            data = bytes(answer.read(MAX_BYTES + 1))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {403, 404}:
            detail = "Nothing was uploaded under this id, or it was removed after a day."
            raise Refusal("upload_not_found", detail) from None
        raise OSError(f"S3 answered {error.code}") from None
    if len(data) > MAX_BYTES:
        raise Refusal("image_too_large", f"The DICOM file has more than {MAX_BYTES:,} bytes.")
    return data
