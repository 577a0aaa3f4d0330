"""Every error the API's functions answer with: RFC 9457 problem details with a stable `code`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """Kind of problem: status, title and retry of one code. `retry_after` is in seconds."""

    status: int
    title: str
    retry_after: int | None = None


KINDS: dict[str, Kind] = {
    "invalid_request": Kind(400, "The request is not understood"),
    "empty_body": Kind(400, "The request has no image"),
    "undecodable_image": Kind(400, "The image cannot be decoded"),
    "not_found": Kind(404, "There is nothing at this path"),
    "prediction_not_found": Kind(404, "There is no such prediction"),
    "upload_not_found": Kind(404, "There is no such upload"),
    "method_not_allowed": Kind(405, "This path does not take this method"),
    "not_acceptable": Kind(406, "The answer is not to be had in this form"),
    "request_in_progress": Kind(409, "The same request is being answered", retry_after=2),
    "image_too_large": Kind(413, "The image is too large"),
    "unsupported_media_type": Kind(415, "The media type is not supported"),
    "idempotency_key_reused": Kind(422, "The idempotency key belongs to another request"),
    "not_a_radiograph": Kind(422, "The image is not a chest radiograph the model knows"),
    "outside_intended_population": Kind(422, "The model is not meant for this patient or view"),
    "no_dicom_result": Kind(422, "The prediction was made; of this file no result in DICOM can be"),
    "throttled": Kind(429, "Too many requests", retry_after=1),
    "internal_error": Kind(500, "The service failed"),
    "model_error": Kind(502, "The model failed"),
    # A release takes minutes; asking more often than this gains nothing.
    "no_model_released": Kind(503, "No model is released yet", retry_after=60),
    "dicom_result_not_made": Kind(503, "The prediction was made; its result in DICOM was not", retry_after=2),
    # A serverless endpoint starting its container, or an endpoint short of capacity: seconds.
    "model_not_ready": Kind(503, "The model is starting", retry_after=10),
    "model_timeout": Kind(504, "The model took too long", retry_after=5),
}


class Problem(Exception):  # noqa: N818 - an answer to the caller, not a fault of the program
    """Ends a request with an error of one of KINDS. `detail` is a sentence for the caller."""

    def __init__(self, code: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.kind = KINDS[code]
        self.detail = detail
        self.headers = dict(headers or {})
        if self.kind.retry_after is not None:
            self.headers["Retry-After"] = str(self.kind.retry_after)

    def document(self, request_id: str) -> dict[str, Any]:
        """The body. `type` is a URN: it identifies the problem and, as RFC 9457 allows, leads nowhere."""
        return {
            "type": f"urn:problem-type:{self.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
