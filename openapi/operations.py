"""The paths of the API: what each takes and answers, besides the errors that every path may answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from lambdas.api import documents
from lambdas.http.answers import NOTICE
from lambdas.http.problems import KINDS
from openapi import examples

Security = Literal["none", "key", "predict", "upload", "feedback"]
Tag = Literal["predictions", "model", "description"]


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Attributes:
        path: with parameters in braces.
        method: in lower case.
        id: of the operation, from which generated clients name their functions.
        summary: a sentence for a list.
        description: the rest, in Markdown.
        answer: the model of the answer, or None where it is no JSON of ours.
        codes: problems that this operation can answer, besides those of the gateway.
        security: whose leave it takes: nobody's, any client's, or that of a scope.
        requests: models of a JSON body, of which one has to fit.
        media_types: of bodies that are no JSON.
        parameters: of the query and the headers.
        other: content of the answer, by media type, besides that of the model.
    """

    path: str
    method: str
    id: str
    summary: str
    description: str
    answer: type[BaseModel] | None
    codes: tuple[str, ...]
    security: Security
    tag: Tag
    status: int = 200
    requests: tuple[type[BaseModel], ...] = ()
    media_types: tuple[str, ...] = ()
    parameters: tuple[dict[str, Any], ...] = ()
    headers: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)


# Without an example: a program that sends it with every request gets `idempotency_key_reused`.
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "Printable ASCII, new for each request. A repetition with the same key gets the first one's answer, with the "
        "header `Idempotency-Replayed: true`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` where this is the answer to an earlier request with the same key.",
        "schema": {"type": "string"},
    }
}
EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "Whether the answer has an overlay, a map of what in the radiograph speaks for PNEUMONIA.",
    "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    "example": "true",
}
PREDICTION_ID = {
    "name": "prediction_id",
    "in": "path",
    "required": True,
    "description": "The `id` of a prediction.",
    "schema": {"type": "string"},
    "example": examples.PREDICTION_ID,
}
CODED = {
    "application/dicom": {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "A Comprehensive 3D SR by TID 1500, in the study of the radiograph (docs/pacs.md).",
        },
        "example": "(a structured report)",
    },
    "multipart/related": {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": (
                "The report, and with `explain=true` a secondary capture of the saliency map. A STOW-RS request has "
                "the same form."
            ),
        },
        "example": (
            "--f00d\r\nContent-Type: application/dicom\r\n\r\n(a structured report)\r\n"
            "--f00d\r\nContent-Type: application/dicom\r\n\r\n(a secondary capture)\r\n--f00d--\r\n"
        ),
    },
    "application/fhir+json": {
        "schema": {
            "type": "object",
            "description": (
                "The same as a Bundle of FHIR R5: a DiagnosticReport and Observations by HL7's guide "
                "`hl7.fhir.uv.dicom-sr`."
            ),
        },
        "example": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "fullUrl": "urn:uuid:0b6c1f5e-5f9c-5d57-9e0a-5a3f0f6f1c11",
                    "resource": {
                        "resourceType": "DiagnosticReport",
                        "status": "preliminary",
                        "code": {
                            "coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "126000"}]
                        },
                        "result": [{"reference": "urn:uuid:6a2e8b0c-2d8e-5a52-8a3b-9c1d7c4f2e22"}],
                        "note": [{"text": NOTICE}],
                    },
                }
            ],
        },
    },
}
_IDEMPOTENT = ("request_in_progress", "idempotency_key_reused")
_ANSWERS_OF_THE_MODEL = tuple(
    code for code in KINDS
    if code.startswith("model_") or code in ("no_model_released", "undecodable_image", "not_a_radiograph",
                                                    "outside_intended_population")
)  # fmt: skip

