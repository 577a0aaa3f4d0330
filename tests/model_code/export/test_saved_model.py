"""The served model is the trained one: the same image gives the same logit by every way."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.model_code.conftest import SIZE, drawn, settle


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global keras, model, OPACITY, OVERLAY_EDGE, pixels_from_bytes, saved_model, saved_model_pb2, tf
    import keras
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    from model_code.export import saved_model
    from model_code.imaging.decoding import pixels_from_bytes
    from model_code.network import classifier as model
    from model_code.network.saliency_overlay import OPACITY, OVERLAY_EDGE


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
    explained = dict(loaded.signatures["explain_pixels"](pixels=tf.constant(pixels)))
    assert explained.pop("saliency").shape == (3, SIZE, SIZE)
    for outputs in (served, scored, explained):
        assert set(outputs) == {"logit", "out_of_distribution_score", "projection"}, (
            "no probability: that is metadata.json's"
        )
        np.testing.assert_allclose(outputs["projection"], served["projection"], atol=1e-4)
        np.testing.assert_allclose(outputs["logit"], trained, atol=1e-5)


def test_every_signature_of_encoded_images_gives_the_same_scores(loaded):
    encoded = tf.constant([drawn(1, 90, "JPEG"), drawn(2, 50)])
    scored = loaded.signatures["serving_default"](image_bytes=encoded)
    for name in ("explain", "features"):
        outputs = loaded.signatures[name](image_bytes=encoded)
        for output in ("logit", "projection"):
            np.testing.assert_allclose(outputs[output], scored[output], atol=1e-5)


def test_features_are_what_the_head_is_given(loaded, classifier):
    encoded = drawn(1, 90, "JPEG")
    pixels = pixels_from_bytes(encoded, SIZE).numpy()[np.newaxis].astype("float32")
    network = classifier.network
    pooled = keras.Model(network.input, network.get_layer("pooling").output)(pixels, training=False)
    found = loaded.signatures["features"](image_bytes=tf.constant([encoded]))["features"]
    np.testing.assert_allclose(found, pooled, atol=1e-4)


def test_an_overlay_shows_the_map_in_colour_and_hides_nothing_where_the_map_is_zero(loaded):
    images = [drawn(1, 90, "JPEG"), drawn(2, 50)]
    overlays = loaded.signatures["explain"](image_bytes=tf.constant(images))["overlay_bytes"].numpy()
    pixels = tf.stack([pixels_from_bytes(image, SIZE) for image in images])
    maps = loaded.signatures["explain_pixels"](pixels=pixels)["saliency"].numpy()
    assert maps.max(axis=(1, 2)) == pytest.approx(1.0)
    for saliency, encoded in zip(maps, overlays, strict=True):
        with Image.open(io.BytesIO(encoded)) as opened:
            assert (opened.format, opened.mode, opened.size) == ("PNG", "RGBA", (OVERLAY_EDGE, OVERLAY_EDGE))
            alpha = np.asarray(opened)[..., 3] / 255
        assert alpha.max() == pytest.approx(OPACITY, abs=0.005)
        # The two are the same cells, drawn at the size of the image and of the overlay.
        shrunk = tf.image.resize(alpha[..., np.newaxis], (SIZE, SIZE))[..., 0]
        assert np.corrcoef(np.ravel(shrunk), np.ravel(saliency))[0, 1] > 0.95
        assert np.mean(alpha == 0) == pytest.approx(np.mean(saliency == 0), abs=0.1)


def test_signatures_take_batches_and_the_names_serving_needs(loaded):
    for name in ("serving_default", "explain", "features"):
        specification = loaded.signatures[name].structured_input_signature[1]["image_bytes"]
        assert (specification.dtype, specification.shape.as_list()) == (tf.string, [None])
    for name in ("score_pixels", "explain_pixels"):
        specification = loaded.signatures[name].structured_input_signature[1]["pixels"]
        assert (specification.dtype, specification.shape.as_list()) == (tf.uint8, [None, SIZE, SIZE, 1])


def test_the_network_is_in_the_file_once(exported):
    """Each signature calls the one function that was traced: copies could differ, and would take longer to load."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((exported / "1" / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    nodes = [node for function in functions for node in function.node_def]
    assert sum(node.op == "Conv2D" and "conv1_conv" in node.name for node in nodes) == 1


def by_gradient(classifier, pixels, size):
    """Grad-CAM as its authors write it, from the gradient of the logit."""
    network = classifier.network
    maps = keras.Model(network.input, network.get_layer("pooling").input)(pixels, training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        # Each image's logit depends on its own maps alone, so the gradient of the sum has the gradient of each.
        total = tf.reduce_sum(classifier.head(network.get_layer("pooling")(maps), training=False))
    weights = tf.reduce_mean(tape.gradient(total, maps), axis=(1, 2), keepdims=True)
    coarse = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True))
    fine = tf.image.resize(coarse, (size, size), method="bilinear")[..., 0].numpy()
    peaks = fine.max(axis=(1, 2), keepdims=True)
    return fine / np.where(peaks > 0, peaks, 1)


@pytest.mark.parametrize("backbone", ["MobileNetV2", "MobileNetV3Small"])
def test_an_exported_model_explains_itself_as_the_gradient_does(backbone, tmp_path):
    size = 64
    classifier = model.build(model.Options(image_size=size, backbone=backbone, backbone_weights="none"))
    pixels = np.random.default_rng(6).integers(0, 256, (8, size, size, 1), dtype=np.uint8)
    settle(classifier.network, pixels.astype("float32"))
    saved_model.save_servable(saved_model.Scorer(classifier, size), tmp_path)
    found = tf.saved_model.load(str(tmp_path / "1")).signatures["explain_pixels"](pixels=tf.constant(pixels))
    np.testing.assert_allclose(
        found["logit"], classifier.network(pixels.astype("float32"), training=False)[:, 0], atol=1e-4
    )
    saliency = found["saliency"].numpy()
    assert (saliency.max(axis=(1, 2)) > 0).sum() >= 2
    np.testing.assert_allclose(saliency, by_gradient(classifier, pixels.astype("float32"), size), atol=1e-3)


def test_an_undecodable_image_is_an_error_of_the_graph(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["serving_default"](image_bytes=tf.constant([drawn(1, 90, "JPEG")[:300]]))


def test_the_model_directory_is_laid_out_for_tensorflow_serving(exported):
    assert sorted(path.name for path in exported.iterdir()) == ["1", "code", "metadata.json"]
    assert (exported / "1" / "saved_model.pb").is_file()
    assert "def handler" in (exported / "code" / "inference.py").read_text()


def test_metadata_holds_what_serving_and_people_ask_for(exported, dataset_card):
    metadata = json.loads((exported / "metadata.json").read_text())
    assert metadata["labels"] == ["NORMAL", "PNEUMONIA"]
    assert (metadata["image_size"], metadata["threshold"]) == (SIZE, 0.4)
    assert (metadata["temperature"], metadata["bias"], metadata["calibrated_from"]) == (2.0, 0.0, None)
    assert metadata["indeterminate"] == {"low": 0.3, "high": 0.6}
    assert (metadata["backbone"], metadata["backbone_weights"]) == ("ResNet50V2", "none")
    assert metadata["dataset"]["sha256"] == dataset_card["sha256"]
    assert metadata["source_revision"] == "unknown"
    assert metadata["versions"]["tensorflow"] == tf.__version__
