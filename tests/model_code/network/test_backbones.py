"""Every backbone gets the pixels its weights were trained with, and can be trained from any of its stages on."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.contract.backbones import BACKBONES
from model_code.contract.job import JobError
from tests.model_code.conftest import SIZE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global backbones, classifier, efficientnet_v2, keras, mobilenet_v3, resnet
    import keras
    from keras.src.applications import efficientnet_v2, mobilenet_v3, resnet

    from model_code.network import backbones, classifier


@pytest.fixture(scope="module", params=list(BACKBONES))
def built(request):
    return classifier.build(classifier.Options(image_size=SIZE, backbone=request.param, backbone_weights="none"))


def scaled_by_keras(name, colour):
    """RGB values in 0..255 as Keras' own network of that name scales them."""
    module = {"ResNet50V2": keras.applications.resnet_v2, "MobileNetV2": keras.applications.mobilenet_v2}.get(name)
    if module:
        return module.preprocess_input(colour.copy())
    whole = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=colour.shape[1:])
    first = next(layer for layer in whole.layers if isinstance(layer, keras.layers.Conv2D))
    return keras.Model(whole.input, first.input)(colour)


def test_scaling_is_the_backbones_own(built):
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 1)).astype("float32")
    scaled = keras.Model(built.network.input, built.network.get_layer("scaling").output)(pixels)
    np.testing.assert_allclose(
        scaled, scaled_by_keras(built.backbone.name, np.repeat(pixels, 3, axis=3)), rtol=1e-5, atol=1e-5
    )


def test_scaling_is_applied_once(built):
    layers = [*built.network.layers, *built.network.get_layer("backbone").layers]
    scaling = [layer for layer in layers if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)]
    assert [layer.name for layer in scaling] == ["scaling"]
    stored = keras.layers.Rescaling.from_config(scaling[0].get_config())
    assert (stored.scale, stored.offset) == (list(built.backbone.scaling.scale), list(built.backbone.scaling.offset))


def test_a_stage_begins_where_all_paths_meet(built):
    backbone = built.network.get_layer("backbone")
    names = [layer.name for layer in backbone.layers]
    positions = [names.index(stage) for stage in built.backbone.stages]
    assert positions == sorted(positions)
    assert positions[0] == 1
    for stage in built.backbone.stages:
        keras.Model(backbone.get_layer(stage).input, backbone.output)  # refuses a path around the stage's first layer


def test_stages_are_those_of_the_coarsest_maps(built):
    """The resolution falls in the first block of a stage, or (ResNet50V2) in the last block before it."""
    backbone = built.network.get_layer("backbone")
    last, before = (
        backbone.get_layer(built.backbone.first_layer(word)).input.shape[1]
        for word in ("last-stage", "last-two-stages")
    )
    assert last in (backbone.output.shape[1], 2 * backbone.output.shape[1])
    assert before == 2 * last


def test_points_halve_the_edge_one_by_one(built):
    """At every size one of them has the twelve places that a saliency map needs, and few more."""
    backbone = built.network.get_layer("backbone")
    edges = [backbone.get_layer(name).output.shape[1] for name in built.backbone.points]
    assert edges == [SIZE // 2, SIZE // 4, SIZE // 8, SIZE // 16]


def test_a_classifier_is_its_features_and_its_head(built):
    pixels = np.random.default_rng(2).uniform(0, 255, (2, SIZE, SIZE, 1)).astype("float32")
    pooled = built.features(pixels, training=False)
    assert pooled.dtype == "float32"
    np.testing.assert_array_equal(built.head(pooled, training=False), built.trainee(pixels, training=False))


def test_checksums_are_those_that_keras_checks():
    assert BACKBONES["ResNet50V2"].md5 == resnet.WEIGHTS_HASHES["resnet50v2"][1]
    assert BACKBONES["EfficientNetV2B0"].md5 == efficientnet_v2.WEIGHTS_HASHES["b0"][1]
    assert BACKBONES["MobileNetV3Small"].md5 == mobilenet_v3.WEIGHTS_HASHES["small_224_1.0_float"][1]
    assert BACKBONES["MobileNetV3Large"].md5 == mobilenet_v3.WEIGHTS_HASHES["large_224_1.0_float"][1]


@pytest.mark.parametrize("name", BACKBONES)
def test_imagenet_weights_are_the_file_that_is_named(name, monkeypatch):
    """Whatever Keras asks its downloader for is the file and the checksum written down here."""
    backbone = backbones.named(name)
    asked = []

    def get_file(name, origin, **options):
        asked.append((name, options.get("file_hash")))
        raise OSError("no network in this test")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(OSError, match="no network"):
        backbone.build(224, "imagenet")
    assert asked == [(backbone.weights_file, backbone.md5)]


def test_an_unknown_backbone_is_refused_with_the_choices():
    with pytest.raises(JobError, match=r"one of ResNet50V2, EfficientNetV2B0, .*MobileNetV3Large, not 'VGG16'"):
        backbones.named("VGG16")
