"""Outcomes of requests for a prediction: what the Predict function counts in CloudWatch and monitoring reports.

One metric, `METRIC` of `NAMESPACE`, whose dimensions are the endpoint and the outcome; every request adds 1 to one
outcome. `tests/model_code/contract/test_outcomes.py` holds the codes against those of the API.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE = "ChestXray/Api"
METRIC = "Requests"
ENDPOINT, OUTCOME = "Endpoint", "Outcome"

PREDICTED = "predicted"
REPEATED = "repeated"
"""Answered with what an earlier request with the same Idempotency-Key was answered."""

_DICOM = "dicom_"

REFUSED: Mapping[str, str] = {
    "not_a_radiograph": "no chest radiograph that the model knows: out of distribution",
    "outside_intended_population": "patient or view that the model is not meant for",
    "undecodable_image": "JPEG or PNG that cannot be decoded, or no image",
    "unsupported_media_type": "media type that is not taken",
    "image_too_large": "image too large",
    f"{_DICOM}not_a_radiograph": "DICOM file of something else than a chest radiograph",
    f"{_DICOM}undecodable_image": "DICOM file that is damaged",
    f"{_DICOM}unsupported_media_type": "DICOM file in an encoding that is not taken",
    f"{_DICOM}image_too_large": "DICOM file with too large an image",
    "no_dicom_result": "prediction made, but no result in DICOM can be made of the file",
    "empty_body": "request without an image",
    "invalid_request": "request that is not understood",
    "upload_not_found": "upload that is not there",
    "not_acceptable": "form of answer that is not to be had",
    "request_in_progress": "repeated while the first request was being answered",
    "idempotency_key_reused": "Idempotency-Key of another request",
}
"""Outcomes that are the request's doing, with what was refused; those that begin with `dicom_` are DICOM files."""

FAILED: Mapping[str, str] = {
    "throttled": "a service behind the API was at its limit",
    "internal_error": "fault of the service",
    "model_error": "the model failed",
    "no_model_released": "no model was released",
    "model_not_ready": "the model was starting",
    "model_timeout": "the model or a DICOM conversion took too long",
    "dicom_result_not_made": "prediction made, its result in DICOM not",
}
"""Outcomes that are the service's doing, with what failed."""


def of_problem(code: str, *, dicom: bool) -> str:
    """The outcome of a request that was answered with a problem.

    Args:
        code: of the API's problems.
        dicom: whether it was found while a DICOM file was being converted.
    """
    return _DICOM + code if dicom and _DICOM + code in REFUSED else code
