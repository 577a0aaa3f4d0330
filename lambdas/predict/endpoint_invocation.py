"""Invocation of the SageMaker endpoint, and its failures as problems of the API."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from lambdas.aws.errors import is_absent, is_throttled
from lambdas.http.problems import Problem
from lambdas.predict import log
from lambdas.predict.endpoint_status import Endpoint
from model_code.contract import documents, guarantee
from model_code.contract.answer import AnsweredImage, AnsweringModel, public_members, read_answer
from model_code.contract.documents import AppliedGuarantee, Population

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker_runtime.client import SageMakerRuntimeClient

    from lambdas.predict.image import EncodedImage

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 19.0
HURRIED_READ_TIMEOUT_SECONDS = 8.0
"""API Gateway gives up after 29 s. How long the model may take: the second where fetching or converting the image took
longer than PREPARATION_SECONDS. Another attempt only follows one that failed within RETRY_WITHIN_SECONDS. The tests add
up the slowest answers, with the function's own cold start and DynamoDB inside."""
PREPARATION_SECONDS = 2.0
RETRY_WITHIN_SECONDS = 1.5

# What the serving container raises about the caller's image: "<code>: <sentence>".
_CALLERS_FAULT = re.compile(
    r"\b(undecodable_image|unsupported_media_type|not_a_radiograph|image_too_large): (.{1,400})"
)
# InvokeEndpoint's errors (SageMaker Runtime API reference) besides ModelError and ValidationError.
_THROTTLED = ("throttled", "The model is at its limit of requests at once. Try again in a moment.")
_STARTING = ("model_not_ready", "The model is being started. Try again in a few seconds.")
_FAILED = ("model_error", "The inference service failed. Try again.")
_SERVICE_PROBLEMS = {
    "ModelNotReadyException": _STARTING,
    "ServiceUnavailable": _STARTING,
    "ServiceUnavailableException": _STARTING,
    "503": _STARTING,  # without a code: of what stands before the service
    "InternalFailure": _FAILED,
    "InternalServerException": _FAILED,
    "InternalDependencyException": _FAILED,
    "RequestEntityTooLargeException": ("image_too_large", "The image is larger than the endpoint accepts."),
    "413": ("image_too_large", "The image is larger than the endpoint accepts."),
}
# No answer, or one that broke off.
_BROKEN = (
    *(ConnectTimeoutError, EndpointConnectionError, ConnectionClosedError),
    *(ResponseStreamingError, IncompleteReadError),
)
_PACKAGE_ARN = re.compile(r"^arn:[^:]+:sagemaker:[^:]*:[^:]*:model-package/(?P<group>[^/]+)/(?P<version>\d+)$")


@dataclass(frozen=True)
class Overlay:
    """A saliency map.

    Attributes:
        png: base64 of a picture to be stretched over the upright radiograph.
        cells: places along each edge that the map distinguishes.
        empty: nothing is marked; None from an older model, which does not say.
    """

    png: str = field(repr=False)
    cells: int
    empty: bool | None


@dataclass(frozen=True)
class Prediction:
    """The model's answer; the probability and `threshold` are in [0, 1].

    Attributes:
        image: public members about the image, see `contract.answer`.
        model: the same of the model, and which version it is.
        guarantee: the least share of such answers that is right; None where nothing is guaranteed of this one.
        population: whom the model is meant for; None where nothing says it.
        out_of_distribution_score: how unlike the training radiographs the image looks, kept for monitoring.
        features: what the network saw in it, in a few numbers kept for monitoring; empty for an older model.
        overlay: where somebody asked for it, the saliency map.
    """

    image: dict[str, Any]
    threshold: float
    model: dict[str, Any]
    overlay: Overlay | None = None
    out_of_distribution_score: float = 0.0
    features: tuple[float, ...] = ()
    guarantee: AppliedGuarantee | None = None
    population: Population | None = None


