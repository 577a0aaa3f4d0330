"""The card accounts for every file and describes the files that are used, label by label."""

from __future__ import annotations

import dataclasses

from model_code.data.dataset_card import MAX_NAMED_FILES, Choices, about_files, dataset_card
from model_code.data.manifest import Decoded, Facts, Header
from model_code.data.patient_split import Assignment, Radiograph
from model_code.imaging.perceptual_hash import Fingerprints

URI = "s3://data/datasets/" + "0f" * 32 + "/archive.zip"
CHOICES = Choices(URI, 32, 0.1, 1)


def fact(width, height, *, mode="L", exif=False, format_="JPEG"):
    return Facts(width * height, width, height, format_, mode, exif, ())


def card(**changes):
    images = [
        Radiograph("train/NORMAL/a", "NORMAL", "train", "N1", "", "a", 0),
        Radiograph("train/NORMAL/b", "NORMAL", "train", "N1", "", "b", 1),
        Radiograph("train/NORMAL/c", "NORMAL", "train", "N2", "", "c", 2),
        Radiograph("train/PNEUMONIA/d", "PNEUMONIA", "train", "P1", "virus", "d", 3),
    ]
    facts = {
        "a": fact(300, 200, exif=True),
        "b": fact(100, 200, mode="RGB"),
        "c": fact(200, 200, exif=True, format_="PNG"),
        "d": fact(50, 40),
    }
    header = Header(URI, 32, 0, 1, 9, 9, 1, 5, 3, ["x/stray.png"], ["readme.txt", "notes.doc"])
    decoded = Decoded(header, images, facts, {"train/NORMAL/bad": "it is empty"}, [], Fingerprints.room(0))
    dropped = {"duplicate": [f"copy {number:04d}" for number in range(300, 0, -1)], "patient_in_test": []}
    splits = {"train": images, "validation": [], "test": []} | changes
    return dataset_card(CHOICES, decoded, Assignment(splits, dropped, ["Decided."]), audit={"a": 1}, shortcuts=[{}])


def test_every_file_that_is_not_used_has_a_reason():
    found = {entry["reason"]: entry for entry in card()["dropped"]}
    assert {reason: entry["count"] for reason, entry in found.items()} == {
        "duplicate": 300,
        "outside_label_folders": 1,
        "not_an_image": 2,
        "undecodable": 1,
    }
    assert found["undecodable"]["files"] == ["train/NORMAL/bad: it is empty"]
    assert len(found["duplicate"]["files"]) == MAX_NAMED_FILES
    assert found["duplicate"]["files"][0] == "copy 0001"
    assert card()["metadata_files"] == 5
    assert card()["masks"] == 3


def test_the_files_are_described_by_label():
    normal = card()["sources"]["NORMAL"]
    assert normal == {
        "images": 3,
        "formats": {"JPEG": 2, "PNG": 1},
        "modes": {"L": 2, "RGB": 1},
        "with_exif": 2,
        "width": {"min": 100, "median": 200, "max": 300},
        "height": {"min": 200, "median": 200, "max": 200},
        "aspect_ratio": {"min": 0.5, "median": 1.0, "max": 1.5},
        "bytes": {"min": 20_000, "median": 40_000, "max": 60_000},
    }
    assert card()["sources"]["PNEUMONIA"]["images"] == 1


def test_the_content_hash_covers_split_label_and_content():
    images = card()["splits"]["train"]
    assert images == {
        "images": 4,
        "patients": 3,
        "labels": {"NORMAL": 3, "PNEUMONIA": 1},
        "subtypes": {"virus": 1},
    }
    d = Radiograph("train/PNEUMONIA/d", "PNEUMONIA", "train", "P1", "virus", "d", 3)
    normal = [Radiograph(f"elsewhere/{name}", "NORMAL", None, "N1", "", name, 0) for name in "cba"]
    hashes = [
        card()["sha256"],
        card(train=[d, *normal])["sha256"],
        card(train=normal, test=[d])["sha256"],
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert (card()["archive_uri"], card()["image_size"], card()["seed"]) == (URI, 32, 1)
    assert (card()["audit"], card()["shortcuts"], card()["decisions"]) == ({"a": 1}, [{}], ["Decided."])


def test_images_that_were_enlarged_are_counted():
    """Nothing is shown larger than it was taken without a word."""
    images = [Radiograph(name, "NORMAL", None, f"P{name}", "", name, 0) for name in "abc"]
    facts = {"a": fact(220, 500), "b": fact(500, 219), "c": fact(110, 110)}
    header = Header(URI, 220, 0, 1, 3, 3, 1, 0, 0, [], [])
    sentences = about_files(Decoded(header, images, facts, {}, [], Fingerprints.room(0)))
    assert sentences == ["2 of 3 images have an edge below ImageSize 220: it was enlarged."]
    assert (
        about_files(Decoded(dataclasses.replace(header, image_size=64), images, facts, {}, [], Fingerprints.room(0)))
        == []
    )


def test_images_of_nobody_are_counted_whatever_their_format():
    """Of pictures without patients two of one person may be in train and in test: that is said, as of DICOM files."""
    images = [Radiograph(name, "NORMAL", None, patient, "", name, 0) for name, patient in ("aa", "bb", ("c", "P1"))]
    facts = {name: fact(220, 220) for name in "abc"}
    header = Header(URI, 64, 0, 1, 3, 3, 1, 0, 0, [], [])
    (sentence,) = about_files(Decoded(header, images, facts, {}, [], Fingerprints.room(0)))
    assert sentence.startswith("2 of 3 images name no patient")
