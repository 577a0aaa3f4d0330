"""Conversion of DICOM files to PNG by the Dicom function."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from pybase64 import b64decode, b64encode_as_string

from lambdas.http.problems import KINDS, Problem
from lambdas.predict.image import EncodedImage
from model_code.contract.population import UNSTATED

CONNECT_TIMEOUT_SECONDS = 0.5
READ_TIMEOUT_SECONDS = 8.0
"""A cold start and the largest image take half of it. There is no second attempt: the model has to answer in what is
left of API Gateway's 29 s, see `model.HURRIED_READ_TIMEOUT_SECONDS`."""

_TOLD = ("modality", "photometric_interpretation", "body_part", "rendering")


@dataclass(frozen=True)
class Converted:
    """A PNG, and what the caller may know about the file it was made of: nothing about the patient.

    `age` (a band) and `view` are what the file states, to be compared with the model's population and then forgotten.
    """

    image: EncodedImage
    told: dict[str, str]
    age: str = field(default=UNSTATED, repr=False)
    view: str = field(default=UNSTATED, repr=False)


@dataclass(frozen=True)
class Dicom:
    """The Dicom function. `client` makes Lambda's client, with one attempt and the timeouts above, on first use."""

    client: Callable[[], Any]
    function_name: str

    def convert(self, file: EncodedImage) -> Converted:
        """Have one file converted.

        Raises:
            Problem: undecodable_image, unsupported_media_type, image_too_large, not_a_radiograph, throttled or
                model_timeout.
            RuntimeError: the function failed, in a way that is not the file's fault.
        """
        return self._ask({"dicom": b64encode_as_string(file.data)})

    def convert_upload(self, url: str) -> Converted:
        """Have the file converted that is at a signed address, which the function reads itself.

        Raises:
            Problem: as `convert`, or upload_not_found.
            RuntimeError: as `convert`.
        """
        return self._ask({"url": url})

    def _ask(self, event: dict[str, str]) -> Converted:
        payload = json.dumps(event)
        try:
            answer = self.client().invoke(FunctionName=self.function_name, Payload=payload)
        except ReadTimeoutError:
            raise _too_slow() from None
        except ClientError as error:
            if error.response["Error"]["Code"] == "TooManyRequestsException":
                raise Problem("throttled", "Too many DICOM files are being converted. Try again in a moment.") from None
            if error.response["Error"]["Code"] == "RequestTooLargeException":
                raise Problem(
                    "image_too_large", "The DICOM file is too large for a request: upload it (POST /v1/uploads)."
                ) from None
            raise
        document = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise _failure(document)
        if document.get("code") in KINDS:
            raise Problem(document["code"], str(document["detail"]))
        png = b64decode(document["png"], validate=True)
        # While a deployment goes on, the other function may be of before or after this one.
        told = {name: str(document[name]) for name in _TOLD if name in document}
        stated = (str(document.get(name, UNSTATED)) for name in ("age", "view"))
        return Converted(EncodedImage(png, "image/png"), told, *stated)


def _failure(document: dict[str, Any]) -> Exception:
    """The error of an invocation that ended without an answer; its own message may say too much to repeat."""
    kind, message = str(document.get("errorType", "")), str(document.get("errorMessage", ""))
    if "timed out" in message.lower():
        return _too_slow()
    # A decoder read or wrote where it must not, or needed more memory than there is: that is the file's doing.
    if kind == "Runtime.ExitError":
        return Problem("undecodable_image", "The DICOM file is damaged: decoding it ended the program that does it.")
    return RuntimeError(f"the Dicom function failed: {kind or 'no error type'}")


def _too_slow() -> Problem:
    return Problem(
        "model_timeout",
        f"The DICOM file was not converted within {READ_TIMEOUT_SECONDS:.0f} seconds. Try again, or send it as PNG.",
    )
