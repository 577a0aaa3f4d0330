"""The form in which a request wants its prediction: JSON, or coded results in DICOM or FHIR."""

from __future__ import annotations

import re
from typing import Any, Literal

from lambdas.http.answers import header
from lambdas.predict.image import DICOM

Form = Literal["application/json", "application/dicom", "multipart/related", "application/fhir+json"]
ONE_REPORT: Form = "application/dicom"
MULTIPART: Form = "multipart/related"
FHIR: Form = "application/fhir+json"
_PARTS = re.compile(r';\s*type\s*=\s*"?([^\s";]*)')


def read(event: dict[str, Any]) -> Form:
    """The form by the first media type of Accept; JSON where that is none of these.

    API Gateway decodes what a function answers in base64 only where the first media type of Accept is one of the API's
    binary ones (API Gateway's developer guide, "Return binary media from a Lambda proxy integration", read 2026-11): a
    report by a later one would reach the caller as text.
    """
    asked = header(event, "accept").lower().partition(",")[0]
    media_type = asked.partition(";")[0].strip()
    for form in (ONE_REPORT, FHIR):
        if media_type == form:
            return form
    # Of other parts than DICOM (DICOMweb asks for frames and metadata so) there is nothing here.
    parts = _PARTS.search(asked)
    return MULTIPART if media_type == MULTIPART and (parts is None or parts[1] == DICOM) else "application/json"
