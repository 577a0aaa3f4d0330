"""Request handlers of the SageMaker TensorFlow Serving container; travels as code/inference.py in model.tar.gz.

A request is one image (image/jpeg, image/png) or several ({"instances": [{"b64": "..."}]}). With `explain=true` among
its custom attributes the answer has an overlay for each, a PNG to be stretched over the upright radiograph. What the
network saw in an image is in the answer as `features`, a few numbers in which monitoring looks for drift.

The container (python_service.py in aws/deep-learning-containers) calls `input_handler`, posts its result to TensorFlow
Serving and calls `output_handler` on the answer. An exception becomes a 500 with the body {"error": str(exception)}.
So each exception here reads "<code>: <sentence>", and the caller tells the cases apart by the code:

    unsupported_media_type   the Content-Type is neither image/jpeg, image/png nor application/json
    undecodable_image        the body is not an image this model can read
    not_a_radiograph         the image is unlike those the model was trained on
    inference_failed         TensorFlow Serving failed for another reason

The container has no TensorFlow and no Pillow: only the standard library is imported. A model with an engine of its own
(`engine` in metadata.json) brings what that needs along; then there is a `handler` here, which the container calls in
place of the other two, and TensorFlow Serving is not asked.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import os
import struct
from pathlib import Path
from typing import Any

# A whole chest radiograph has at most about 4,300 x 3,500 pixels (15 million). Four times that is accepted; a small
# file that would unpack to more is not.
MAX_PIXELS = 60_000_000

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
# Markers that begin a frame and hold its size (ITU-T T.81, table B.1); C4, C8 and CC are not frames.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


_MODEL = Path(__file__).resolve().parent.parent


class RequestError(ValueError):
    """A request this model cannot answer.

    Args:
        code: which of the cases above.
        message: one sentence for the person who sent the request.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")


def image_dimensions(encoded: bytes) -> tuple[int, int]:
    """Width and height in pixels that a JPEG or PNG declares in its header; nothing is decoded.

    Raises:
        ValueError: when the bytes do not begin a JPEG or PNG, or hold no size. The text says which.
    """
    if encoded.startswith(_PNG_START):
        if len(encoded) < 24 or encoded[12:16] != b"IHDR":
            raise ValueError("it is a PNG without a header")
        width, height = struct.unpack(">II", encoded[16:24])
        return int(width), int(height)
    if encoded.startswith(_JPEG_START):
        return _jpeg_dimensions(encoded)
    raise ValueError("it is neither a JPEG nor a PNG")


def check_image(encoded: bytes) -> None:
    """Refuse what is no JPEG or PNG, or is too large to unpack.

    Raises:
        ValueError: the reason, as the end of a sentence about the image.
    """
    if not encoded:
        raise ValueError("it is empty")
    width, height = image_dimensions(encoded)
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise ValueError(f"it has {width} x {height} pixels, where 1 to {MAX_PIXELS:,} in all are accepted")


def input_handler(data: Any, context: Any) -> str:
    """Turn a request into TensorFlow Serving's predict request.

    Args:
        data: the request's body, a stream.
        context: the container's request context; its `request_content_type` decides how the body is read, its
            `custom_attributes` whether overlays are drawn.

    Raises:
        RequestError: unsupported_media_type or undecodable_image.
    """
    images = _images(data, context)
    instances = [{"image_bytes": {"b64": base64.b64encode(image).decode("ascii")}} for image in images]
    signature = "explain" if _wants_overlays(context) else "serving_default"
    return json.dumps({"signature_name": signature, "instances": instances})


def _images(data: Any, context: Any) -> list[bytes]:
    """The images of a request, each looked at from outside."""
    content_type = (context.request_content_type or "").split(";")[0].strip().lower()
    if content_type in {"image/jpeg", "image/png"}:
        images = [data.read()]
    elif content_type == "application/json":
        images = _images_of_json(data.read())
    else:
        raise RequestError(
            "unsupported_media_type",
            f"Send the radiograph as image/jpeg or image/png, not as {content_type or 'an unnamed type'}.",
        )
    for number, image in enumerate(images, start=1):
        try:
            check_image(image)
        except ValueError as error:
            which = "The image" if len(images) == 1 else f"Image {number}"
            raise RequestError("undecodable_image", f"{which} cannot be read: {error}.") from error
    return images


def output_handler(response: Any, context: Any) -> tuple[str, str]:
    """Turn TensorFlow Serving's answer into the endpoint's answer and its content type.

    Args:
        response: TensorFlow Serving's HTTP answer, with `status_code` and `content`.
        context: the container's request context (not used: the answer is always JSON).

    Raises:
        RequestError: undecodable_image when the graph could not decode the image, not_a_radiograph when it is
            unlike the training images, else inference_failed.
    """
    del context
    if response.status_code == 400:
        # The request is built above and always fits the signature: what is left to refuse is the image inside it.
        raise RequestError("undecodable_image", "The image begins as a JPEG or PNG but cannot be decoded to its end.")
    if response.status_code != 200:
        text = response.content.decode("utf-8", "replace")[:500]
        raise RequestError("inference_failed", f"TensorFlow Serving answered {response.status_code}: {text}")
    return _answer(json.loads(response.content)["predictions"])