OPERATIONS = (
    Operation(
        path="/v1/predictions",
        method="post",
        id="create_prediction",
        tag="predictions",
        summary="The probability of pneumonia in one chest radiograph.",
        description=(
            "The body is one JPEG, PNG or DICOM file, or a JSON document with such a file in base64 or with the id of "
            "an upload. Images are not stored; the answer is kept for some days, without image and overlay.\n\n"
            "The first media type of `Accept` says what the answer is: JSON, or of a DICOM file coded results, where "
            "the deployment turns them on: in DICOM (`application/dicom`, or with a picture `multipart/related; "
            'type="application/dicom"`) or in FHIR (`application/fhir+json`). They repeat from the file whose they are.'
        ),
        answer=documents.Prediction,
        codes=(
            *("invalid_request", "empty_body", "image_too_large", "unsupported_media_type", "upload_not_found"),
            *("not_acceptable", "no_dicom_result", "dicom_result_not_made"),
            *_ANSWERS_OF_THE_MODEL,
            *_IDEMPOTENT,
        ),
        security="predict",
        requests=(documents.ImageInDocument, documents.UploadedImage),
        media_types=("image/jpeg", "image/png", "application/dicom"),
        parameters=(EXPLAIN, IDEMPOTENCY_KEY),
        headers=REPLAYED,
        other=CODED,
    ),
    Operation(
        path="/v1/predictions/{prediction_id}",
        method="get",
        id="read_prediction",
        tag="predictions",
        summary="A prediction that was made before.",
        description="As long as it is kept: some days, longer where a reader labelled it.",
        answer=documents.Result,
        codes=("prediction_not_found",),
        security="predict",
        parameters=(PREDICTION_ID,),
    ),
    Operation(
        path="/v1/predictions/{prediction_id}/feedback",
        method="post",
        id="label_prediction",
        tag="predictions",
        summary="What a reader says that the radiograph shows.",
        description="Ground truth for monitoring. The last label counts.",
        answer=documents.Feedback,
        codes=("invalid_request", "unsupported_media_type", "prediction_not_found", *_IDEMPOTENT),
        security="feedback",
        requests=(documents.ReadersLabel,),
        parameters=(PREDICTION_ID, IDEMPOTENCY_KEY),
        headers=REPLAYED,
    ),
    Operation(
        path="/v1/uploads",
        method="post",
        id="create_upload",
        tag="predictions",
        summary="A form for one upload, for images above what a request carries.",
        description=(
            "Post `fields` and then the file as `file` to `url`, as multipart/form-data, within five minutes. Then "
            "name `upload` in POST /v1/predictions. Uploads are removed after a day."
        ),
        answer=documents.Upload,
        status=201,
        codes=("invalid_request", "unsupported_media_type", *_IDEMPOTENT),
        security="upload",
        requests=(documents.UploadRequest,),
        parameters=(IDEMPOTENCY_KEY,),
        headers=REPLAYED,
    ),
    Operation(
        path="/v1/model",
        method="get",
        id="read_model",
        tag="model",
        summary="The model that serves.",
        description="Its version, its figures on the held-out test split with 95 % intervals, and its approval.",
        answer=documents.ServingModel,
        codes=("no_model_released",),
        security="predict",
    ),
    Operation(
        path="/v1/health",
        method="get",
        id="read_health",
        tag="model",
        summary="Whether a model is serving.",
        description="Answers 200 whatever it says: before the first release nothing is wrong.",
        answer=documents.Health,
        codes=(),
        security="none",
    ),
    Operation(
        path="/openapi.json",
        method="get",
        id="read_openapi",
        tag="description",
        summary="This document.",
        description="OpenAPI 3.1.",
        answer=None,
        codes=(),
        security="none",
        other={"application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0", "paths": {}}}},
    ),
    Operation(
        path="/docs",
        method="get",
        id="read_docs",
        tag="description",
        summary="This document as a page.",
        description="HTML, with forms to try each path where scripts run.",
        answer=None,
        codes=(),
        security="none",
        other={"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>"}},
    ),
)
