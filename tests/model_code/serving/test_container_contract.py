"""One contract, two endpoints: the laptop's, and the container as its source handles a request, on TensorFlow 2.20."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from model_code.contract.images import MAX_REQUEST_BYTES
from model_code.serving.inference import MAX_IMAGES
from model_code.statistics.calibration import Calibration
from tests.model_code.conftest import SIZE, drawn

pytestmark = pytest.mark.serving

ROOT = Path(__file__).parents[3]
SERVING = ROOT / ".venv" / "serving"
REPLAY = Path(__file__).parents[1] / "support" / "container_replay.py"
# Ten times what either needs on an idle machine.
START_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    document: Any

    @property
    def code(self) -> str:
        return str(self.document["error"]).partition(":")[0]


class Endpoint:
    """The container's HTTP face, whatever is behind it."""

    def __init__(self, processes: list[int], port: int) -> None:
        self.processes = processes
        self.url = f"http://127.0.0.1:{port}"

    def invoke(self, body: bytes, content_type: str | None, attributes: str | None = None) -> Answer:
        headers = {"Content-Type": content_type, "X-Amzn-SageMaker-Custom-Attributes": attributes}
        named = {name: value for name, value in headers.items() if value is not None}
        response = requests.post(f"{self.url}/invocations", data=body, headers=named, timeout=60)
        assert response.headers["Content-Type"] == "application/json"
        return Answer(response.status_code, response.json())

    def peak_megabytes(self) -> float:
        """Of all the processes that answer; a worker is a child of the one that is known."""
        children = [Path(f"/proc/{one}/task/{one}/children").read_text().split() for one in self.processes]
        pids = [*self.processes, *(int(child) for some in children for child in some)]
        lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/ping", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("the endpoint does not answer /ping")


def start(*command: str, path: str = "", pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": path,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
            "MODEL_PACKAGE_ARN": "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=pass_fds,
    )


@contextlib.contextmanager
def laptop(model: Path) -> Iterator[Endpoint]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        process = start("-m", "local.containers.serving", "--model-dir", str(model), "--fd", str(fd), pass_fds=(fd,))
    with ended(process):
        endpoint = Endpoint([process.pid], port)
        endpoint.wait()
        yield endpoint


@contextlib.contextmanager
def container(model: Path) -> Iterator[Endpoint]:
    assert (SERVING / ".installed").exists(), "TensorFlow 2.20 is not installed: run `make test`"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        process = start(str(REPLAY), str(model), str(fd), path=f"{SERVING}{os.pathsep}{ROOT}", pass_fds=(fd,))
    with ended(process):
        version, *pids = process.stdout.readline().decode().split()
        assert version.startswith("2.20.") or not (model / "1").exists()
        endpoint = Endpoint([int(pid) for pid in pids], port)
        endpoint.wait()
        yield endpoint


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        # Both end with their standard input, and take along what they started.
        process.stdin.close()
        process.wait(START_SECONDS)
        process.stdout.close()


@pytest.fixture(scope="module")
def endpoints(exported: Path) -> Iterator[dict[str, Endpoint]]:
    with laptop(exported) as ours, container(exported) as theirs:
        yield {"laptop": ours, "container": theirs}


@pytest.fixture(params=["laptop", "container"])
def endpoint(request: pytest.FixtureRequest, endpoints: dict[str, Endpoint]) -> Endpoint:
    return endpoints[request.param]


@pytest.fixture(scope="module")
def loaded(exported: Path) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(str(exported / "1")).signatures


IMAGES = {"image/jpeg": drawn(1, 90, "JPEG"), "image/png": drawn(2, 50)}


def _strings(*images: bytes) -> Any:
    import tensorflow as tf

    return tf.constant(images)


def expected(loaded: Any, *images: bytes) -> list[dict[str, float]]:
    """By the graph's logits and the metadata of `exported`, of temperature 2."""
    logits = loaded["serving_default"](image_bytes=_strings(*images))["logit"].numpy().astype(float)
    probabilities = Calibration(2.0).probability(logits)
    return [
        {"logit": float(logit), "probability": float(one)} for logit, one in zip(logits, probabilities, strict=True)
    ]


def assert_scores(predictions: list[dict[str, Any]], scores: list[dict[str, float]]) -> None:
    """The limit is the one the export has to keep between the two versions of TensorFlow."""
    assert len(predictions) == len(scores)
    for prediction, score in zip(predictions, scores, strict=True):
        for name, value in score.items():
            assert prediction[name] == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("content_type", IMAGES)
