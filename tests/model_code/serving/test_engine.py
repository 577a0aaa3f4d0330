"""A model with the engine LiteRT answers as the same model does through TensorFlow Serving, in both endpoints."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_code.contract.served_files import digest_of_directory
from tests.model_code.conftest import SIZE, drawn
from tests.model_code.serving.test_container_contract import (
    HOSTILE,
    IMAGES,
    ROOT,
    Endpoint,
    bomb,
    container,
    expected,
    kinds,
    laptop,
)
from tests.model_code.support.evaluated import made_guarantee


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global OVERLAY_EDGE, tf
    import tensorflow as tf

    from model_code.network.saliency_overlay import OVERLAY_EDGE


pytestmark = pytest.mark.long

# What the gate accepts of a probability.
NEAR = 0.02


@pytest.fixture(scope="module")
def endpoints(engine_exported: Path) -> Iterator[dict[str, Endpoint]]:
    with laptop(engine_exported) as ours, container(engine_exported) as theirs:
        yield {"laptop": ours, "container": theirs}


@pytest.fixture(params=["laptop", "container"])
def endpoint(request: pytest.FixtureRequest, endpoints: dict[str, Endpoint]) -> Endpoint:
    return endpoints[request.param]


@pytest.fixture(scope="module")
def loaded(exported: Path) -> Any:
    """The SavedModel of the same network."""
    return tf.saved_model.load(str(exported / "1")).signatures


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_file_gets_the_probability_that_tensorflow_computes(endpoint, loaded, kind):
    encoded = kinds()[kind]
    answer = endpoint.invoke(encoded, "image/jpeg" if encoded.startswith(b"\xff") else "image/png")
    assert answer.status == 200
    (prediction,) = answer.document["predictions"]
    (score,) = expected(loaded, encoded)
    assert prediction["probability"] == pytest.approx(score["probability"], abs=NEAR)
    assert prediction["logit"] == pytest.approx(score["logit"], abs=0.15)
    wanted = loaded["serving_default"](image_bytes=tf.constant([encoded]))["projection"].numpy()[0]
    # In standard deviations of a network with random weights among noise, where all images look alike.
    assert prediction["features"] == pytest.approx(wanted, abs=0.5)
    assert np.corrcoef(prediction["features"], wanted)[0, 1] > 0.99


def test_the_answer_has_the_fields_of_every_other_model_and_names_its_engine(endpoint, engine_exported):
    answer = endpoint.invoke(IMAGES["image/jpeg"], "image/jpeg").document
    assert set(answer) == {"schema", "predictions", "model"}
    (prediction,) = answer["predictions"]
    assert set(prediction) == {
        "probability",
        "logit",
        "out_of_distribution_score",
        "features",
        "label",
        "indeterminate",
    }
    assert answer["model"] == {
        "package_arn": "arn:aws:sagemaker:eu-west-1:1:model-package/cxr-dev/3",
        "threshold": 0.4,
        "indeterminate": {"low": 0.3, "high": 0.6},
        "guarantee": made_guarantee(),
        "population": None,
        "engine": "litert",
        "image_size": SIZE,
        "dataset_sha256": "ab" * 32,
        "served_sha256": digest_of_directory(engine_exported),
    }


def test_an_overlay_is_the_one_that_the_graph_draws(endpoint, loaded):
    encoded = IMAGES["image/jpeg"]
    answer = endpoint.invoke(encoded, "image/jpeg", "explain=true")
    theirs = loaded["explain"](image_bytes=tf.constant([encoded]))["overlay_bytes"].numpy()[0]
    pictures = []
    for file in (base64.b64decode(answer.document["predictions"][0]["overlay_png"]), theirs):
        with Image.open(io.BytesIO(file)) as overlay:
            assert (overlay.format, overlay.mode, overlay.size) == ("PNG", "RGBA", (OVERLAY_EDGE, OVERLAY_EDGE))
            pictures.append(np.asarray(overlay).astype(float))
    # The map has a maximum of 1, and the opacity there is 153.
    assert np.abs(pictures[0] - pictures[1])[..., 3].mean() < 8


def test_several_images_are_answered_in_their_order(endpoint, loaded):
    images = [*IMAGES.values(), drawn(3, 70)]
    body = json.dumps({"instances": [{"b64": base64.b64encode(one).decode()} for one in images]}).encode()
    predictions = endpoint.invoke(body, "application/json").document["predictions"]
    wanted = [score["probability"] for score in expected(loaded, *images)]
    assert [one["probability"] for one in predictions] == pytest.approx(wanted, abs=NEAR)


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_whole_image_is_refused_with_the_same_code(endpoint, kind):
    answer = endpoint.invoke(HOSTILE[kind], "image/png")
    assert (answer.status, answer.code) == (500, "undecodable_image")
    assert answer.document["error"].startswith("undecodable_image: The image ")
    assert answer.document["error"].endswith(".")
    assert endpoint.invoke(IMAGES["image/png"], "image/png").status == 200


def test_a_header_that_promises_too_much_is_refused_before_anything_is_decoded(endpoint):
    before = endpoint.peak_megabytes()
    answer = endpoint.invoke(bomb(), "image/png")
    assert (answer.status, answer.code) == (500, "undecodable_image")
    assert endpoint.peak_megabytes() - before < 50


def test_one_damaged_image_among_several_is_named(endpoint):
    images = [IMAGES["image/png"], HOSTILE["truncated JPEG"]]
    body = json.dumps({"instances": [{"b64": base64.b64encode(one).decode()} for one in images]}).encode()
    answer = endpoint.invoke(body, "application/json")
    assert answer.document["error"].startswith("undecodable_image: Image 2 begins as a JPEG or PNG")


@pytest.mark.parametrize("content_type", ["application/dicom", "text/csv"])
def test_another_media_type_is_refused_by_code(endpoint, content_type):
    answer = endpoint.invoke(IMAGES["image/png"], content_type)
    assert (answer.status, answer.code) == (500, "unsupported_media_type")


ALONE = """
import builtins, io, os, sys, types
sys.path[:0] = [{code!r}]
sys.path[:] = [path for path in sys.path if path != {root!r}]
sys.path.insert(2, {root!r})
import importlib.util
specification = importlib.util.spec_from_file_location("inference", {script!r})
inference = importlib.util.module_from_spec(specification)
specification.loader.exec_module(inference)
context = types.SimpleNamespace(request_content_type="image/png", custom_attributes="explain=true")
for _ in range(2):
    child = os.fork()
    if not child:
        answer, _ = inference.handler(io.BytesIO(open({image!r}, "rb").read()), context)
        os._exit(0 if "overlay_png" in answer and "tensorflow" not in sys.modules else 3)
    sys.exit(3) if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) else None
"""


def test_processes_forked_after_the_import_answer_and_none_needs_tensorflow(engine_exported, tmp_path):
    """The container imports the handlers and then forks its workers, in which no thread of an engine would be left."""
    code = engine_exported / "code"
    image = tmp_path / "image.png"
    image.write_bytes(IMAGES["image/png"])
    program = ALONE.format(code=str(code), root=str(ROOT), script=str(code / "inference.py"), image=str(image))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_an_engine_that_fails_is_said_without_the_files_content(engine_exported, tmp_path):
    """The container answers 500 with the text, so that the text must not have anything of an image."""
    broken = tmp_path / "model"
    shutil.copytree(engine_exported, broken)
    (broken / "engine" / "head.tflite").write_bytes(b"not a model")
    with laptop(broken) as endpoint:
        answer = endpoint.invoke(IMAGES["image/png"], "image/png")
    assert answer.document["error"] == "inference_failed: The engine failed with ValueError."
