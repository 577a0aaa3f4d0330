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

import pytest

from model_code.serving import inference
from tests.model_code.conftest import drawn

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
        "indeterminate": {"low": 0.3, "high": 0.4},
        "image_size": 32,
        "dataset": {"sha256": "ab" * 32},
    }
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    monkeypatch.setenv("MODEL_PACKAGE_ARN", "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3")
    specification = importlib.util.spec_from_file_location("inference", source)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def context(content_type, custom_attributes=None):
    return SimpleNamespace(
        request_content_type=content_type, accept_header="application/json", custom_attributes=custom_attributes
    )


def answer(status, document):
    return SimpleNamespace(status_code=status, content=json.dumps(document).encode())


def test_imports_nothing_the_serving_image_lacks():
    tree = ast.parse(SOURCE.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    # The engine's modules travel beside it, and are imported where the model has an engine.
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | {"model_code"}


@pytest.mark.parametrize(
    ("content_type", "format_"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("IMAGE/PNG; q=1", "PNG")]
)
def test_an_image_body_becomes_a_predict_request(handlers, content_type, format_):
    image = drawn(1, format_=format_)
    request = json.loads(handlers.input_handler(io.BytesIO(image), context(content_type)))
    assert request["signature_name"] == "serving_default"
    (instance,) = request["instances"]
    assert base64.b64decode(instance["image_bytes"]["b64"]) == image


@pytest.mark.parametrize(
    ("attributes", "signature"),
    [("explain=true", "explain"), ("trace=7, Explain=True", "explain"), ("explain=false", "serving_default")],
)
def test_overlays_are_made_for_who_asks(handlers, attributes, signature):
    request = json.loads(handlers.input_handler(io.BytesIO(drawn(1)), context("image/png", attributes)))
    assert request["signature_name"] == signature


def test_an_overlay_is_passed_on_as_it_came(handlers):
    outputs = {"logit": 3.0, "probability": 0.6, "unfamiliarity": 0.2, "overlay_bytes": {"b64": "iVBORw=="}}
    body, _ = handlers.output_handler(answer(200, {"predictions": [outputs]}), context("image/png", "explain=true"))
    (prediction,) = json.loads(body)["predictions"]
    assert prediction["overlay_png"] == "iVBORw=="


def test_json_may_hold_several_images(handlers):
    images = [drawn(1), drawn(2)]
    body = json.dumps({"instances": [{"b64": base64.b64encode(image).decode()} for image in images]}).encode()
    request = json.loads(handlers.input_handler(io.BytesIO(body), context("application/json")))
    assert [base64.b64decode(one["image_bytes"]["b64"]) for one in request["instances"]] == images


@pytest.mark.parametrize("content_type", ["application/dicom", "text/plain", "", None])
def test_other_media_types_are_refused_by_code(handlers, content_type):
    with pytest.raises(Exception, match=r"^unsupported_media_type: Send the radiograph as image/jpeg or image/png"):
        handlers.input_handler(io.BytesIO(drawn(1)), context(content_type))


def png_of(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


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
    ],
)
def test_what_is_no_image_or_too_large_is_refused_before_the_model(handlers, body, reason):
    with pytest.raises(Exception, match=f"^undecodable_image: The image cannot be read: .*{reason}"):
        handlers.input_handler(io.BytesIO(body), context("image/png"))


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"instances": [{"b64": "?"}]}', b'{"instances": [1]}', b"\xff"])
def test_broken_json_is_refused_with_the_form_it_must_have(handlers, body):
    with pytest.raises(Exception, match=r"^undecodable_image: JSON must have the form"):
        handlers.input_handler(io.BytesIO(body), context("application/json"))


def test_the_answer_carries_label_model_and_threshold(handlers):
    scores = [
        {"logit": -1.0, "probability": 0.39, "unfamiliarity": 0.5},
        {"logit": 3.0, "probability": 0.4, "unfamiliarity": 1.0},
    ]
    body, content_type = handlers.output_handler(answer(200, {"predictions": scores}), context("image/png"))
    assert content_type == "application/json"
    document = json.loads(body)
    assert document["predictions"] == [
        {"probability": 0.39, "logit": -1.0, "unfamiliarity": 0.5, "label": "NORMAL", "indeterminate": True},
        {"probability": 0.4, "logit": 3.0, "unfamiliarity": 1.0, "label": "PNEUMONIA", "indeterminate": False},
    ]
    assert document["model"] == {
        "package_arn": "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3",
        "threshold": 0.4,
        "indeterminate": {"low": 0.3, "high": 0.4},
        "engine": "tensorflow",
        "image_size": 32,
        "dataset_sha256": "ab" * 32,
    }


def test_what_is_unlike_the_training_images_gets_no_probability(handlers):
    strange = {"logit": 3.0, "probability": 0.9, "unfamiliarity": 2.5}
    usual = strange | {"unfamiliarity": 0.4}
    with pytest.raises(Exception, match=r"^not_a_radiograph: The image does not look like .* differs .* 2\.50 times"):
        handlers.output_handler(answer(200, {"predictions": [strange]}), context("image/png"))
    with pytest.raises(Exception, match=r"^not_a_radiograph: Image 2 does not look like "):
        handlers.output_handler(answer(200, {"predictions": [usual, strange, strange]}), context("application/json"))


def test_what_the_graph_cannot_decode_is_the_senders_fault_and_the_rest_is_not(handlers):
    with pytest.raises(Exception, match=r"^undecodable_image: "):
        handlers.output_handler(answer(400, {"error": "Invalid JPEG data"}), context("image/jpeg"))
    with pytest.raises(Exception, match=r"^inference_failed: TensorFlow Serving answered 503"):
        handlers.output_handler(answer(503, {"error": "loading"}), context("image/jpeg"))


def test_dimensions_of_real_files_with_exif(radiographs):
    from PIL import Image

    from model_code.contract.images import image_dimensions

    folder = radiographs / "chest_xray_original"
    for path in sorted(folder.rglob("*.jpeg"))[:30:3]:
        with Image.open(path) as opened:
            assert image_dimensions(path.read_bytes()) == opened.size
