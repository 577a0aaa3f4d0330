"""Request handlers of the SageMaker TensorFlow Serving container; travels as code/inference.py in model.tar.gz.

A request is one image (image/jpeg, image/png) or several ({"instances": [{"b64": "..."}]}). With `explain=true` among
its custom attributes the answer has an overlay for each, a PNG to be stretched over the upright radiograph. What the
network saw in an image is in the answer as `features`, a few numbers in which monitoring looks for drift.

The container calls `handler` (python_service.py of the 2.20 images, aws/deep-learning-containers e0ecede, read
2026-11). An exception becomes a 500 with the body {"error": str(exception)}. So each exception here reads "<code>:
<sentence>", and the caller tells the cases apart by the code:

    unsupported_media_type   the Content-Type is neither image/jpeg, image/png nor application/json
    image_too_large          the body has more bytes than are read
    too_many_images          the request holds more images than are answered together
    undecodable_image        the body is not an image this model can read
    not_a_radiograph         the image is unlike those the model was trained on
    inference_failed         the engine failed for another reason

There is no pair of `input_handler` and `output_handler`, the container's other way: between the two it posts to
TensorFlow Serving itself, and answers each status but 200 with that status and a text of its own, so that nothing here
could say what was wrong with an image.

The container has no TensorFlow and no Pillow: only the standard library is imported, and modules of `model_code` that
travel beside this file and import nothing else. A model with an engine of its own (`engine` in metadata.json) brings
what that needs along, and TensorFlow Serving is not asked.
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import math
import os
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from model_code.contract.answer import ANSWER, AnsweringModel
from model_code.contract.documents import map_cells
from model_code.contract.images import JPEG, MAX_REQUEST_BYTES, PNG, pixel_cost
from model_code.contract.served_files import digest_of_directory

# In one request. Each costs up to what the network takes, and others wait meanwhile.
MAX_IMAGES = 16

# Commas, braces and brackets of a JSON body. `json` reads one in one call, in which nothing else runs, not even
# `/ping`: 20 MiB of small objects take 1.5 s and half a gigabyte, of text at most 33 ms, and base64 has none of these.
# All images in their form have 33; the rest is for members that clients add and nobody reads.
_MAX_JSON_MARKS = 1_000

# Until TensorFlow Serving's answer: as long as the container itself would wait, and as an invocation may take.
_SERVING_SECONDS = 60

_Rows = list[dict[str, Any]]
_Result = TypeVar("_Result")

_MODEL = Path(__file__).resolve().parent.parent


class RequestError(ValueError):
    """A request this model cannot answer.

    Args:
        code: one of the codes above.
        message: one sentence for the person who sent the request.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")


def handler(data: Any, context: Any) -> tuple[str, str]:
    """Answer a request: the body, and its content type.

    Args:
        data: the request's body, a stream.
        context: the container's request context; its `request_content_type` decides how the body is read, its
            `custom_attributes` whether overlays are drawn, and TensorFlow Serving listens at its `rest_uri`.

    Raises:
        RequestError: with any of the codes above.
    """
    return _answer(_rows(_images(data, context), _wants_overlays(context), context))


def _images(data: Any, context: Any) -> list[bytes]:
    """The images of a request, each by its header checked for format and size."""
    content_type = (context.request_content_type or "").split(";")[0].strip().lower()
    if content_type in {JPEG, PNG}:
        images = [_body(data)]
    elif content_type == "application/json":
        images = _images_of_json(_body(data))
    else:
        raise RequestError(
            "unsupported_media_type",
            f"Send the radiograph as image/jpeg or image/png, not as {content_type or 'an unnamed type'}.",
        )
    cost = 0.0
    for number, image in enumerate(images, start=1):
        try:
            cost += pixel_cost(image)
        except ValueError as error:
            which = "The image" if len(images) == 1 else f"Image {number}"
            raise RequestError("undecodable_image", f"{which} cannot be read: {error}.") from error
    if cost > 1:
        raise RequestError(
            "too_many_images",
            f"Together the {len(images)} images have {cost:.1f} times as many pixels as one request may: send them in "
            "several.",
        )
    return images