def _answer(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """The endpoint's answer and its content type, from what an engine says about each image."""
    predictions = [_prediction(scores) for scores in rows]
    check_familiar(predictions)
    model = {
        "package_arn": os.environ.get("MODEL_PACKAGE_ARN"),
        "threshold": _METADATA["threshold"],
        "indeterminate": _METADATA["indeterminate"],
        "engine": _METADATA.get("engine", "tensorflow"),
        "image_size": _METADATA["image_size"],
        "dataset_sha256": _METADATA["dataset"]["sha256"],
    }
    return json.dumps({"predictions": predictions, "model": model}), "application/json"


def check_familiar(predictions: list[dict[str, Any]]) -> None:
    """Refuse a request with an image that does not look like the training images.

    Raises:
        RequestError: not_a_radiograph, about the first such image.
    """
    for number, prediction in enumerate(predictions, start=1):
        if prediction["unfamiliarity"] > 1:
            which = "The image" if len(predictions) == 1 else f"Image {number}"
            raise RequestError(
                "not_a_radiograph",
                f"{which} does not look like the frontal chest radiographs this model was trained on: its distance "
                f"from them is {prediction['unfamiliarity']:.2f}, and up to 1.00 is accepted.",
            )


def _wants_overlays(context: Any) -> bool:
    attributes = (part.strip().lower() for part in (context.custom_attributes or "").split(","))
    return "explain=true" in attributes


def _prediction(outputs: dict[str, Any]) -> dict[str, Any]:
    negative, positive = _METADATA["labels"]
    probability = float(outputs["probability"])
    prediction = {
        "probability": probability,
        "logit": float(outputs["logit"]),
        "unfamiliarity": float(outputs["unfamiliarity"]),
        "label": positive if probability >= _METADATA["threshold"] else negative,
        "indeterminate": _METADATA["indeterminate"]["low"] <= probability < _METADATA["indeterminate"]["high"],
    }
    # A model of before there was monitoring has none.
    if "projection" in outputs:
        prediction["features"] = [round(float(value), 4) for value in outputs["projection"]]
    if "overlay_bytes" in outputs:
        prediction["overlay_png"] = outputs["overlay_bytes"]["b64"]
    return prediction


def _images_of_json(body: bytes) -> list[bytes]:
    """The images of {"instances": [{"b64": "..."}, ...]}, TensorFlow Serving's own form for binary values."""
    try:
        instances = json.loads(body)["instances"]
        images = [base64.b64decode(instance["b64"], validate=True) for instance in instances]
    except (UnicodeDecodeError, json.JSONDecodeError, binascii.Error, KeyError, TypeError, ValueError) as error:
        raise RequestError(
            "undecodable_image", 'JSON must have the form {"instances": [{"b64": "<base64 of a JPEG or PNG>"}]}.'
        ) from error
    if not images:
        raise RequestError("undecodable_image", 'The list "instances" is empty.')
    return images


def _jpeg_dimensions(encoded: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(encoded):
        if encoded[position] != 0xFF:
            break
        marker = encoded[position + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", encoded[position + 5 : position + 9])
            return int(width), int(height)
        else:
            position += 2 + int(struct.unpack(">H", encoded[position + 2 : position + 4])[0])
    raise ValueError("it is a JPEG without a frame header")


def _read_metadata() -> dict[str, Any]:
    path = _MODEL / "metadata.json"
    # Absent only where this file is imported from the source tree, for its checks.
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


_METADATA = _read_metadata()

if _METADATA.get("engine", "tensorflow") != "tensorflow":
    # Imported when the container starts, so that a library that does not work fails there. It puts this file's folder
    # and code/lib on the path (`serve.py`).
    from model_code.serving import engine

    @functools.lru_cache(maxsize=1)
    def _engine(process: int) -> engine.Engine:
        """The engine of a process: the container imports this file first and forks then, which no thread survives."""
        del process
        return engine.Engine(_MODEL, engine.own_threads())

    def handler(data: Any, context: Any) -> tuple[str, str]:
        """Answer a request.

        Args:
            data: the request's body, a stream.
            context: the container's request context, as of `input_handler`.

        Raises:
            RequestError: with any of the codes above.
        """
        images, overlay = _images(data, context), _wants_overlays(context)
        rows = []
        for number, image in enumerate(images, start=1):
            try:
                rows.append(_engine(os.getpid()).answer(image, overlay=overlay))
            except engine.ImageError as error:
                which = "The image" if len(images) == 1 else f"Image {number}"
                raise RequestError("undecodable_image", f"{which} {error}.") from error
            except Exception as error:
                # Whatever the library raises. Its text may quote the file: the type is enough to look for.
                raise RequestError("inference_failed", f"The engine failed with {type(error).__name__}.") from error
        return _answer(rows)
