"""Conversion of DICOM files to PNG by the Dicom function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pybase64 import b64decode, b64encode_as_string

from lambdas.http.problems import KINDS, Problem
from lambdas.predict.image import EncodedImage
from lambdas.predict.lambda_invocation import Function, NoAnswerError, Reason
from model_code.contract.population import UNSTATED

CONNECT_TIMEOUT_SECONDS = 0.5
READ_TIMEOUT_SECONDS = 8.0
"""A cold start and the largest image take half of it. There is no second attempt: the model has to answer in what is
left of API Gateway's 29 s, see `model.HURRIED_READ_TIMEOUT_SECONDS`."""

_PROBLEMS: dict[Reason, tuple[str, str]] = {
    "timed_out": (
        "model_timeout",
        f"The DICOM file was not converted within {READ_TIMEOUT_SECONDS:.0f} seconds. Try again, or send it as PNG.",
    ),
    "throttled": ("throttled", "Too many DICOM files are being converted. Try again in a moment."),
    "too_large": ("image_too_large", "The DICOM file is too large for a request: upload it (POST /v1/uploads)."),
    "not_ready": ("model_not_ready", "What converts DICOM files is being started. Try again in a few seconds."),
    # A decoder read or wrote where it must not, or needed more memory than there is: that is the file's doing.
    "crashed": ("undecodable_image", "The DICOM file is damaged: decoding it ended the program that does it."),
}


@dataclass(frozen=True)
class Source:
    """Patient and study for a result in DICOM: base64 for the DicomResult function, or why it cannot be had.

    Neither is there where nobody asked.
    """

    encoded: str | None = field(default=None, repr=False)
    refusal: str | None = None


@dataclass(frozen=True)
class Converted:
    """A PNG, and what the caller may know about the file it was made of: nothing about the patient.

    `age` (a band) and `view` are what the file states, to be compared with the model's population and then forgotten.
    """

    image: EncodedImage
    told: dict[str, str]
    age: str = field(default=UNSTATED, repr=False)
    view: str = field(default=UNSTATED, repr=False)
    source: Source = field(default=Source(), repr=False)


@dataclass(frozen=True)
class Dicom:
    """The Dicom function, whose client has the timeouts above."""

    function: Function

    def convert(self, file: EncodedImage, *, with_source: bool = False) -> Converted:
        """Have one file converted, `with_source` for a result in DICOM.

        Raises:
            Problem: undecodable_image, unsupported_media_type, image_too_large, not_a_radiograph, throttled,
                model_not_ready or model_timeout.
            RuntimeError: the function failed, in a way that is not the file's fault.
        """
        return self._ask({"dicom": b64encode_as_string(file.data)}, with_source)

    def convert_upload(self, url: str, *, with_source: bool = False) -> Converted:
        """Have the file converted that is at a signed address, which the function reads itself.

        Raises:
            Problem: as `convert`, or upload_not_found.
            RuntimeError: as `convert`.
        """
        return self._ask({"url": url}, with_source)

    def _ask(self, event: dict[str, Any], with_source: bool) -> Converted:
        try:
            document = self.function.invoke({**event, "source": True} if with_source else event)
        except NoAnswerError as error:
            if error.reason in _PROBLEMS:
                raise Problem(*_PROBLEMS[error.reason]) from None
            raise RuntimeError(f"the Dicom function failed: {error}") from None
        if document.get("code") in KINDS:
            raise Problem(document["code"], str(document["detail"]))
        png = b64decode(document["png"], validate=True)
        # During a deployment the Dicom function may be an older version, which says nothing of the file.
        told = {str(name): str(value) for name, value in document.get("told", {}).items()}
        age, view = (str(document.get(name, UNSTATED)) for name in ("age", "view"))
        source = Source(document.get("source"), document.get("no_source"))
        return Converted(EncodedImage(png, "image/png"), told, age, view, source)
