"""Weights to begin from are the ones that were meant, or the job ends with a sentence that says what to do."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError

from model_code.contract.job import JobError
from tests.model_code.conftest import SIZE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global backbones, h5py, keras, legacy_h5_format, model, OPTIONS, pretrained_weights, SMALL
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    from model_code.network import backbones, pretrained_weights
    from model_code.network import classifier as model

    SMALL = backbones.named("MobileNetV3Small")
    OPTIONS = model.Options(image_size=SIZE, backbone="MobileNetV3Small", backbone_weights="none")


@pytest.fixture(scope="module")
def source():
    """A backbone with weights of its own."""
    return SMALL.build(SIZE)


@pytest.fixture(scope="module")
def published(source, tmp_path_factory):
    """Its weights in a file of the format and name that Keras publishes."""
    path = tmp_path_factory.mktemp("published") / SMALL.weights_file
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, source)
    return path


@pytest.fixture
def channel(job_directory):
    directory = job_directory / "input" / "data" / "weights"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def checked(published):
    """The backbone as it would be had Keras published this file."""
    return dataclasses.replace(SMALL, md5=hashlib.md5(published.read_bytes()).hexdigest())  # noqa: S324


def assert_same(model_, source):
    for ours, theirs in zip(model_.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_weights_file_as_keras_publishes_it_is_loaded_and_the_backbone_frozen(published, source):
    built = model.build(dataclasses.replace(OPTIONS, backbone_weights=str(published)))
    assert built.pretrained
    assert_same(built.network.get_layer("backbone"), source)
    assert not built.network.get_layer("backbone").trainable_weights


def test_a_weights_file_as_keras_saves_it_is_loaded(source, tmp_path):
    source.save_weights(tmp_path / "notop.weights.h5")
    assert_same(pretrained_weights.pretrained_backbone(SMALL, SIZE, str(tmp_path / "notop.weights.h5")), source)


def test_imagenet_comes_from_the_channel_where_there_is_one(channel, published, checked, source, monkeypatch):
    monkeypatch.setattr(pretrained_weights, "_downloaded_by_keras", None)
    shutil.copy(published, channel)
    assert_same(pretrained_weights.pretrained_backbone(checked, SIZE, "imagenet"), source)


def test_a_channel_with_other_weights_is_refused_with_both_checksums(channel, published, checked):
    (channel / "other.h5").write_bytes(published.read_bytes() + b"0")
    other = hashlib.md5(published.read_bytes() + b"0").hexdigest()  # noqa: S324
    with pytest.raises(JobError, match=rf"other\.h5 of the training channel 'weights'.*{other} and not {checked.md5}"):
        pretrained_weights.pretrained_backbone(checked, SIZE, "imagenet")


def test_a_channel_without_weights_leaves_the_download_to_keras(channel, monkeypatch):
    """The pipeline's default: the channel cannot be left out, and holds some other object."""
    (channel / "source.gz").write_bytes(b"no weights")
    monkeypatch.setattr(pretrained_weights, "_downloaded_by_keras", lambda backbone, size: (backbone, size))
    assert pretrained_weights.pretrained_backbone(SMALL, SIZE, "imagenet") == (SMALL, SIZE)


def test_a_channel_with_two_weights_files_is_refused(channel, published):
    for name in ("a.h5", "b.h5"):
        shutil.copy(published, channel / name)
    with pytest.raises(JobError, match=r"Expected one file \*\.h5 in .*weights, found \['a\.h5', 'b\.h5'\]"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, "imagenet")


def test_weights_without_a_published_checksum_are_used_and_that_is_said(channel, published, source, capsys):
    shutil.copy(published, channel)
    assert_same(pretrained_weights.pretrained_backbone(dataclasses.replace(SMALL, md5=None), SIZE, "imagenet"), source)
    assert f"{SMALL.weights_file} is used unchecked" in capsys.readouterr().out


def test_a_sha256_beside_the_location_is_checked(published, source):
    sha256 = hashlib.sha256(published.read_bytes()).hexdigest()
    assert_same(pretrained_weights.pretrained_backbone(SMALL, SIZE, f"{published}#sha256={sha256.upper()}"), source)
    with pytest.raises(JobError, match=f"sha256 checksum {sha256} and not {'0' * 64}: it is another file"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, f"{published}#sha256={'0' * 64}")
    with pytest.raises(JobError, match="64 hexadecimal digits after #sha256=, not 'abc'"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, f"{published}#sha256=abc")


def test_weights_that_do_not_fit_are_refused(tmp_path, published):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(path)
    with pytest.raises(JobError, match="do not fit MobileNetV3Small without top"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, str(path))
    with pytest.raises(JobError, match="do not fit MobileNetV2 without top"):
        pretrained_weights.pretrained_backbone(backbones.named("MobileNetV2"), SIZE, str(published))


def test_unknown_weights_are_refused_with_the_choices():
    with pytest.raises(JobError, match=r"imagenet, none, an s3:// URI or an existing file, not 'resnet'"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, "resnet")


def test_unreachable_imagenet_weights_name_the_alternatives(monkeypatch):
    def unreachable(**_):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(keras.applications, "MobileNetV3Small", unreachable)
    with pytest.raises(JobError, match=r"Network is unreachable.*its s3:// URI.*channel 'weights'.*to none"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, "imagenet")


class Bucket:
    """Stands in for S3: one object, which is a file here."""

    def __init__(self, bucket, key, path):
        self.address, self.path = (bucket, key), path

    def download_file(self, bucket, key, target):
        if (bucket, key) != self.address:
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")
        shutil.copy(self.path, target)


def test_weights_on_s3_are_downloaded_and_a_refusal_is_a_sentence(monkeypatch, published, source):
    monkeypatch.setattr(boto3, "client", lambda service: Bucket("weights", "a/notop.h5", published))
    sha256 = hashlib.sha256(published.read_bytes()).hexdigest()
    assert_same(pretrained_weights.pretrained_backbone(SMALL, SIZE, f"s3://weights/a/notop.h5#sha256={sha256}"), source)
    with pytest.raises(JobError, match=r"s3://weights/b\.h5 could not be downloaded: .*Forbidden"):
        pretrained_weights.pretrained_backbone(SMALL, SIZE, "s3://weights/b.h5")
