"""The served handlers keep to the container's calls and name every refusal by a code."""

from __future__ import annotations

import ast
import base64
import importlib.util
import io
import json
import struct
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model_code.contract import images
from model_code.contract.answer import AnsweredImage, AnsweringModel, member_types, public_members
from model_code.contract.served_files import digest_of_directory
from model_code.serving import inference
from model_code.statistics.calibration import Calibration
from tests.model_code.conftest import drawn
from tests.model_code.support.evaluated import made_guarantee

SOURCE = Path(inference.__file__)


@pytest.fixture
def handlers(tmp_path, monkeypatch):
    """inference.py as the container has it: code/inference.py beside metadata.json, imported by its path."""
    (tmp_path / "code").mkdir()
    source = tmp_path / "code" / "inference.py"
    source.write_bytes(SOURCE.read_bytes())
    metadata = {
        "labels": ["NORMAL", "PNEUMONIA"],
        "threshold": 0.4,
        "temperature": 2.0,
        "bias": -0.5,
        "indeterminate": {"low": 0.3, "high": 0.4},
        "guarantee": made_guarantee(),
        "population": None,
        "image_size": 32,
        "dataset": {"sha256": "ab" * 32},
    }
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    monkeypatch.setenv("MODEL_PACKAGE_ARN", "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3")
    specification = importlib.util.spec_from_file_location("inference", source)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# Nobody listens on port 1.
REST_URI = "http://127.0.0.1:1/v1/models/model:predict"
USUAL = {"logit": 3.0, "out_of_distribution_score": 0.4}


def context(content_type, custom_attributes=None, method=None):
    return SimpleNamespace(
        request_content_type=content_type, custom_attributes=custom_attributes, method=method, rest_uri=REST_URI
    )


