"""An archive as users have it becomes shards and a card that account for every file."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from model_code import preprocess
from model_code.dataset import examples
from model_code.image import pixels_from_bytes
from model_code.job import JobError
from tests.model_code.conftest import SIZE, drawn, kaggle_members, zip_of

URI = "s3://data/datasets/" + "0f" * 32 + "/archive.zip"


def run(**changes):
    values = {"archive_uri": URI, "image_size": SIZE, "validation_fraction": 0.2, "seed": 1} | changes
    preprocess.main([text for name, value in values.items() for text in ("--" + name.replace("_", "-"), str(value))])


def card(job_directory):
    return json.loads((job_directory / "processing/output/report/dataset.json").read_text())


def read(job_directory, split):
    return list(examples(job_directory / "processing/output" / split, SIZE).as_numpy_iterator())


def dropped(job_directory):
    return {entry["reason"]: entry for entry in card(job_directory)["dropped"]}


def test_a_kaggle_archive_with_its_double_tree_and_litter(job_directory, place_archive):
    members = kaggle_members()
    doubled = members | {f"chest_xray/{name}": content for name, content in members.items()}
    litter = {f"__MACOSX/{name}": b"x" for name in members} | {"chest_xray/.DS_Store": b"x"}
    place_archive(zip_of(doubled | litter))
    run()
    found = card(job_directory)
    assert {split: counts["images"] for split, counts in found["splits"].items()} == {
        "train": 54,
        "validation": 14,
        "test": 16,
    }
    assert found["splits"]["test"] == {
        "images": 16,
        "patients": 16,
        "labels": {"NORMAL": 8, "PNEUMONIA": 8},
        "subtypes": {"virus": 8},
    }
    assert dropped(job_directory)["duplicate"]["count"] == len(members)
    assert found["litter"] == len(litter)
    assert (found["image_size"], found["seed"], found["labels"]) == (SIZE, 1, ["NORMAL", "PNEUMONIA"])
    paths = [one["path"].decode() for split in ("train", "validation", "test") for one in read(job_directory, split)]
    assert sorted(paths) == sorted(members)


def test_shards_hold_exactly_what_the_one_decode_function_gives(job_directory, place_archive):
    members = kaggle_members()
    place_archive(zip_of(members))
    run()
    for split in ("train", "validation", "test"):
        for one in read(job_directory, split):
            expected = pixels_from_bytes(members[one["path"].decode()], SIZE).numpy()
            np.testing.assert_array_equal(one["pixels"], expected)


def test_the_content_hash_depends_on_content_not_on_order(job_directory, place_archive):
    members = kaggle_members()
    hashes = []
    for content in (members, dict(reversed(members.items())), members | {"x/train/NORMAL/new.png": drawn(777)}):
        place_archive(zip_of(content))
        run()
        hashes.append(card(job_directory)["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_unreadable_image_is_dropped_with_its_reason(job_directory, place_archive):
    members = kaggle_members()
    whole = members["chest_xray/train/NORMAL/IM-0001-0001.jpeg"]
    members["chest_xray/train/NORMAL/IM-0001-0001.jpeg"] = whole[: len(whole) // 2]
    members["chest_xray/train/NORMAL/IM-0002-0001.jpeg"] = b"GIF89a" + bytes(30)
    place_archive(zip_of(members))
    run()
    entry = dropped(job_directory)["undecodable"]
    assert entry["count"] == 2
    assert entry["files"] == [
        "chest_xray/train/NORMAL/IM-0001-0001.jpeg: it cannot be decoded to its end",
        "chest_xray/train/NORMAL/IM-0002-0001.jpeg: it is neither a JPEG nor a PNG",
    ]


def test_too_many_unreadable_images_fail_and_some_are_named(place_archive):
    members = kaggle_members()
    for name in list(members)[:10]:
        members[name] = b"not an image"
    place_archive(zip_of(members))
    with pytest.raises(
        JobError, match=r"10 of 84 images cannot be read \(at most 5% may be\): .*IM-0001-0001\.jpeg: it"
    ):
        run()


def test_names_that_point_outside_are_only_names(job_directory, place_archive):
    members = kaggle_members() | {"../../../../etc/train/NORMAL/evil.png": drawn(999)}
    place_archive(zip_of(members))
    before = sorted(path.name for path in job_directory.parent.iterdir())
    run()
    assert sorted(path.name for path in job_directory.parent.iterdir()) == before
    everything = [path.name for path in job_directory.rglob("*") if path.is_file()]
    assert not [name for name in everything if name.endswith((".png", ".jpeg"))]


def test_training_images_are_shuffled_on_disk(job_directory, place_archive):
    place_archive(zip_of(kaggle_members()))
    run()
    labels = [int(one["label"]) for one in read(job_directory, "train")]
    assert 10 < sum(first != second for first, second in itertools.pairwise(labels)) < 44


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"archive_uri": "s3://data/incoming/archive.zip"}, "not an immutable copy"),
        ({"archive_uri": URI + "x"}, "not an immutable copy"),
        ({"image_size": 16}, "ImageSize must be from 32"),
        ({"validation_fraction": 0.9}, r"ValidationFraction must be from 0\.01 to 0\.4"),
        ({"seed": -1}, "Seed must not be negative"),
    ],
)
def test_parameters_out_of_range_are_named(changes, reason, place_archive):
    place_archive(zip_of(kaggle_members()))
    with pytest.raises(JobError, match=reason):
        run(**changes)


@pytest.mark.parametrize(("images", "size", "shards"), [(3, 64, 3), (272, 64, 4), (5216, 220, 4), (100_000, 220, 73)])
def test_shards_are_several_and_of_moderate_size(images, size, shards):
    assert preprocess.shard_count(images, size) == shards