@dataclass(frozen=True)
class Model:
    """The model of one endpoint. `runtime` makes one attempt a call and has the timeouts above, or a shorter one."""

    runtime: SageMakerRuntimeClient
    endpoint: Endpoint
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS

    def predict(self, image: EncodedImage, *, explain: bool = False) -> Prediction:
        """Ask for one image's probability of pneumonia, and with `explain` for what it rests on.

        Raises:
            Problem: no_model_released, model_not_ready, throttled, model_timeout, model_error, image_too_large, or
                what the model says about the image (undecodable_image, unsupported_media_type, not_a_radiograph).
        """
        try:
            answer = self._invoke(image, explain)
        except ReadTimeoutError:
            raise Problem(
                "model_timeout", f"The model gave no answer within {self.read_timeout_seconds:.0f} seconds. Try again."
            ) from None
        except _BROKEN as error:
            raise Problem("model_error", "The model could not be reached. Try again.") from error
        except ClientError as error:
            raise self._problem(error) from error
        try:
            return parse(answer, explain=explain)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise Problem("model_error", "The model's answer could not be understood.") from error

    def _invoke(self, image: EncodedImage, explain: bool) -> bytes:
        started = time.monotonic()
        try:
            return self._ask(image, explain)
        except _BROKEN:
            # A function that was frozen can hold a connection the service has closed since. Asking again changes
            # nothing in the model, but there has to be time for the answer.
            if time.monotonic() - started > RETRY_WITHIN_SECONDS:
                raise
        return self._ask(image, explain)

    def _ask(self, image: EncodedImage, explain: bool) -> bytes:
        # Read by the serving code (model_code/serving/inference.py).
        attributes: Any = {"CustomAttributes": "explain=true"} if explain else {}
        answer = self.runtime.invoke_endpoint(
            EndpointName=self.endpoint.name,
            ContentType=image.content_type,
            Accept="application/json",
            Body=image.data,
            **attributes,
        )
        return answer["Body"].read()

    def _problem(self, error: ClientError) -> Problem:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ModelError":
            return self._model_problem(error.response, message)
        if is_throttled(error):
            return Problem(*_THROTTLED)
        if code in _SERVICE_PROBLEMS:
            return Problem(*_SERVICE_PROBLEMS[code])
        if code in {"ValidationError", "ValidationException"} and (is_absent(error) or self._nothing_is_released()):
            return Problem("no_model_released", "No model has been approved and released yet.")
        log.write("ERROR", "the endpoint refused the request", error_code=code, error_message=message)
        return Problem("model_error", "The inference service refused the request.")

    def _nothing_is_released(self) -> bool:
        try:
            return self.endpoint.health() == "no_model_released"
        except ClientError:  # DescribeEndpoint is throttled for the whole account: then that is not known
            return False

    @staticmethod
    def _model_problem(response: Any, message: str) -> Problem:
        fault = _CALLERS_FAULT.search(_container_error(response.get("OriginalMessage") or message))
        if fault:
            # The rest of a JSON document follows where the message wraps one.
            return Problem(fault[1], fault[2].rstrip('"} '))
        if "timed out" in message.lower():
            return Problem("model_timeout", "The model gave no answer in time. Try again.")
        # The container's message can quote its input, so only where to find it is logged.
        log.write(
            "ERROR",
            "the model failed",
            original_status=response.get("OriginalStatusCode"),
            log_stream=response.get("LogStreamArn"),
        )
        return Problem("model_error", "The model failed on this request.")


def _container_error(original: str) -> str:
    """The sentence in a container's `{"error": "<code>: <sentence>"}`, or the text itself."""
    try:
        document = json.loads(original)
    except ValueError:
        return original
    return str(document.get("error", original)) if isinstance(document, dict) else original


def parse(answer: bytes, *, explain: bool) -> Prediction:
    """Read the serving container's answer to one image, which has an overlay where it was asked for.

    Raises:
        ValueError, KeyError, TypeError, IndexError: it is not what the serving code answers.
    """
    document = read_answer(json.loads(answer))
    (prediction,) = document["predictions"]
    described = document["model"]
    threshold = float(described["threshold"])
    band = described["indeterminate"]
    low, high = float(band["low"]), float(band["high"])
    # Also refuses NaN, which compares false with everything.
    if not (0.0 <= threshold <= 1.0 and 0.0 <= low <= high <= 1.0):
        raise ValueError("threshold and the indeterminate band have to be between 0 and 1")
    promised = guarantee.applied(described["guarantee"], prediction["label"], indeterminate=prediction["indeterminate"])
    if promised and not all(0.0 < float(share) <= 1.0 for share in promised.values()):  # type: ignore[arg-type]
        raise ValueError("what is guaranteed has to be a share")
    package_arn = str(described["package_arn"])
    named = _PACKAGE_ARN.match(package_arn)
    if named is None:
        raise ValueError("the answer has to name the model package that gave it")
    model = {
        "package_arn": package_arn,
        "group": named["group"],
        "version": int(named["version"]),
        "indeterminate": {"low": low, "high": high},
        **public_members(AnsweringModel, described),
    }
    observed = [float(value) for value in (prediction["out_of_distribution_score"], *prediction["features"])]
    if not all(map(math.isfinite, observed)):
        raise ValueError("out_of_distribution_score and features have to be finite")
    return Prediction(
        public_members(AnsweredImage, prediction),
        threshold,
        model,
        overlay=_overlay(prediction, described) if explain else None,
        out_of_distribution_score=observed[0],
        features=tuple(observed[1:]),
        guarantee=promised,
        population=described["population"],
    )


def _overlay(prediction: Mapping[str, Any], described: Mapping[str, Any]) -> Overlay:
    cells = int(prediction.get("overlay_cells") or documents.map_cells(described))
    empty = prediction.get("overlay_empty")
    return Overlay(str(prediction["overlay_png"]), cells, None if empty is None else bool(empty))
