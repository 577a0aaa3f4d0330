"""Scoring of the exported artifact, image by image in the order of the shards."""

from __future__ import annotations

import json
import tarfile

import numpy as np
import pytest

from model_code.contract.job import JobError
from model_code.data.patient_split import Radiograph


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global ExportedModel, images_at, resize, write_archive, write_shards
    from model_code.data.shards import write_shards
    from model_code.evaluation.scoring import ExportedModel, images_at
    from model_code.imaging.decoding import resize
    from tests.model_code.support.toy_model import write_archive


SIZE = 16


@pytest.fixture(scope="module")
def test_images():
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (9, SIZE, SIZE, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def shards(test_images, tmp_path_factory):
    directory = tmp_path_factory.mktemp("shards")
    radiographs = [
        Radiograph(
            f"test/{number}",
            ("NORMAL", "PNEUMONIA")[number % 2],
            "test",
            f"P{number}",
            ("", "virus")[number % 2],
            str(number),
            number,
            width=100 + number,
            height=50,
        )
        for number in range(9)
    ]
    write_shards(directory, "test", ((one, test_images[one.position].tobytes()) for one in radiographs), 1)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    return ExportedModel(write_archive(directory / "model.tar.gz", size=SIZE), directory / "unpacked")


def test_every_image_is_scored_with_what_is_known_of_it(model, shards, test_images):
    scores = model.score(shards, SIZE)
    expected = (test_images.mean(axis=(1, 2, 3)) - 125) / 10
    assert scores.logits == pytest.approx(expected, abs=1e-4)
    assert scores.probabilities == pytest.approx(1 / (1 + np.exp(-expected / 2)), abs=1e-5)
    assert scores.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert (scores.patients[:2], scores.subtypes[:2]) == (["P0", "P1"], ["", "virus"])
    assert scores.areas.tolist() == [(100 + number) * 50 for number in range(9)]


@pytest.mark.parametrize("name", ["out_of_distribution_score", "unfamiliarity"])
def test_the_out_of_distribution_score_is_read_by_the_name_it_has_in_the_model(shards, tmp_path, name):
    """Models registered before its name changed are compared with, and evaluated at other sites."""
    model = ExportedModel(write_archive(tmp_path / "model.tar.gz", size=SIZE, score_name=name), tmp_path / "unpacked")
    assert model.score(shards, SIZE).out_of_distribution_scores.tolist() == [0.25] * 9


def test_saliency_maps_come_from_the_same_pass(model, shards, test_images):
    seen = []
    watched = model.score(shards, SIZE, watch=lambda *batch: seen.append(batch))
    plain = model.score(shards, SIZE)
    np.testing.assert_array_equal(watched.logits, plain.logits)
    labels, predicted, maps = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    np.testing.assert_array_equal(labels, plain.labels)
    np.testing.assert_array_equal(predicted, plain.probabilities >= model.threshold)
    assert maps == pytest.approx(test_images[..., 0] / 255, abs=1e-6)
    assert model.explain([test_images[4]])[0] == pytest.approx(maps[4])


def test_a_model_of_another_size_gets_the_images_resized_as_preprocessing_would(shards, test_images, tmp_path):
    small = ExportedModel(write_archive(tmp_path / "model.tar.gz", size=8), tmp_path / "unpacked")
    expected = resize(test_images, 8).numpy().mean(axis=(1, 2, 3))
    assert small.score(shards, SIZE).logits == pytest.approx((expected - 125) / 10, abs=1e-4)


def test_images_are_found_by_their_place_in_the_shards(shards, test_images):
    found = images_at(shards, SIZE, [7, 2])
    assert sorted(found) == [2, 7]
    np.testing.assert_array_equal(found[7], test_images[7])


def test_a_model_without_explanations_can_still_be_scored(shards, tmp_path):
    older = ExportedModel(write_archive(tmp_path / "model.tar.gz", size=SIZE, explains=False), tmp_path / "unpacked")
    assert len(older.score(shards, SIZE).logits) == 9


def packed(directory, **members):
    with tarfile.open(directory / "model.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            path = directory / name
            path.write_bytes(content)
            archive.add(path, {"saved_model": "1/saved_model.pb", "metadata": "metadata.json"}[name])
    return directory / "model.tar.gz"


KNOWN = json.dumps({"image_size": 8, "threshold": 0.5, "temperature": 1.0, "dataset": {"sha256": "ab"}}).encode()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"metadata": b"{}"}, r"model\.tar\.gz has no 1/saved_model\.pb\."),
        ({"saved_model": b""}, r"model\.tar\.gz has no metadata\.json\."),
        ({"metadata": b'{"image_size": 8}', "saved_model": b""}, "has no dataset and no temperature and no threshold"),
        (
            {"metadata": KNOWN, "saved_model": b"this is no graph"},
            "SavedModel of the model archive .* cannot be loaded",
        ),
    ],
)
def test_an_archive_that_is_no_model_is_refused_with_the_reason(members, reason, tmp_path):
    with pytest.raises(JobError, match=reason):
        ExportedModel(packed(tmp_path, **members), tmp_path / "unpacked")


def test_a_damaged_archive_is_refused(tmp_path):
    archive = write_archive(tmp_path / "model.tar.gz", size=8)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(JobError, match=r"model\.tar\.gz cannot be unpacked"):
        ExportedModel(archive, tmp_path / "unpacked")
