"""DicomResult: makes coded results, in DICOM or FHIR, for the Predict function, which invokes it and nobody else.

A function of its own, so that nobody pays for highdicom who asks for no result. It keeps nothing, and its role may
write its log and nothing else. It never sees the radiograph's file: Predict hands on what the Dicom function took over.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

from dicom_results import source
from dicom_results.prediction import REPORT, instances, resources
from dicom_results.result import Result, remarks
from dicom_results.source import NoResultError
from lambdas.http.exception_log import log_fields

_DICOM, _FHIR = "application/dicom", "application/fhir+json"


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Make a report, the report and a picture of the saliency map, or FHIR.

    Args:
        event: `{"source": <base64 of dicom_results.source.encode>, "answer": <of the API>, "answered_at",
            "form": "application/dicom", "multipart/related" or "application/fhir+json"}`, and for a picture
            `{"radiograph", "overlay"}`, base64 of PNG.

    Returns:
        `{"media_type", "body", "binary"}`, the body in base64 where it is binary, or `{"no_result": <sentence>}`. The
        log gets sizes and durations.

    Raises:
        RuntimeError: something else failed; its message has the exception's type and no value.
    """
    started, fields = time.perf_counter(), dict[str, Any]()
    try:
        answer = _made(event, fields)
    except NoResultError as error:
        answer = {"no_result": str(error)}
        fields |= log_fields(error.__cause__)
    except Exception as error:  # noqa: BLE001 - Lambda logs what ends a function, with a message that may quote
        fields |= log_fields(error)
        raise RuntimeError(f"no result: {type(error).__name__}") from None
    finally:
        fields["ms"] = round((time.perf_counter() - started) * 1000, 1)
        print(json.dumps({"level": "INFO", "message": "dicom result", **fields}), flush=True)
    return answer


def _made(event: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    reference = source.decode(base64.b64decode(event["source"], validate=True))
    predicted = result(event["answer"], event["answered_at"])
    if event["form"] == _FHIR:
        bundle = resources(reference, predicted)
        fields["bytes"] = {"fhir": len(bundle)}
        return {"media_type": _FHIR, "body": bundle.decode(), "binary": False}
    pictures = {
        name: base64.b64decode(event[name], validate=True) for name in ("radiograph", "overlay") if name in event
    }
    made = instances(reference, predicted, **pictures)
    fields["bytes"] = {name: len(content) for name, content in made.items()}
    media_type, body = (_DICOM, made[REPORT]) if event["form"] == _DICOM else multipart(made.values())
    return {"media_type": media_type, "body": base64.b64encode(body).decode("ascii"), "binary": True}


def result(answer: dict[str, Any], answered_at: str) -> Result:
    """An answer of the API as a result.

    Args:
        answer: its members besides the pictures.
        answered_at: when it was given (ISO 8601, with a zone).
    """
    model, guarantee = answer["model"], answer.get("guarantee") or {}
    return Result(
        prediction_id=answer["id"],
        probability=answer["probability"],
        threshold=answer["threshold"],
        label=answer["label"],
        indeterminate=answer["indeterminate"],
        band=(model["indeterminate"]["low"], model["indeterminate"]["high"]),
        model_version=str(model["version"]),
        model_package_arn=model["package_arn"],
        dataset_sha256=model["dataset_sha256"],
        served_sha256=model.get("served_sha256") or "",
        time=dt.datetime.fromisoformat(answered_at),
        notice=remarks(
            answer["notice"],
            outside_intended_population=answer.get("outside_intended_population") or (),
            guaranteed=guarantee.get("predictive_value"),
        ),
    )


def multipart(files: Iterable[bytes]) -> tuple[str, bytes]:
    """Content-Type and body of several DICOM files in one answer (PS3.18, 8.6.1.2; RFC 2387).

    A request that stores them (STOW-RS) has the same form.
    """
    boundary = secrets.token_hex(16)  # in no file, but once in 2^128
    parts = b"".join(
        f"--{boundary}\r\nContent-Type: {_DICOM}\r\n\r\n".encode("ascii") + content + b"\r\n" for content in files
    )
    return f'multipart/related; type="{_DICOM}"; boundary={boundary}', parts + f"--{boundary}--\r\n".encode("ascii")
