"""The reference head on ResNet50V2, with the backbone's own scaling inside."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from model_code import model
from model_code.job import JobError
from tests.model_code.conftest import SIZE


def test_the_head_is_the_references(classifier):
    names = [layer.name for layer in classifier.network.layers]
    assert names[-5:] == ["resnet50v2", "pooling", "hidden", "dropout", "logit"]
    hidden, dropout, logit = (classifier.network.get_layer(name) for name in ("hidden", "dropout", "logit"))
    assert (hidden.units, hidden.activation.__name__, dropout.rate, logit.units) == (128, "relu", 0.5, 1)


def test_scaling_is_the_backbones_own(classifier):
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 1)).astype("float32")
    expected = keras.applications.resnet_v2.preprocess_input(np.repeat(pixels, 3, axis=3).copy())
    network = classifier.network
    scaled = keras.Model(network.input, network.get_layer("three_channels").output)(pixels)
    np.testing.assert_allclose(scaled, expected, atol=1e-6)


def test_from_scratch_everything_trains_and_averages_follow_quickly(classifier):
    assert not classifier.pretrained
    backbone = classifier.network.get_layer("resnet50v2")
    assert backbone.trainable
    normalisations = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in normalisations} == {model.FROM_SCRATCH_MOMENTUM}


def test_pretrained_weights_come_from_a_file_freeze_the_backbone_and_train_in_mixed_precision(classifier, tmp_path):
    path = tmp_path / "notop.weights.h5"
    source = classifier.network.get_layer("resnet50v2")
    source.save_weights(path)
    built = model.build(SIZE, str(path), "mixed_bfloat16")
    assert built.pretrained
    assert keras.config.dtype_policy().name == "float32"
    for network in (built.network, built.trainee):
        backbone = network.get_layer("resnet50v2")
        assert not backbone.trainable_weights
        assert len(network.trainable_weights) == 4
        for ours, theirs in zip(backbone.get_weights(), source.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert built.trainee.get_layer("hidden").compute_dtype == "bfloat16"
    assert built.network.get_layer("hidden").compute_dtype == "float32"

    built.trainee.get_layer("logit").bias.assign([3.0])
    built.take_over()
    assert built.network.get_layer("logit").bias.numpy() == [3.0]


def test_weights_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(path)
    with pytest.raises(JobError, match="do not fit ResNet50V2 without top"):
        model.build(SIZE, str(path))


def test_unknown_weights_are_refused_with_the_choices():
    with pytest.raises(JobError, match=r"imagenet, none, an s3:// URI or an existing file, not 'resnet'"):
        model.build(SIZE, "resnet")


def test_unreachable_imagenet_weights_name_the_alternatives(monkeypatch):
    def unreachable(**_):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(keras.applications, "ResNet50V2", unreachable)
    with pytest.raises(JobError, match=r"Network is unreachable.*BackboneWeights to its s3:// URI, or to none"):
        model.build(SIZE, "imagenet")


def test_weights_on_s3_are_downloaded_and_a_refusal_is_a_sentence(monkeypatch, tmp_path):
    import boto3
    from botocore.exceptions import ClientError

    class Client:
        def download_file(self, bucket, key, target):
            assert (bucket, key) == ("weights", "resnet/notop.h5")
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    monkeypatch.setattr(boto3, "client", lambda service: Client())
    with pytest.raises(JobError, match=r"s3://weights/resnet/notop\.h5 could not be downloaded: .*Forbidden"):
        model.build(SIZE, "s3://weights/resnet/notop.h5")


@pytest.mark.parametrize(
    ("flags", "policy"),
    [("fpu sse avx512_bf16 gfni", "mixed_bfloat16"), ("fpu sse avx2", "float32"), ("amx_bf16", "mixed_bfloat16")],
)
def test_bfloat16_is_used_where_the_processor_has_it(tmp_path, flags, policy):
    information = tmp_path / "cpuinfo"
    information.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert model.training_policy(information) == policy
    assert model.training_policy(tmp_path / "absent") == "float32"
