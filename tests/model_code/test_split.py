"""No patient crosses splits, the archive's own splits are used when they can be, and every drop is accounted for."""

from __future__ import annotations

import random

import pytest

from model_code.job import JobError
from model_code.split import Assignment, Radiograph, assign


def radiographs(folder: str | None, count: int, *, first: int = 0, images_each: int = 1) -> list[Radiograph]:
    """So many patients per label, with contents and names of their own."""
    found = []
    for number in range(first, first + count):
        for image in range(images_each):
            for label, letter, subtype in (("NORMAL", "N", ""), ("PNEUMONIA", "P", ("virus", "bacteria")[number % 2])):
                path = f"{folder}/{label}/{number}-{image}.jpeg"
                found.append(Radiograph(path, label, folder, f"{letter}{number}", subtype, f"{path}#", 0))
    return found


def patients(assignment: Assignment, split: str) -> set[str]:
    return {one.patient for one in assignment.splits[split]}


def test_a_tiny_validation_split_is_pooled_and_taken_anew_by_patient():
    images = radiographs("train", 100, images_each=2) + radiographs("validation", 8, first=500)
    result = assign(images + radiographs("test", 10, first=900), fraction=0.2, seed=1)
    assert len(result.splits["validation"]) == pytest.approx(0.2 * 416, abs=6)
    assert not patients(result, "validation") & patients(result, "train")
    assert {one.folder for one in result.splits["test"]} == {"test"}
    assert len(result.splits["test"]) == 20
    assert any("16 images is too small" in sentence for sentence in result.decisions)


def test_validation_keeps_the_shares_of_labels_and_subtypes():
    images = radiographs("train", 200) + radiographs("test", 10, first=900)
    validation = assign(images, fraction=0.1, seed=3).splits["validation"]
    counts = [sum(one.subtype == name for one in validation) for name in ("", "virus", "bacteria")]
    assert counts == [20, 10, 10]


def test_a_real_validation_split_is_kept():
    images = radiographs("train", 100) + radiographs("validation", 60, first=500) + radiographs("test", 10, first=900)
    result = assign(images, fraction=0.1, seed=1)
    assert {one.folder for one in result.splits["validation"]} == {"validation"}
    assert len(result.splits["validation"]) == 120


def test_a_validation_split_that_shares_patients_with_train_is_not_kept():
    images = radiographs("train", 100) + radiographs("validation", 60, first=99) + radiographs("test", 10, first=900)
    result = assign(images, fraction=0.1, seed=1)
    assert not patients(result, "validation") & patients(result, "train")
    assert any("shares 2 patients with train" in sentence for sentence in result.decisions)


def test_patients_of_the_test_split_are_dropped_elsewhere_and_listed():
    images = radiographs("train", 60) + radiographs("test", 12, first=55)
    result = assign(images, fraction=0.1, seed=1)
    assert len(result.splits["test"]) == 24
    assert not patients(result, "test") & (patients(result, "train") | patients(result, "validation"))
    expected = sorted(f"train/{label}/{number}-0.jpeg" for number in range(55, 60) for label in ("NORMAL", "PNEUMONIA"))
    assert sorted(result.dropped["patient_in_test"]) == expected
    assert "10 train images of 10 patients who are also in test are dropped." in result.decisions


def test_without_any_split_folders_all_three_are_made():
    result = assign(radiographs(None, 100), fraction=0.2, seed=5)
    sizes = {split: len(images) for split, images in result.splits.items()}
    assert sizes == {"test": 40, "validation": 32, "train": 128}
    seen = [one.patient for images in result.splits.values() for one in images]
    assert len(seen) == len(set(seen))


def test_identical_content_is_used_once_and_the_copy_in_test_wins():
    images = radiographs("train", 40) + radiographs("test", 10, first=900)
    copy = Radiograph("train/NORMAL/copy.jpeg", "NORMAL", "train", "N777", "", "test/NORMAL/900-0.jpeg#", 0)
    result = assign([copy, *images], fraction=0.2, seed=1)
    assert result.dropped["duplicate"] == ["train/NORMAL/copy.jpeg"]
    assert len(result.splits["test"]) == 20


def test_identical_content_under_both_labels_is_dropped_altogether():
    images = radiographs("train", 40) + radiographs("test", 10, first=900)
    copy = Radiograph("train/PNEUMONIA/copy.jpeg", "PNEUMONIA", "train", "P777", "", "train/NORMAL/3-0.jpeg#", 0)
    result = assign([*images, copy], fraction=0.2, seed=1)
    assert sorted(result.dropped["conflicting_labels"]) == ["train/NORMAL/3-0.jpeg", "train/PNEUMONIA/copy.jpeg"]
    used = {one.path for split in result.splits.values() for one in split}
    assert not used & set(result.dropped["conflicting_labels"])


def test_the_order_of_the_files_does_not_matter_and_the_seed_does():
    images = radiographs("train", 60, images_each=2) + radiographs("test", 10, first=900)
    shuffled = images.copy()
    random.Random(1).shuffle(shuffled)  # noqa: S311
    first = assign(images, fraction=0.2, seed=1)
    assert patients(first, "validation") == patients(assign(shuffled, fraction=0.2, seed=1), "validation")
    assert patients(first, "validation") != patients(assign(images, fraction=0.2, seed=2), "validation")


def test_too_few_images_are_refused_with_the_counts():
    with pytest.raises(JobError, match=r"test has 2 NORMAL images \(at least 5\); test has 2 PNEUMONIA"):
        assign(radiographs("train", 40) + radiographs("test", 2, first=900), fraction=0.2, seed=1)