def _body(data: Any) -> bytes:
    """Body of the request, read no further than the size limit, whatever its headers say."""
    body: bytes = data.read(MAX_REQUEST_BYTES + 1)
    if len(body) > MAX_REQUEST_BYTES:
        raise RequestError(
            "image_too_large",
            f"A request may have {MAX_REQUEST_BYTES >> 20} MiB: send fewer images at once, or a smaller one.",
        )
    return body


def _rows_of_serving(images: list[bytes], overlay: bool, context: Any) -> _Rows:
    """TensorFlow Serving's outputs for each image.

    Raises:
        RequestError: undecodable_image when the graph could not decode an image, else inference_failed.
    """
    instances = [{"image_bytes": {"b64": base64.b64encode(image).decode("ascii")}} for image in images]
    signature = "explain" if overlay else "serving_default"
    status, content = _post(context.rest_uri, json.dumps({"signature_name": signature, "instances": instances}))
    if status == 400 and context.method in (None, "predict"):
        # The request always fits the signature of this method: what is left to refuse is the image inside it.
        which = "The image" if len(images) == 1 else f"One of the {len(images)} images"
        raise RequestError("undecodable_image", f"{which} begins as a JPEG or PNG but cannot be decoded to its end.")
    if status != 200:
        text = content.decode("utf-8", "replace")[:500]
        raise RequestError("inference_failed", f"TensorFlow Serving answered {status}: {text}")
    rows: _Rows = json.loads(content)["predictions"]
    return rows