def test_imports_nothing_the_serving_image_lacks():
    tree = ast.parse(SOURCE.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    # The engine's modules travel beside it, and are imported where the model has an engine.
    # gevent is the container's own, and imported where it has been already.
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | {"model_code", "gevent"}


@pytest.fixture
def asked(handlers, monkeypatch):
    """Requests that TensorFlow Serving received, the latest last, and the answer that it gives."""
    talk = SimpleNamespace(requests=[], answer=(200, {"predictions": [USUAL]}))

    def post(uri, body):
        talk.requests.append((uri, json.loads(body)))
        status, document = talk.answer
        return status, json.dumps(document).encode()

    monkeypatch.setattr(handlers, "_post", post)
    return talk


@pytest.mark.parametrize(
    ("content_type", "format_"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("IMAGE/PNG; q=1", "PNG")]
)
def test_an_image_body_becomes_a_predict_request(handlers, asked, content_type, format_):
    image = drawn(1, format_=format_)
    handlers.handler(io.BytesIO(image), context(content_type))
    ((uri, request),) = asked.requests
    assert uri == REST_URI
    assert request["signature_name"] == "serving_default"
    (instance,) = request["instances"]
    assert base64.b64decode(instance["image_bytes"]["b64"]) == image


@pytest.mark.parametrize(
    ("attributes", "signature"),
    [("explain=true", "explain"), ("trace=7, Explain=True", "explain"), ("explain=false", "serving_default")],
)
def test_overlays_are_made_for_who_asks(handlers, asked, attributes, signature):
    handlers.handler(io.BytesIO(drawn(1)), context("image/png", attributes))
    assert asked.requests[0][1]["signature_name"] == signature


def test_an_overlay_is_passed_on_as_it_came(handlers, asked):
    outputs = {"logit": 3.0, "out_of_distribution_score": 0.2, "overlay_bytes": {"b64": "iVBORw=="}}
    asked.answer = 200, {"predictions": [{**outputs, "overlay_empty": True}]}
    body, _ = handlers.handler(io.BytesIO(drawn(1)), context("image/png", "explain=true"))
    (prediction,) = json.loads(body)["predictions"]
    assert prediction["overlay_png"] == "iVBORw=="
    assert (prediction["overlay_cells"], prediction["overlay_empty"]) == (1, True), "32 px, one place for 32 of them"


def several(*images):
    return json.dumps({"instances": [{"b64": base64.b64encode(image).decode()} for image in images]}).encode()


def test_json_may_hold_several_images(handlers, asked):
    images = [drawn(1), drawn(2)]
    handlers.handler(io.BytesIO(several(*images)), context("application/json"))
    assert [base64.b64decode(one["image_bytes"]["b64"]) for one in asked.requests[0][1]["instances"]] == images


def test_more_images_than_are_answered_together_are_refused(handlers, asked):
    images = [drawn(1)] * (inference.MAX_IMAGES + 1)
    with pytest.raises(Exception, match=r"^too_many_images: Send up to 16 images at once, not 17\."):
        handlers.handler(io.BytesIO(several(*images)), context("application/json"))
    assert not asked.requests


def test_several_images_together_cost_no_more_than_the_largest_one(handlers, asked):
    half = png_of(4000, images.MAX_PIXELS["PNG"] // 8000)
    handlers.handler(io.BytesIO(several(half, half)), context("application/json"))
    with pytest.raises(Exception, match=r"^too_many_images: Together the 3 images have 1\.5 times as many pixels"):
        handlers.handler(io.BytesIO(several(half, half, half)), context("application/json"))


class Endless(io.RawIOBase):
    """A body that goes on for as long as somebody reads, whatever was said of its length."""

    def __init__(self):
        super().__init__()
        self.taken = 0

    def readable(self):
        return True

    def read(self, size=-1):
        assert size >= 0, "read to its end"
        self.taken += size
        return b"\xff\xd8\xff".ljust(size, b"\0")


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/json"])
def test_a_body_is_read_no_further_than_it_may_be_long(handlers, asked, content_type):
    body = Endless()
    with pytest.raises(
        Exception, match=r"^image_too_large: A request may have 20 MiB: send fewer images at once, or a"
    ):
        handlers.handler(body, context(content_type))
    assert body.taken == images.MAX_REQUEST_BYTES + 1
    assert not asked.requests


def test_a_body_may_be_as_long_as_the_limit(handlers, asked):
    image = drawn(1, format_="JPEG")
    handlers.handler(io.BytesIO(image.ljust(images.MAX_REQUEST_BYTES, b"\0")), context("image/jpeg"))
    assert len(asked.requests) == 1


def unused(*_, **__):
    raise AssertionError("taken apart before it was counted")


@pytest.mark.parametrize("one", [b"1,", b"[", b'{"a":', b"{},"])
def test_json_of_many_values_is_refused_before_it_is_parsed(handlers, monkeypatch, one):
    """`json` takes 1.5 s and gigabytes for a body of small objects, and nothing else runs meanwhile."""
    monkeypatch.setattr(handlers.json, "loads", unused)
    with pytest.raises(
        Exception, match=r"^too_many_images: Send up to 16 images at once: the JSON has more than 1,000"
    ):
        handlers.handler(io.BytesIO(b'{"instances":[' + one * 1_000), context("application/json"))


def test_images_are_counted_before_they_are_decoded(handlers, monkeypatch):
    monkeypatch.setattr(handlers.base64, "b64decode", unused)
    with pytest.raises(Exception, match=r"^too_many_images: Send up to 16 images at once, not 17\."):
        handlers.handler(io.BytesIO(several(*[drawn(1)] * 17)), context("application/json"))


def test_members_that_a_client_adds_are_no_images(handlers, asked):
    one = {"b64": base64.b64encode(drawn(1)).decode(), "name": "a,b", "tags": ["x"] * 20}
    body = json.dumps({"instances": [one] * inference.MAX_IMAGES, "sent": "today"}).replace("/", r"\/")
    handlers.handler(io.BytesIO(body.encode()), context("application/json"))
    assert len(asked.requests[0][1]["instances"]) == inference.MAX_IMAGES


@pytest.mark.parametrize("content_type", ["application/dicom", "text/plain", "", None])
def test_other_media_types_are_refused_by_code(handlers, content_type):
    with pytest.raises(Exception, match=r"^unsupported_media_type: Send the radiograph as image/jpeg or image/png"):
        handlers.handler(io.BytesIO(drawn(1)), context(content_type))


def png_of(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg_of(width, height, components):
    return b"\xff\xd8\xff\xc2" + struct.pack(">HBHHB", 8 + 3 * components, 8, height, width, components)


@pytest.mark.parametrize(("width", "height", "components"), [(7_700, 7_700, 3), (4_000, 4_000, 4)])
def test_what_costs_less_to_decode_may_have_more_pixels(width, height, components):
    images.check_image(jpeg_of(width, height, components) + b"\xff\xda" * 10)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b"GIF89a" + bytes(20), "neither a JPEG nor a PNG"),
        (b"\x89PNG\r\n\x1a\n", "PNG without a header"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG without a frame header"),
        (b"\xff\xd8\xff" + bytes(40), "JPEG without a frame header"),
        (png_of(60_000, 60_000), "60000 x 60000 pixels"),
        (png_of(0, 10), "0 x 10 pixels"),
        (png_of(7_700, 7_700), "7700 x 7700 pixels, where 1 to 24,000,000 in all are accepted of a PNG"),
        (jpeg_of(7_700, 7_700, 4), "7700 x 7700 pixels, where 1 to 16,000,000 in all are accepted of a JPEG of CMYK"),
        (jpeg_of(8_000, 8_000, 1), "8000 x 8000 pixels, where 1 to 60,000,000 in all are accepted of a JPEG"),
        (
            jpeg_of(10, 10, 3) + bytes(9) + b"\xff\xda\0\2" * 25 + bytes(2),
            "a progressive JPEG of 25 scans, where 24 are accepted",
        ),
    ],
)
def test_what_is_no_image_or_too_large_is_refused_before_the_model(handlers, body, reason):
    with pytest.raises(Exception, match=f"^undecodable_image: The image cannot be read: .*{reason}"):
        handlers.handler(io.BytesIO(body), context("image/png"))


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[]", b'{"instances": [{"b64": "?"}]}', b'{"instances": [1]}', b"\xff"),
        *(b'{"instances": "aaaa"}', b'{"instances": {"b64": "aaaa"}}', b"[" * 1_000, b'{"instances": 1' + b"0" * 9_999),
    ],
)
def test_broken_json_is_refused_with_the_form_it_must_have(handlers, body):
    with pytest.raises(Exception, match=r"^undecodable_image: JSON must have the form"):
        handlers.handler(io.BytesIO(body), context("application/json"))


