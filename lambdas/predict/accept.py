"""The form in which a request wants its prediction: JSON, or coded results in DICOM or FHIR."""

from __future__ import annotations

from email.message import Message
from typing import Any, Literal

from lambdas.http.answers import header
from lambdas.predict.image import DICOM, JSON

Form = Literal["application/json", "application/dicom", "multipart/related", "application/fhir+json"]
MULTIPART: Form = "multipart/related"
FHIR: Form = "application/fhir+json"


def read(event: dict[str, Any]) -> Form:
    """The form by the first media type of Accept; JSON where that is none of these.

    API Gateway decodes what a function answers in base64 only where the first media type of Accept is one of the API's
    binary ones (API Gateway's developer guide, "Return binary media from a Lambda proxy integration", read 2026-11): a
    report by a later one would reach the caller as text.
    """
    parsed = Message()
    parsed["Content-Type"] = header(event, "accept").partition(",")[0]
    media_type = parsed.get_content_type() if parsed["Content-Type"] else JSON
    if media_type == DICOM:
        return "application/dicom"
    if media_type == FHIR:
        return FHIR
    # Of other parts than DICOM (DICOMweb asks for frames and metadata so) there is nothing here.
    parts = str(parsed.get_param("type", DICOM)).lower()
    return MULTIPART if media_type == MULTIPART and parts == DICOM else "application/json"
