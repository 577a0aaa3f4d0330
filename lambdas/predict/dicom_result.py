"""Coded results of a prediction, in DICOM or FHIR, made by the DicomResult function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pybase64 import b64encode_as_string

from lambdas.predict.accept import MULTIPART, Form
from lambdas.predict.dicom import Converted
from lambdas.predict.lambda_invocation import Function, NoAnswerError

CONNECT_TIMEOUT_SECONDS = 0.5
READ_TIMEOUT_SECONDS = 6.0
LATEST_SECONDS = 20.0
"""Latest start of a result, in seconds after its request: API Gateway gives up after 29 s, and a caller who gets the
error knows the prediction. A cold start takes some of the 6 s; the tests add them up."""

# What of the answer the function makes results of, where it is there.
_ANSWER = (
    *("id", "probability", "label", "indeterminate", "guarantee", "threshold", "model", "outside_intended_population"),
    "notice",
)


class NoResultError(Exception):
    """No result can be made of this file; `str(error)` says why, without a value of the file."""


@dataclass(frozen=True)
class Coded:
    """A coded answer: its Content-Type, and its body, in base64 where it is `binary`."""

    media_type: str
    body: str = field(repr=False)
    binary: bool


@dataclass(frozen=True)
class DicomResult:
    """The DicomResult function, whose client has the timeouts above."""

    function: Function

    def make(self, converted: Converted, answer: Mapping[str, Any], *, answered_at: str, form: Form) -> Coded:
        """The result of a prediction in a form: the report, all its instances, or FHIR.

        Args:
            converted: the file that was predicted.
            answer: answer to the client; with its overlay there is a picture among the instances.
            answered_at: when it was first given (ISO 8601, with a zone).
            form: of the body.

        Raises:
            NoResultError: none can be made of this file.
            NoAnswerError: the function gave no answer.
        """
        source = converted.source
        if source.refusal is not None:
            raise NoResultError(source.refusal)
        if source.encoded is None:
            raise NoAnswerError("failed", "the Dicom function is still of a version that tells no source")
        told = {name: answer[name] for name in _ANSWER if name in answer}
        event = {"source": source.encoded, "answer": told, "answered_at": answered_at, "form": form}
        if form == MULTIPART and "overlay" in answer:
            event["overlay"] = answer["overlay"]["data"]
            event["radiograph"] = b64encode_as_string(converted.image.data)
        document = self.function.invoke(event)
        if "no_result" in document:
            raise NoResultError(str(document["no_result"]))
        return Coded(document["media_type"], document["body"], binary=document["binary"])