def test_the_answer_carries_label_model_and_threshold(handlers, asked, tmp_path):
    scores = [
        {"logit": 0.0, "out_of_distribution_score": 0.5},
        # What a graph of before calibration was metadata says: of another calibration, maybe.
        {"logit": 3.0, "probability": 0.1, "out_of_distribution_score": 1.0},
    ]
    asked.answer = 200, {"predictions": scores}
    body, content_type = handlers.handler(io.BytesIO(several(drawn(1), drawn(2))), context("application/json"))
    assert content_type == "application/json"
    document = json.loads(body)
    # sigmoid(logit / 2 - 0.5), as in metadata.json
    normal, pneumonia = ({"probability": pytest.approx(value, abs=1e-6)} for value in (0.377541, 0.731059))
    assert document["predictions"] == [
        {**normal, "logit": 0.0, "out_of_distribution_score": 0.5, "label": "NORMAL", "indeterminate": True},
        {**pneumonia, "logit": 3.0, "out_of_distribution_score": 1.0, "label": "PNEUMONIA", "indeterminate": False},
    ]
    assert document["model"] == {
        "package_arn": "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3",
        "threshold": 0.4,
        "indeterminate": {"low": 0.3, "high": 0.4},
        "guarantee": made_guarantee(),
        "population": None,
        "engine": "tensorflow",
        "image_size": 32,
        "dataset_sha256": "ab" * 32,
        "served_sha256": digest_of_directory(tmp_path),
    }
    for one in document["predictions"]:
        assert set(public_members(AnsweredImage, one)) == set(member_types(AnsweredImage))
    assert set(member_types(AnsweringModel)) <= document["model"].keys(), (
        "what may be None for models of before is answered"
    )