def test_an_image_is_answered_with_what_training_computes(endpoint, loaded, content_type):
    answer = endpoint.invoke(IMAGES[content_type], content_type)
    assert answer.status == 200
    assert_scores(answer.document["predictions"], expected(loaded, IMAGES[content_type]))
    (prediction,) = answer.document["predictions"]
    assert prediction["label"] in {"NORMAL", "PNEUMONIA"}
    assert isinstance(prediction["indeterminate"], bool)
    assert "overlay_png" not in prediction
    features = loaded["serving_default"](image_bytes=_strings(IMAGES[content_type]))["projection"].numpy()[0]
    assert prediction["features"] == pytest.approx(features, abs=1e-3)
    assert 1 <= len(prediction["features"]) <= 8
    model = answer.document["model"]
    assert model["package_arn"] == "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3"
    assert (model["threshold"], model["indeterminate"]) == (0.4, {"low": 0.3, "high": 0.6})
    assert (model["image_size"], model["engine"]) == (SIZE, "tensorflow")


def test_several_images_are_answered_in_their_order(endpoint, loaded):
    images = [*IMAGES.values(), drawn(3, 70)]
    body = json.dumps({"instances": [{"b64": base64.b64encode(one).decode()} for one in images]}).encode()
    for content_type in ("application/json", "application/json; charset=utf-8", None):
        answer = endpoint.invoke(body, content_type)
        assert answer.status == 200
        assert_scores(answer.document["predictions"], expected(loaded, *images))


def test_an_overlay_comes_with_the_same_scores(endpoint, loaded):
    from model_code.network.saliency_overlay import OVERLAY_EDGE

    answer = endpoint.invoke(IMAGES["image/jpeg"], "image/jpeg", "explain=true")
    assert_scores(answer.document["predictions"], expected(loaded, IMAGES["image/jpeg"]))
    with Image.open(io.BytesIO(base64.b64decode(answer.document["predictions"][0]["overlay_png"]))) as overlay:
        assert (overlay.format, overlay.mode, overlay.size) == ("PNG", "RGBA", (OVERLAY_EDGE, OVERLAY_EDGE))


def test_both_answer_the_same_to_the_last_field(endpoints):
    answers = [
        endpoint.invoke(IMAGES["image/png"], "image/png", "explain=true").document for endpoint in endpoints.values()
    ]
    for answer in answers:
        for prediction in answer["predictions"]:
            # Two versions of one library may round the last digits otherwise.
            prediction.update({name: round(prediction[name], 4) for name in ("logit", "probability")})
            prediction["features"] = [round(value, 2) + 0.0 for value in prediction["features"]]
            prediction["overlay_png"] = base64.b64decode(prediction["overlay_png"])[:8]
            assert prediction["out_of_distribution_score"] == 0, "this model has no out-of-distribution detector"
    assert answers[0] == answers[1]


@pytest.mark.parametrize("content_type", ["application/dicom", "text/csv", "image/gif"])
def test_another_media_type_is_refused_by_code(endpoint, content_type):
    answer = endpoint.invoke(IMAGES["image/png"], content_type)
    assert (answer.status, answer.code) == (500, "unsupported_media_type")
    assert "image/jpeg or image/png" in answer.document["error"]


def kinds() -> dict[str, bytes]:
    """One drawing in every kind of file that a radiograph may come in."""
    grey = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    colour = Image.fromarray(grey).convert("RGB")
    transparent = colour.copy()
    transparent.putalpha(128)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "8-bit grey": saved(Image.fromarray(grey)),
        "16-bit grey": saved(Image.fromarray(grey.astype(np.uint16) * 257)),
        "RGB": saved(colour, "JPEG"),
        "RGBA": saved(transparent),
        "palette": saved(colour.quantize(64)),
        "CMYK": saved(colour.convert("CMYK"), "JPEG"),
        "progressive": saved(colour, "JPEG", progressive=True),
        "EXIF orientation": saved(colour, "JPEG", exif=exif),
        # The end of a JPEG is where it says so: what follows is nobody's business.
        "JPEG with a zip behind it": saved(colour, "JPEG") + b"PK\x03\x04" + bytes(100),
    }


