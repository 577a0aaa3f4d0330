"""What is served is what was trained: the same image gives the same logit by every way."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from model_code.image import pixels_from_bytes
from tests.model_code.conftest import SIZE, drawn


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported / "1"))


def test_one_image_scores_the_same_in_training_and_serving(loaded, classifier):
    encoded = [drawn(1, 90, "JPEG"), drawn(2, 50), drawn(3, SIZE)]
    pixels = np.stack([pixels_from_bytes(image, SIZE).numpy() for image in encoded])
    trained = classifier.network(pixels.astype("float32"), training=False).numpy()[:, 0]
    served = loaded.signatures["serving_default"](image_bytes=tf.constant(encoded))
    scored = loaded.signatures["score_pixels"](pixels=tf.constant(pixels))
    assert trained.std() > 0
    for outputs in (served, scored):
        assert set(outputs) == {"logit", "probability"}
        np.testing.assert_allclose(outputs["logit"], trained, atol=1e-5)
        np.testing.assert_allclose(outputs["probability"], 1 / (1 + np.exp(-trained / 2.0)), atol=1e-5)


def test_signatures_take_batches_and_the_names_serving_needs(loaded):
    specification = loaded.signatures["serving_default"].structured_input_signature[1]["image_bytes"]
    assert (specification.dtype, specification.shape.as_list()) == (tf.string, [None])
    specification = loaded.signatures["score_pixels"].structured_input_signature[1]["pixels"]
    assert (specification.dtype, specification.shape.as_list()) == (tf.uint8, [None, SIZE, SIZE, 1])


def test_an_undecodable_image_is_an_error_of_the_graph(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["serving_default"](image_bytes=tf.constant([drawn(1, 90, "JPEG")[:300]]))


def test_the_model_directory_is_laid_out_for_tensorflow_serving(exported):
    assert sorted(path.name for path in exported.iterdir()) == ["1", "code", "metadata.json"]
    assert (exported / "1" / "saved_model.pb").is_file()
    assert "def input_handler" in (exported / "code" / "inference.py").read_text()


def test_metadata_holds_what_serving_and_people_ask_for(exported, dataset_card):
    metadata = json.loads((exported / "metadata.json").read_text())
    assert metadata["labels"] == ["NORMAL", "PNEUMONIA"]
    assert (metadata["image_size"], metadata["threshold"], metadata["temperature"]) == (SIZE, 0.4, 2.0)
    assert (metadata["backbone"], metadata["backbone_weights"]) == ("ResNet50V2", "none")
    assert metadata["dataset"]["sha256"] == dataset_card["sha256"]
    assert metadata["source_revision"] == "unknown"
    assert metadata["versions"]["tensorflow"] == tf.__version__