def test_what_is_changed_beside_a_running_container_is_not_what_it_loaded(handlers, asked, tmp_path):
    """Also Python's byte-code beside the modules, which appears once they are imported, changes nothing."""
    loaded = digest_of_directory(tmp_path)
    (tmp_path / "metadata.json").write_text("{}")
    body, _ = handlers.handler(io.BytesIO(drawn(1)), context("image/png"))
    assert json.loads(body)["model"]["served_sha256"] == loaded != digest_of_directory(tmp_path)


@pytest.mark.parametrize("logit", [-4000.0, -3.7, 0.0, 0.2, 55.0, 4000.0])
def test_what_serves_calibrates_as_what_evaluates(handlers, asked, logit):
    """The container has no library of numbers, so the formula is there twice."""
    asked.answer = 200, {"predictions": [{"logit": logit, "out_of_distribution_score": 0.0}]}
    body, _ = handlers.handler(io.BytesIO(drawn(1)), context("image/png"))
    (wanted,) = Calibration(2.0, -0.5).probability(np.array([logit]))
    assert json.loads(body)["predictions"][0]["probability"] == pytest.approx(wanted, abs=1e-12)


def test_what_is_unlike_the_training_images_gets_no_probability(handlers, asked):
    strange = USUAL | {"out_of_distribution_score": 2.5}
    asked.answer = 200, {"predictions": [strange]}
    with pytest.raises(
        Exception, match=r"^not_a_radiograph: The image does not look like .* distance from them is 2\.50, "
    ):
        handlers.handler(io.BytesIO(drawn(1)), context("image/png"))
    asked.answer = 200, {"predictions": [USUAL, strange, strange]}
    with pytest.raises(Exception, match=r"^not_a_radiograph: Image 2 does not look like "):
        handlers.handler(io.BytesIO(several(*[drawn(1)] * 3)), context("application/json"))


@pytest.mark.parametrize(
    ("status", "method", "code"),
    [
        (400, None, "undecodable_image: The image begins as a JPEG or PNG but cannot be decoded"),
        (400, "predict", "undecodable_image: "),
        (400, "classify", "inference_failed: TensorFlow Serving answered 400: "),
        (404, None, "inference_failed: TensorFlow Serving answered 404: "),
        (503, None, "inference_failed: TensorFlow Serving answered 503: "),
    ],
)
def test_what_the_graph_cannot_decode_is_the_senders_fault_and_the_rest_is_not(handlers, asked, status, method, code):
    asked.answer = status, {"error": "Invalid JPEG data"}
    with pytest.raises(Exception, match=f"^{code}"):
        handlers.handler(io.BytesIO(drawn(1)), context("image/jpeg", method=method))


def test_one_of_several_that_cannot_be_decoded_is_said_to_be_one_of_them(handlers, asked):
    asked.answer = 400, {"error": "Invalid JPEG data"}
    with pytest.raises(Exception, match=r"^undecodable_image: One of the 2 images begins"):
        handlers.handler(io.BytesIO(several(drawn(1), drawn(2))), context("application/json"))


def test_a_model_that_does_not_answer_is_said_without_an_address(handlers):
    with pytest.raises(Exception, match=r"^inference_failed: TensorFlow Serving gave no answer: \w+\.$"):
        handlers.handler(io.BytesIO(drawn(1)), context("image/png"))


def test_dimensions_of_real_files_with_exif(radiographs):
    from PIL import Image

    from model_code.contract.images import image_dimensions

    folder = radiographs / "chest_xray_original"
    for path in sorted(folder.rglob("*.jpeg"))[:30:3]:
        with Image.open(path) as opened:
            assert image_dimensions(path.read_bytes()) == opened.size