def saved(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_file_is_read(endpoint, loaded, kind):
    encoded = kinds()[kind]
    answer = endpoint.invoke(encoded, "image/jpeg" if encoded.startswith(b"\xff") else "image/png")
    assert answer.status == 200
    assert_scores(answer.document["predictions"], expected(loaded, encoded))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """A whole PNG of 500 million black pixels, half a megabyte of file."""
    packer = zlib.compressobj(9)
    row = bytes(25_001)
    return png(25_000, 20_000, b"".join(packer.compress(row) for _ in range(20_000)) + packer.flush())


JPEG = IMAGES["image/jpeg"]
HOSTILE = {
    "nothing": b"",
    "zero bytes": bytes(4096),
    "text": b"<html><body>radiograph.jpeg</body></html>",
    "truncated JPEG": JPEG[: len(JPEG) // 2],
    "JPEG without its end": JPEG[:-200],
    "truncated PNG": IMAGES["image/png"][:-60],
    "JPEG header alone": JPEG[:20],
    "PNG header alone": png(50, 50)[:33],
    "PNG without pixels": png(50, 50),
    "PNG of no height": png(50, 0),
    "PNG with two headers": IMAGES["image/png"][:33] + png(20_000, 20_000)[8:33] + IMAGES["image/png"][33:],
    "PNG signature before a JPEG": b"\x89PNG\r\n\x1a\n" + JPEG,
    "JPEG signature before a PNG": b"\xff\xd8\xff" + IMAGES["image/png"],
    "GIF": b"GIF89a" + bytes(100),
    "BMP": saved(Image.new("L", (40, 40)), "BMP"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_whole_image_is_refused_with_a_sentence(endpoint, kind):
    answer = endpoint.invoke(HOSTILE[kind], "image/png")
    assert (answer.status, answer.code) == (500, "undecodable_image")
    assert answer.document["error"].endswith(".")
    assert endpoint.invoke(IMAGES["image/png"], "image/png").status == 200


def test_a_header_that_promises_too_much_is_refused_before_anything_is_decoded(endpoint):
    encoded = bomb()
    assert len(encoded) < 1_000_000
    before = endpoint.peak_megabytes()
    answer = endpoint.invoke(encoded, "image/png")
    assert (answer.status, answer.code) == (500, "undecodable_image")
    assert "25000 x 20000 pixels" in answer.document["error"]
    # Decoded it would take 477 MB.
    assert endpoint.peak_megabytes() - before < 50


def test_one_bad_image_among_several_is_named(endpoint):
    images = [IMAGES["image/png"], HOSTILE["GIF"]]
    body = json.dumps({"instances": [{"b64": base64.b64encode(one).decode()} for one in images]}).encode()
    answer = endpoint.invoke(body, "application/json")
    assert (answer.status, answer.code) == (500, "undecodable_image")
    assert "Image 2 " in answer.document["error"]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'{"instances": []}', b'{"instances": [{"b64": 1}]}', b"\xff\xfe"]
)
def test_broken_json_is_refused_with_the_form_it_must_have(endpoint, body):
    answer = endpoint.invoke(body, "application/json")
    assert (answer.status, answer.code) == (500, "undecodable_image")


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ("tfs-model-name=../../x", "invalid tfs-model-name"),
        ("tfs-model-version=1:predict", "invalid tfs-model-version: must be a positive integer"),
        ("tfs-method=a==", "invalid tfs-method: must be one of predict|classify|regress"),
    ],
)
def test_attributes_that_would_lead_elsewhere_are_refused_before_the_handler(endpoint, attributes, says):
    answer = endpoint.invoke(IMAGES["image/png"], "image/png", attributes)
    assert (answer.status, answer.document) == (400, {"error": says})


@pytest.mark.parametrize("attributes", ["tfs-model-version=7", "tfs-model-name=other", "tfs-method=classify"])
def test_a_model_that_is_not_there_is_no_fault_of_the_image(endpoint, attributes):
    """TensorFlow Serving has answers of its own for these, and some of them are 400 as for a damaged image."""
    answer = endpoint.invoke(IMAGES["image/png"], "image/png", attributes)
    assert (answer.status, answer.code) == (500, "inference_failed")


def test_more_images_than_are_answered_together_are_refused(endpoint):
    for count, status in ((MAX_IMAGES, 200), (MAX_IMAGES + 1, 500)):
        body = json.dumps({"instances": [{"b64": base64.b64encode(IMAGES["image/png"]).decode()}] * count}).encode()
        answer = endpoint.invoke(body, "application/json")
        assert answer.status == status
    assert answer.code == "too_many_images"


def test_a_body_of_more_than_is_read_is_refused_and_the_next_one_answered(endpoint):
    for size, status in ((MAX_REQUEST_BYTES, 200), (MAX_REQUEST_BYTES + 1, 500)):
        answer = endpoint.invoke(IMAGES["image/jpeg"].ljust(size, b"\0"), "image/jpeg")
        assert answer.status == status
    assert answer.code == "image_too_large"
    assert endpoint.invoke(IMAGES["image/jpeg"], "image/jpeg").status == 200
