"""A warm start takes the weights of the model that was meant, or the job ends with a sentence that says what to do."""

from __future__ import annotations

import dataclasses
import shutil
import tarfile

import pytest
from botocore.exceptions import ClientError

from model_code.contract.job import JobError
from model_code.statistics.calibration import Calibration
from model_code.statistics.indeterminate import Band
from tests.model_code.conftest import SIZE
from tests.model_code.network.test_pretrained_weights import Bucket, assert_same
from tests.model_code.support.evaluated import made_guarantee


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global model, OPTIONS, saved_model, warm_start
    from model_code.export import saved_model
    from model_code.network import classifier as model
    from model_code.training import warm_start

    OPTIONS = model.Options(image_size=SIZE, backbone="MobileNetV3Small", backbone_weights="none")


ARN = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/chest-xray/3"


@pytest.fixture(scope="module")
def trained(dataset_card, tmp_path_factory):
    """A small classifier and its model directory."""
    classifier = model.build(OPTIONS)
    directory = tmp_path_factory.mktemp("trained")
    saved_model.save_servable(saved_model.Scorer(classifier, SIZE), directory)
    saved_model.save_metadata(
        directory,
        card=dataset_card,
        threshold=0.5,
        calibration=Calibration(1.0),
        band=Band(0.4, 0.6, made_guarantee()),
        saliency={"method": "Grad-CAM", "cells": 1},
        detector={"active": False},
        backbone="MobileNetV3Small",
        backbone_weights="none",
        training={},
    )
    return classifier, directory


class Registry:
    """Stands in for SageMaker: one model package."""

    def __init__(self, status):
        self.status = status

    def describe_model_package(self, *, ModelPackageName):  # noqa: N803 - boto3's name
        if ModelPackageName != ARN:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "does not exist"}}, "Describe")
        container = {"ModelDataUrl": "s3://models/run/output/model.tar.gz"}
        return {"ModelApprovalStatus": self.status, "InferenceSpecification": {"Containers": [container]}}


@pytest.fixture
def packaged(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("bucket") / "model.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as packed:
        for member in sorted(trained[1].iterdir()):
            packed.add(member, member.name)
    return Bucket("models", "run/output/model.tar.gz", path)


def test_an_approved_package_is_started_from(trained, packaged):
    classifier, _ = trained
    initial = warm_start.warm_start(ARN, OPTIONS, sagemaker=Registry("Approved"), s3=packaged)
    built = model.build(OPTIONS, initial=initial)
    assert built.pretrained
    assert_same(built.network, classifier.network)


class Folder:
    """Stands in for S3: the objects of one folder, which are files here."""

    def __init__(self, directory):
        self.directory = directory

    def download_file(self, bucket, key, target):
        assert (bucket, key.rpartition("/")[0]) == ("models", "run/output")
        shutil.copy(self.directory / key.rpartition("/")[2], target)


def test_a_package_with_an_engine_is_started_from_by_the_weights_as_they_were_trained(trained, tmp_path):
    """In model.tar.gz they are rounded; the training job left model.keras in the archive beside it."""
    classifier, directory = trained
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "body.tflite").write_bytes(b"rounded")
    classifier.network.save(tmp_path / "model.keras")
    shutil.copy(directory / "metadata.json", tmp_path)
    for name, members in (("model", ("engine", "metadata.json")), ("output", ("model.keras",))):
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz", compresslevel=1) as packed:
            for member in members:
                packed.add(tmp_path / member, member)
    initial = warm_start.warm_start(ARN, OPTIONS, sagemaker=Registry("Approved"), s3=Folder(tmp_path))
    assert_same(model.build(OPTIONS, initial=initial).network, classifier.network)


def test_a_package_brings_its_metadata(trained, packaged, tmp_path):
    package = warm_start.load_package(ARN, tmp_path, sagemaker=Registry("Approved"), s3=packaged)
    assert (package.metadata["backbone"], package.metadata["image_size"]) == ("MobileNetV3Small", SIZE)


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_package_that_is_not_approved_is_refused(status):
    with pytest.raises(JobError, match=f"needs an approved model package; {ARN} is {status}"):
        warm_start.warm_start(ARN, OPTIONS, sagemaker=Registry(status), s3=None)


def test_another_backbone_or_size_is_refused_and_both_are_named(trained):
    directory = str(trained[1])
    for changes in ({"backbone": "ResNet50V2"}, {"image_size": 64}):
        wanted = dataclasses.replace(OPTIONS, **changes)
        with pytest.raises(
            JobError,
            match=rf"is a MobileNetV3Small at {SIZE} px; Backbone {wanted.backbone} at ImageSize {wanted.image_size}",
        ):
            warm_start.warm_start(directory, wanted)


def test_a_package_that_cannot_be_had_is_a_sentence(tmp_path, packaged):
    registry = Registry("Approved")
    with pytest.raises(JobError, match=r"could not be described: .*does not exist"):
        warm_start.load_package(ARN + "1", tmp_path, sagemaker=registry, s3=packaged)
    packaged.path.write_bytes(b"not a tar archive")
    with pytest.raises(JobError, match="cannot be unpacked"):
        warm_start.load_package(ARN, tmp_path, sagemaker=registry, s3=packaged)
    with pytest.raises(JobError, match=r"model s3://models/run/output/model\.tar\.gz could not be downloaded"):
        warm_start.load_package(ARN, tmp_path, sagemaker=registry, s3=Bucket("models", "elsewhere", packaged.path))
    with pytest.raises(JobError, match="must be none, the ARN of an approved model package or a model directory"):
        warm_start.load_package("latest", tmp_path)


def test_a_directory_that_holds_no_model_is_refused(tmp_path):
    with pytest.raises(JobError, match="is not a model of this project"):
        warm_start.load_package(str(tmp_path), tmp_path)
    (tmp_path / "metadata.json").write_text("{}")
    with pytest.raises(JobError, match="is not a model of this project"):
        warm_start.load_package(str(tmp_path), tmp_path)