def _post(uri: str, body: str) -> tuple[int, bytes]:
    """Status and content of an answer; no proxy stands between the two processes of a container."""
    place = urllib.parse.urlsplit(uri)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=_SERVING_SECONDS)
    try:
        connection.request("POST", place.path, body.encode("ascii"), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RequestError("inference_failed", f"TensorFlow Serving gave no answer: {type(error).__name__}.") from error
    finally:
        connection.close()


def _beside_the_event_loop(work: Callable[[], _Result]) -> _Result:
    """Compute in a real thread, where the process is a gevent worker.

    The container's workers are, with one thread each (`serve.py`): what computes there keeps `/ping` from being
    answered, which SageMaker waits 2 seconds for ("Use Your Own Inference Code with Hosting Services", read 2026-11).
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return work()
    result: _Result = _thread(os.getpid()).apply(work)
    return result


@functools.lru_cache(maxsize=1)
def _thread(process: int) -> Any:
    """One real thread for each process: an engine computes one image at a time, and no lock of gevent's is shared."""
    del process
    from gevent.threadpool import ThreadPool  # noqa: PLC0415 - where the container has imported it already

    return ThreadPool(1)


def _answer(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """The endpoint's answer and its content type, from what an engine says about each image."""
    predictions = [_prediction(scores) for scores in rows]
    check_familiar(predictions)
    model: AnsweringModel = {
        "package_arn": os.environ.get("MODEL_PACKAGE_ARN"),
        "threshold": _METADATA["threshold"],
        "indeterminate": _METADATA["indeterminate"],
        "guarantee": _METADATA["guarantee"],
        "population": _METADATA["population"],
        "engine": _METADATA.get("engine", "tensorflow"),
        "image_size": _METADATA["image_size"],
        "dataset_sha256": _METADATA["dataset"]["sha256"],
        "served_sha256": _SERVED,
    }
    return json.dumps({"schema": ANSWER, "predictions": predictions, "model": model}), "application/json"


def check_familiar(predictions: list[dict[str, Any]]) -> None:
    """Refuse a request with an out-of-distribution image: one unlike the training images.

    Raises:
        RequestError: not_a_radiograph, about the first such image.
    """
    for number, prediction in enumerate(predictions, start=1):
        if prediction["out_of_distribution_score"] > 1:
            which = "The image" if len(predictions) == 1 else f"Image {number}"
            raise RequestError(
                "not_a_radiograph",
                f"{which} does not look like the frontal chest radiographs this model was trained on: its distance "
                f"from them is {prediction['out_of_distribution_score']:.2f}, and up to 1.00 is accepted.",
            )


def _wants_overlays(context: Any) -> bool:
    attributes = (part.strip().lower() for part in (context.custom_attributes or "").split(","))
    return "explain=true" in attributes


def _prediction(outputs: dict[str, Any]) -> dict[str, Any]:
    negative, positive = _METADATA["labels"]
    logit = float(outputs["logit"])
    probability = _probability(logit)
    prediction = {
        "probability": probability,
        "logit": logit,
        "out_of_distribution_score": float(outputs["out_of_distribution_score"]),
        "label": positive if probability >= _METADATA["threshold"] else negative,
        "indeterminate": _METADATA["indeterminate"]["low"] <= probability < _METADATA["indeterminate"]["high"],
    }
    # Older models have none.
    if "projection" in outputs:
        prediction["features"] = [round(float(value), 4) for value in outputs["projection"]]
    if "overlay_bytes" in outputs:
        prediction["overlay_png"] = outputs["overlay_bytes"]["b64"]
        prediction["overlay_cells"] = map_cells(_METADATA)
        prediction["overlay_empty"] = bool(outputs["overlay_empty"])
    return prediction


def _probability(logit: float) -> float:
    """The calibration of `statistics.calibration.Calibration`, which needs a library: sigmoid(logit / T + bias)."""
    log_odds = logit / _METADATA["temperature"] + _METADATA["bias"]
    return (1 + math.tanh(log_odds / 2)) / 2


def _images_of_json(body: bytes) -> list[bytes]:
    """The images of {"instances": [{"b64": "..."}, ...]}, TensorFlow Serving's own form for binary values.

    What is too much is refused before it is taken apart.
    """
    if sum(map(body.count, b",{[")) > _MAX_JSON_MARKS:
        raise RequestError(
            "too_many_images",
            f"Send up to {MAX_IMAGES} images at once: the JSON has more than {_MAX_JSON_MARKS:,} values.",
        )
    try:
        instances = json.loads(body)["instances"]
        if not isinstance(instances, list):
            raise TypeError("no list")
        if len(instances) > MAX_IMAGES:
            raise RequestError("too_many_images", f"Send up to {MAX_IMAGES} images at once, not {len(instances):,}.")
        images = [base64.b64decode(instance["b64"], validate=True) for instance in instances]
    except RequestError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RequestError(
            "undecodable_image", 'JSON must have the form {"instances": [{"b64": "<base64 of a JPEG or PNG>"}]}.'
        ) from error
    if not images:
        raise RequestError("undecodable_image", 'The list "instances" is empty.')
    return images


def _read_metadata() -> dict[str, Any]:
    path = _MODEL / "metadata.json"
    # Absent only where this file is imported from the source tree, for its checks.
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


_METADATA = _read_metadata()
# Of the files that this process was started with, whatever happens to them later.
_SERVED = digest_of_directory(_MODEL) if _METADATA else None

if _METADATA.get("engine", "tensorflow") == "tensorflow":
    _rows = _rows_of_serving
else:
    # Imported when the container starts, so that a library that does not work fails there. It puts this file's folder
    # and code/lib on the path (`serve.py`).
    from model_code.serving import engine

    @functools.lru_cache(maxsize=1)
    def _engine(process: int) -> engine.Engine:
        """The engine of a process: the container imports this file first and forks then, which no thread survives."""
        del process
        return engine.Engine(_MODEL, engine.own_threads())

    def _rows(images: list[bytes], overlay: bool, context: Any) -> _Rows:
        """Outputs of the model's own engine for each image."""
        del context
        return _beside_the_event_loop(functools.partial(_rows_of_engine, images, overlay))

    def _rows_of_engine(images: list[bytes], overlay: bool) -> _Rows:
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
        return rows
