"""SplitDataset makes one audited data set of what the hosts decoded, and its card accounts for every file."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_code import split_dataset
from model_code.contract import job
from model_code.contract.job import JobError
from model_code.data import patient_split as rules
from tests.model_code.conftest import SIZE, drawn, kaggle_members, zip_of
from tests.model_code.support.data_steps import URI, chest, decode, split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global decoding_graph, examples
    from model_code.data.shards import examples
    from model_code.imaging.decoding import decoding_graph


SPLITS = ("train", "validation", "test")


def read(job_directory, name):
    return list(examples(job_directory / "processing" / "output" / name, SIZE).as_numpy_iterator())


def dropped(card):
    return {entry["reason"]: entry for entry in card["dropped"]}


@pytest.mark.parametrize("hosts", [1, 3])
def test_a_kaggle_archive_with_its_double_tree_and_metadata_files(hosts, job_directory, place_archive):
    members = kaggle_members()
    doubled = members | {f"chest_xray/{name}": content for name, content in members.items()}
    metadata = {f"__MACOSX/{name}": b"x" for name in members} | {"chest_xray/.DS_Store": b"x"}
    place_archive(zip_of(doubled | metadata))
    decode(job_directory, hosts=hosts)
    card = split(job_directory)
    assert {name: counts["images"] for name, counts in card["splits"].items()} == {
        "train": 54,
        "validation": 14,
        "test": 16,
    }
    assert card["splits"]["test"] == {
        "images": 16,
        "patients": 16,
        "labels": {"NORMAL": 8, "PNEUMONIA": 8},
        "subtypes": {"virus": 8},
    }
    assert dropped(card)["duplicate"]["count"] == len(members)
    assert card["metadata_files"] == len(metadata)
    assert (card["image_size"], card["seed"], card["labels"]) == (SIZE, 1, ["NORMAL", "PNEUMONIA"])
    assert card["sources"]["NORMAL"]["formats"] == {"JPEG": 42}
    assert card["sources"]["PNEUMONIA"]["formats"] == {"PNG": 42}
    assert [card["audit"][f"{name}_shared"] for name in ("patients", "duplicates", "near_duplicates")] == [0, 0, 0]
    # JPEGs of noise are smaller than PNGs, and no lung had to be looked at.
    assert card["shortcuts"][0]["auroc"] == 1
    for name in SPLITS:
        images = read(job_directory, name)
        assert len(images) == card["splits"][name]["images"]
        for one in images:
            content = members.pop(one["path"].decode())
            np.testing.assert_array_equal(one["pixels"], decoding_graph(SIZE)(content).numpy())
    assert not members


def test_the_data_set_does_not_depend_on_how_many_hosts_decoded_it(job_directory, place_archive):
    place_archive(zip_of(kaggle_members()))
    shards = []
    for hosts in (1, 4):
        decode(job_directory, hosts=hosts)
        split(job_directory)
        outputs = job_directory / "processing" / "output"
        shards.append({path.name: path.read_bytes() for name in SPLITS for path in (outputs / name).iterdir()})
    assert shards[0] == shards[1]


def test_of_two_names_of_one_content_the_record_has_the_one_that_is_used(job_directory, place_archive):
    members = kaggle_members()
    members["chest_xray/train/NORMAL/AAA.jpeg"] = members["chest_xray/test/NORMAL/IM-0036-0001.jpeg"]
    place_archive(zip_of(members))
    decode(job_directory, hosts=2)
    assert dropped(split(job_directory))["duplicate"]["files"] == ["chest_xray/train/NORMAL/AAA.jpeg"]
    (record,) = (one for one in read(job_directory, "test") if b"IM-0036" in one["path"])
    assert (record["patient"], record["label"]) == (b"N1_0036", 0)


def test_planted_near_duplicates_of_much_of_a_small_test_split_fail_the_step(job_directory, place_archive, monkeypatch):
    members = kaggle_members()
    inside, outside = "chest_xray/test/NORMAL/IM-0777-0001.jpeg", "chest_xray/train/NORMAL/IM-0888-0001.jpeg"
    members[inside] = chest(1, size=(320, 260), quality=92)
    members[outside] = chest(1, size=(250, 190), quality=55)
    place_archive(zip_of(members))
    decode(job_directory, hosts=2)
    with pytest.raises(JobError, match="give both the same patient's name") as caught:
        split(job_directory)
    assert f"{inside} and {outside}" in str(caught.value)
    assert not list((job_directory / "processing" / "output").rglob("train-*.tfrecord"))
    # What the sentence advises helps, and where the test split is large enough for it the copy is dropped.
    with monkeypatch.context() as larger:
        larger.setattr(rules, "MAXIMUM_SHARED_TEST_SHARE", 0.2)
        assert dropped(split(job_directory))["near_duplicate_in_test"]["files"] == [outside]
    members["chest_xray/train/NORMAL/IM-0777-0002.jpeg"] = members.pop(outside)
    place_archive(zip_of(members))
    decode(job_directory, hosts=2)
    assert dropped(split(job_directory))["patient_in_test"]["count"] == 1


def test_the_audit_does_not_rely_on_the_rules(job_directory, place_archive, monkeypatch):
    members = kaggle_members()
    members["chest_xray/test/NORMAL/IM-0777-0001.jpeg"] = chest(1)
    members["chest_xray/train/NORMAL/IM-0888-0001.jpeg"] = chest(1, quality=50)
    place_archive(zip_of(members))
    decode(job_directory)
    monkeypatch.setattr(split_dataset, "near_duplicates", lambda *_: [])
    with pytest.raises(JobError, match=r"The split leaks: 1 near-duplicates in two splits, .*0888.* and .*0777"):
        split(job_directory)


def test_a_planted_near_duplicate_inside_train_stays_on_one_side(job_directory, place_archive):
    members = kaggle_members()
    planted = [f"chest_xray/train/NORMAL/IM-{number}-0001.jpeg" for number in (8001, 8002, 8003)]
    for quality, name in zip((95, 60, 30), planted, strict=True):
        members[name] = chest(1, size=(200 + quality, 190), quality=quality)
    place_archive(zip_of(members))
    decode(job_directory)
    for seed in range(3):
        card = split(job_directory, seed=seed)
        assert any("kept in one split (pairs: 3)" in sentence for sentence in card["decisions"])
        sides = {name for name in SPLITS for one in read(job_directory, name) if one["path"].decode() in planted}
        assert len(sides) == 1


def test_the_content_hash_depends_on_content_not_on_order(job_directory, place_archive):
    members = kaggle_members()
    hashes = []
    for content in (members, dict(reversed(members.items())), members | {"x/train/NORMAL/new.png": drawn(777)}):
        place_archive(zip_of(content))
        decode(job_directory)
        hashes.append(split(job_directory)["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_few_unreadable_images_are_reported_with_their_reasons(job_directory, place_archive):
    members = kaggle_members()
    members["chest_xray/train/NORMAL/IM-0002-0001.jpeg"] = b"GIF89a" + bytes(30)
    place_archive(zip_of(members))
    decode(job_directory)
    assert dropped(split(job_directory))["undecodable"] == {
        "reason": "undecodable",
        "count": 1,
        "files": [
            "chest_xray/train/NORMAL/IM-0002-0001.jpeg: it is a GIF and neither a JPEG nor a PNG: save it as PNG"
        ],
    }


def test_too_many_unreadable_images_fail_and_some_are_named(job_directory, place_archive):
    """Of all hosts' images together: one host with bad luck is no reason."""
    members = kaggle_members()
    names = list(members)
    for name in names[:4]:
        members[name] = b"not an image"
    place_archive(zip_of(members))
    decode(job_directory, hosts=10)
    assert dropped(split(job_directory))["undecodable"]["count"] == 4
    for name in names[4:10]:
        members[name] = b"not an image"
    place_archive(zip_of(members))
    decode(job_directory, hosts=2)
    with pytest.raises(JobError, match=r"10 of 84 images cannot be read \(at most 5% may be\): .*IM-0001-0001\.jpeg"):
        split(job_directory)


