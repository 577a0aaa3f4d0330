"""Uploads: `POST /v1/uploads` answers a form with which one image can be sent to S3 past the gateway's limit.

The form is signed with the function's role, which may write `uploads/` and nothing else, and holds for minutes, one
key, one media type and a largest size.
"""

from __future__ import annotations

import time
import uuid
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

import boto3
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from botocore.config import Config

from lambdas.api.documents import Upload, UploadRequest
from lambdas.api.environment import UploadsEnvironment
from lambdas.api.service import Service, resolver
from lambdas.api.tables import dynamodb, moment
from lambdas.http import presigning
from lambdas.http.answers import Answers, origins
from lambdas.http.idempotency import Requests

PREFIX = "uploads/"
EXPIRES_SECONDS = 300
MAX_DICOM_BYTES = 96 * 1024 * 1024
"""What the Dicom function reads (`lambdas/dicom/uploads.py`), which makes a small PNG of it for the endpoint."""

app = resolver()
environment = cache(UploadsEnvironment.load)


@cache
def s3() -> Any:
    """The client, which only signs."""
    return boto3.client("s3", config=Config(**presigning.OPTIONS))


@cache
def service() -> Service:
    """The service, made once per execution environment."""
    # A form is of no use when it has expired, so neither is its memory.
    requests = Requests(dynamodb(), environment().requests_table, operation="uploads", keep_seconds=EXPIRES_SECONDS)
    return Service(app, answers=Answers(origins(environment().allowed_origins)), requests=requests)


@app.post("/v1/uploads")
def create_upload(request: Annotated[UploadRequest, Body()]) -> Response[Upload]:
    """A form for one upload."""
    upload, media_type = uuid.uuid4().hex, request.media_type
    max_bytes = MAX_DICOM_BYTES if media_type == "application/dicom" else environment().max_upload_bytes
    form = s3().generate_presigned_post(
        environment().bucket,
        PREFIX + upload,
        Fields={"Content-Type": media_type},
        Conditions=[{"Content-Type": media_type}, ["content-length-range", 1, max_bytes]],
        ExpiresIn=EXPIRES_SECONDS,
    )
    expires_at = moment(time.time() + EXPIRES_SECONDS)
    answer = Upload(upload=upload, url=form["url"], fields=form["fields"], max_bytes=max_bytes, expires_at=expires_at)
    return Response(HTTPStatus.CREATED, content_type="application/json", body=answer)


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return service().answer(event, context)
