"""Examples of requests, answers and problems, of functions and gateway. Tests hold them to their models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lambdas.api import documents
from lambdas.http.answers import NOTICE
from lambdas.http.problems import KINDS
from model_code.contract.answer import AnsweredImage, AnsweringModel, member_types


def _public_examples(part: type) -> dict[str, Any]:
    """Examples of the public members of the container's answer."""
    return {name: member.example for name, (_, member) in member_types(part).items()}


PREDICTION_ID = "f74d4970-2f1c-4d0e-9a1b-3c5e7a9b1d2f"
_UPLOAD_ID = "5f0e3b1c9a7d4e2f8b6c1d0a3e5f7b9c"
_PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/cxr-dev/3"
_MODEL = {
    "package_arn": _PACKAGE,
    "group": "cxr-dev",
    "version": 3,
    "indeterminate": {"low": 0.31, "high": 0.62},
    **_public_examples(AnsweringModel),
}
_PREDICTION = {
    "id": PREDICTION_ID,
    **_public_examples(AnsweredImage),
    "guarantee": {"predictive_value": 0.95, "confidence": 0.95, "prevalence": 0.47},
    "threshold": 0.47,
    "model": _MODEL,
    "notice": NOTICE,
}
_FEEDBACK = {"id": PREDICTION_ID, "label": "PNEUMONIA", "received_at": "2026-11-24T10:05:00Z"}

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="

REQUESTS: dict[type[BaseModel], tuple[str, dict[str, Any]]] = {
    documents.ImageInDocument: ("a file in base64 (here one grey pixel, which is no radiograph)", {"image": _PIXEL}),
    documents.UploadedImage: ("the id of an upload", {"upload": _UPLOAD_ID}),
    documents.ReadersLabel: ("a reader's word", {"label": "PNEUMONIA"}),
    documents.UploadRequest: ("what the file will be", {"media_type": "application/dicom"}),
}
"""A summary and a body, by the model of the request."""

ANSWERS: dict[type[BaseModel], dict[str, Any]] = {
    documents.Prediction: _PREDICTION,
    documents.Result: {
        "prediction": _PREDICTION,
        "created_at": "2026-11-24T10:00:00Z",
        "expires_at": "2027-11-24T10:00:00Z",
        "feedback": _FEEDBACK,
    },
    documents.Feedback: _FEEDBACK,
    documents.Upload: {
        "upload": _UPLOAD_ID,
        "url": "https://cxr-dev-data.s3.eu-central-1.amazonaws.com/",
        "fields": {"key": f"uploads/{_UPLOAD_ID}", "Content-Type": "application/dicom"},
        "max_bytes": 4_194_304,
        "expires_at": "2026-11-24T10:05:00Z",
    },
    documents.ServingModel: {
        "package_arn": _PACKAGE,
        "group": "cxr-dev",
        "version": 3,
        "registered_at": "2026-11-20T09:00:00Z",
        "approval": {"status": "Approved", "changed_at": "2026-11-21T09:00:00Z"},
        "threshold": 0.47,
        "indeterminate": {"low": 0.31, "high": 0.62},
        "guarantee": None,
        "target_prevalence": None,
        "population": {"ages": [], "views": ["AP", "PA"], "modalities": ["CR", "DX"]},
        "engine": {"name": "tensorflow", "weights": "float32"},
        "metrics": {
            "auroc": {"value": 0.97, "low": 0.95, "high": 0.98},
            "sensitivity": {"value": 0.94, "low": 0.91, "high": 0.96},
            "specificity": {"value": 0.88, "low": 0.83, "high": 0.92},
            "calibration_error": {"value": 0.03, "low": 0.02, "high": 0.06},
            "images": 624,
            "patients": 410,
        },
        "site_evaluations": [],
        "unreadable_site_evaluations": 0,
        "dataset_sha256": "0f" * 32,
        "artifact_sha256": "a1" * 32,
        "served_sha256": "5e" * 32,
        "calibrated_from": None,
        "notice": NOTICE,
    },
    documents.Health: {"status": "ok", "endpoint_status": "InService", "notice": NOTICE},
}
"""Examples of answers, by the answer's model."""

DETAILS: dict[str, str] = {
    "invalid_request": "explain has to be true or false.",
    "empty_body": "The image has no bytes.",
    "undecodable_image": "The image begins neither as a JPEG nor as a PNG or DICOM file.",
    "prediction_not_found": "No prediction with this id is kept: it never was, or its time is over.",
    "upload_not_found": "Nothing was uploaded under this id, or it was removed after a day.",
    "not_acceptable": (
        "This deployment answers predictions in JSON only: its setting api.dicom_results is off. Ask with Accept: "
        "application/json, or make results in DICOM on your machine: cxr predict --dicom."
    ),
    "request_in_progress": "A request with this Idempotency-Key is being answered. Try again.",
    "image_too_large": (
        "The image has about 9,000,000 bytes; at most 4,194,304 are accepted. Send it at a lower resolution: the model "
        "scales it down anyway."
    ),
    "unsupported_media_type": "Send JSON, with Content-Type application/json.",
    "idempotency_key_reused": "This Idempotency-Key came with another request before: use a new one for each.",
    "not_a_radiograph": (
        "The image does not look like the frontal chest radiographs this model was trained on: its distance from them "
        "is 1.73, and up to 1.00 is accepted."
    ),
    "outside_intended_population": (
        "The model was made for views AP and PA, and this radiograph is stated to be of others."
    ),
    "no_dicom_result": "The file does not say whose radiograph it is.",
    "model_error": "The model failed on this request.",
    "no_model_released": "No model has been approved and released yet.",
    "dicom_result_not_made": f"The prediction {PREDICTION_ID} was made. Its result in DICOM was not.",
    "model_not_ready": "The model is being started. Try again in a few seconds.",
    "model_timeout": "The model gave no answer in time. Try again.",
}
"""A sentence of each code that a function answers."""

GATEWAY: dict[str, tuple[int, str, str]] = {
    "unauthorized": (
        401,
        "A valid token is needed",
        "Send a token of this API's issuer that has not expired: Authorization: Bearer ...",
    ),
    "api_key_required": (
        403,
        "A valid API key is needed",
        "Send a key of this API's usage plan in the header x-api-key.",
    ),
    "throttled": (429, "Too many requests", "Send requests more slowly and try again."),
    "internal_error": (500, "The service failed", "Quote the request id when you report this."),
}
"""Status, title and sentence of what the gateway answers by itself, one of each status."""


def problem(code: str) -> dict[str, Any]:
    """The body of a problem.

    Args:
        code: of a function or of the gateway.
    """
    status, title, detail = GATEWAY.get(code) or (KINDS[code].status, KINDS[code].title, DETAILS[code])
    return {
        "type": f"urn:problem-type:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "8f14e45f-ceea-467f-a4d1-0c1b2a3d4e5f",
    }