def test_training_images_are_shuffled_on_disk(job_directory, place_archive):
    place_archive(zip_of(kaggle_members()))
    decode(job_directory)
    split(job_directory)
    labels = [int(one["label"]) for one in read(job_directory, "train")]
    assert 10 < sum(first != second for first, second in itertools.pairwise(labels)) < 44


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"archive_uri": URI + "x"}, "not an immutable copy"),
        ({"image_size": 2000}, "ImageSize must be from 32"),
        ({"image_size": 64}, "with ImageSize 32; asked for are"),
        ({"validation_fraction": 0.9}, r"ValidationFraction must be from 0\.01 to 0\.4"),
        ({"seed": -1}, "Seed must be from 0 to 2147483647"),
    ],
)
def test_parameters_that_do_not_fit_are_named(changes, reason, job_directory, place_archive):
    place_archive(zip_of(kaggle_members(train=2, val=0, test=0)))
    decode(job_directory)
    with pytest.raises(JobError, match=reason):
        split(job_directory, **changes)


def test_the_step_starts_without_tensorflow():
    root = Path(job.__file__).resolve().parents[2]
    program = "import sys, model_code.split_dataset; sys.exit('tensorflow' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


@pytest.mark.slow
def test_real_radiographs_become_a_data_set_without_leaks(job_directory, place_archive, radiographs):
    folders = {"chest_xray/train": 8, "chest_xray/val": 4, "chest_xray/test": 4, "chest_xray_original": 1}
    members = {
        str(path.relative_to(radiographs)).replace("chest_xray_original", "originals/train"): path.read_bytes()
        for folder, every in folders.items()
        for path in sorted((radiographs / folder).rglob("*.jpeg"))[::every]
    }
    place_archive(zip_of(members))
    decode(job_directory, hosts=2)
    card = split(job_directory)
    dropped_files = sum(entry["count"] for entry in card["dropped"])
    assert sum(card["splits"][name]["images"] for name in SPLITS) + dropped_files == len(members)
    assert card["audit"]["near_duplicates_shared"] == 0


def test_the_sentences_reach_the_log(job_directory, place_archive, capsys):
    place_archive(zip_of(kaggle_members()))
    decode(job_directory, hosts=2)
    capsys.readouterr()
    card = split(job_directory)
    printed = capsys.readouterr().out
    assert printed.startswith("84 decoded radiographs (instances: 2)\n")
    for sentence in [*card["decisions"], *(one["sentence"] for one in card["shortcuts"])]:
        assert sentence in printed


def test_the_images_of_a_patients_folder_are_in_one_split(job_directory, place_archive):
    """As hospitals hand JPEGs over: each image was a patient of its own, so one person's were in train and in test."""
    folder = job_directory / "processing" / "input" / "patient-key"
    folder.mkdir(parents=True)
    (folder / "patients").write_bytes(bytes(range(32)))
    place_archive(
        zip_of(
            {
                f"{label}/Patient_{place}{number:03d}/{image}.png": chest(1000 * place + 10 * number + image)
                for place, label in enumerate(("NORMAL", "PNEUMONIA"))
                for number in range(30)
                for image in range(2)
            }
        )
    )
    decode(job_directory)
    card = split(job_directory)
    assert sum(one["images"] for one in card["splits"].values()) == 120
    assert sum(one["patients"] for one in card["splits"].values()) == 60
    assert all(one["images"] == 2 * one["patients"] for one in card["splits"].values())
