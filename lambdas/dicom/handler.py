"""Dicom: converts one DICOM file for the Predict function, which invokes it and nobody else.

A function of its own, so that predictions of JPEG and PNG neither import pydicom nor share a process with decoders of
formats this old. Its role may write its log and nothing else.
"""

from __future__ import annotations

import base64
import io
import json
import time
from typing import Any

from lambdas.dicom import uploads
from lambdas.http.exception_log import log_fields
from model_code.dicom import header, picture, radiograph, subject
from model_code.dicom.refusal import Refusal


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Convert `{"dicom": <base64>}`, or `{"url": <address>}` for what is larger than an invocation may be.

    Answers `{"png": <base64>, "told", "age", "view"}`, or `{"code", "detail"}` where the file is refused. `told` is
    what the caller's answer says of the file (`dicom` in `lambdas.api.documents`), `age` a band. With `"source": true`
    comes what a result in DICOM takes over of patient and study, `{"source": <base64>}`, or why none can be made,
    `{"no_source": <sentence>}`. The log gets sizes, codes and durations.
    """
    started = time.perf_counter()
    fields: dict[str, Any] = {}
    try:
        url = event.get("url")
        data = uploads.fetch(url) if url else base64.b64decode(event["dicom"], validate=True)
        fields["bytes"] = len(data)
        answer = convert(data, fields)
        if event.get("source"):
            answer |= _source(data, fields)
    except Refusal as refusal:
        answer = {"code": refusal.code, "detail": refusal.detail}
        fields |= {"code": refusal.code, **log_fields(refusal.__cause__)}
    fields["ms"] = round((time.perf_counter() - started) * 1000, 1)
    print(json.dumps({"level": "INFO", "message": "converted" if "png" in answer else "refused", **fields}), flush=True)
    return answer


def _source(data: bytes, fields: dict[str, Any]) -> dict[str, str]:
    from dicom_results import source  # noqa: PLC0415 - for those who ask for a result in DICOM

    try:
        return {"source": base64.b64encode(source.encode(source.read(io.BytesIO(data)))).decode("ascii")}
    except source.NoResultError as error:
        fields |= log_fields(error.__cause__)
        return {"no_source": str(error)}
    except Exception as error:  # noqa: BLE001 - what no other instance can hold; a message would quote it
        fields |= log_fields(error)
        return {"no_source": f"what it states cannot be taken over ({type(error).__name__})"}


def convert(data: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    """Convert a file's bytes; `fields` takes what may be logged about it.

    Raises:
        Refusal: undecodable_image, unsupported_media_type, image_too_large or not_a_radiograph.
    """
    found = header.read(data)
    fields |= {"rows": found.rows, "columns": found.columns, "transfer_syntax": found.transfer_syntax}
    drawn = radiograph.draw(found)
    return {
        "png": base64.b64encode(picture.encode(drawn.levels)).decode("ascii"),
        "told": {**found.told, "rendering": drawn.rendering},
        **subject.classes(data),
    }
