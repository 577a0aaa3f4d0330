"""The container's service around the handlers, and what only a model of another kind shows."""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from model_code.contract.images import MAX_REQUEST_BYTES
from tests.model_code.conftest import SIZE
from tests.model_code.serving.test_container_contract import IMAGES, container, laptop, saved


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global batch_from_bytes, save_handlers, tf
    import tensorflow as tf

    from model_code.export.saved_model import save_handlers
    from model_code.imaging.decoding import batch_from_bytes


pytestmark = pytest.mark.serving

OLD_PAIR = """
def input_handler(data, context):
    return '{"instances": [{"image_bytes": {"b64": "AAAA"}}]}'
def output_handler(response, context):
    return "the output handler was asked", "text/plain"
"""


@pytest.mark.parametrize("place", [laptop, container])
def test_between_two_handlers_an_error_of_tensorflow_serving_is_the_answer(place, exported, tmp_path):
    """Therefore inference.py defines `handler`: the pair's second half never hears of a damaged image."""
    model = tmp_path / "model"
    shutil.copytree(exported, model)
    (model / "code" / "inference.py").write_text(OLD_PAIR)
    with place(model) as endpoint:
        answer = endpoint.invoke(b"", "image/png")
    assert (answer.status, answer.document["title"]) == (400, "400")
    assert "JPEG" in answer.document["description"] or "image" in answer.document["description"].lower()


@pytest.fixture(scope="module")
def doubtful(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes every image brighter than the middle grey for something else than a radiograph."""
    directory = tmp_path_factory.mktemp("doubtful") / "model"
    shutil.copytree(exported, directory, ignore=shutil.ignore_patterns("1"))

    def answer(image_bytes: Any) -> dict[str, Any]:
        brightness = tf.reduce_mean(tf.cast(batch_from_bytes(image_bytes, SIZE), tf.float32), axis=(1, 2, 3))
        logit = tf.zeros_like(brightness)
        return {"logit": logit, "out_of_distribution_score": brightness / 128.0}

    module = tf.Module()
    module.answer = tf.function(answer, input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    tf.saved_model.save(module, str(directory / "1"), signatures={"serving_default": module.answer})
    return directory


@pytest.mark.parametrize("place", [laptop, container])
def test_an_image_unlike_the_training_images_is_refused_and_named(place, doubtful):
    dark, bright = (saved(Image.new("L", (40, 40), level)) for level in (64, 192))
    body = json.dumps({"instances": [{"b64": base64.b64encode(one).decode()} for one in (dark, bright)]}).encode()
    with place(doubtful) as endpoint:
        accepted = endpoint.invoke(dark, "image/png")
        assert accepted.status == 200
        assert accepted.document["predictions"][0]["out_of_distribution_score"] == pytest.approx(0.5)
        assert "features" not in accepted.document["predictions"][0], "models of before there was monitoring go on"
        refused = endpoint.invoke(bright, "image/png")
        assert (refused.status, refused.code) == (500, "not_a_radiograph")
        assert "The image does not look like" in refused.document["error"]
        assert "distance from them is 1.50, and up to 1.00 is accepted" in refused.document["error"]
        assert "Image 2 does not look like" in endpoint.invoke(body, "application/json").document["error"]


# Blocks as native code does, which gevent cannot interrupt: until the other end of a named pipe is opened.
SLOW_ENGINE = """
import pathlib
class ImageError(ValueError):
    pass
def own_threads():
    return 1
class Engine:
    def __init__(self, directory, threads):
        self.directory = pathlib.Path(directory)
    def answer(self, encoded, *, overlay):
        (self.directory / "computes").touch()
        (self.directory / "gate").read_bytes()
        return {"logit": 0.0, "out_of_distribution_score": 0.0}
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A model whose engine computes until it is told to stop."""
    save_handlers(tmp_path)
    beside = tmp_path / "code" / "model_code" / "serving"
    beside.mkdir()
    (beside / "__init__.py").touch()
    (beside / "engine.py").write_text(SLOW_ENGINE)
    metadata = {"engine": "slow", "labels": ["NORMAL", "PNEUMONIA"], "threshold": 0.4, "image_size": SIZE}
    metadata |= {
        "temperature": 1.0,
        "bias": 0.0,
        "indeterminate": {"low": 0.3, "high": 0.6},
        "guarantee": None,
        "population": None,
        "dataset": {"sha256": "ab" * 32},
    }
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    os.mkfifo(tmp_path / "gate")
    return tmp_path


def largest_json() -> bytes:
    """One image in a body as long as may be, in JSON that escapes every slash, as PHP's does."""
    length = MAX_REQUEST_BYTES // 4 * 3 * 63 // 64
    image = (IMAGES["image/jpeg"] + bytes(range(256)) * (length // 256))[:length]
    body = json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]}).replace("/", r"\/")
    return body.ljust(MAX_REQUEST_BYTES).encode()


@pytest.mark.parametrize("content_type", ["image/png", "application/json"])
def test_ping_is_answered_while_the_engine_computes(slow, content_type):
    """SageMaker takes an instance out of service whose /ping takes longer than 2 s, however long its answers take."""
    body = IMAGES["image/png"] if content_type == "image/png" else largest_json()
    with container(slow) as endpoint:
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(endpoint.invoke(body, content_type)))
        asking.start()
        try:
            while not (slow / "computes").exists():
                assert asking.is_alive(), answers
            assert requests.get(f"{endpoint.url}/ping", timeout=30).status_code == 200
            assert not answers, "the engine computes still"
        finally:
            (slow / "gate").write_bytes(b"")
            asking.join()
        assert answers[0].status == 200
