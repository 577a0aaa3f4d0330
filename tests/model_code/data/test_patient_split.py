"""No patient crosses splits, the archive's own splits are used when they can be, and every drop is accounted for."""

from __future__ import annotations

import itertools
import random

import pytest

from model_code.contract.job import JobError
from model_code.data.patient_split import Assignment, NearDuplicate, Radiograph, assign


def radiographs(folder: str | None, count: int, *, first: int = 0, images_each: int = 1) -> list[Radiograph]:
    """So many patients per label, with contents and names of their own."""
    found = []
    for number in range(first, first + count):
        for image in range(images_each):
            for label, letter, subtype in (("NORMAL", "N", ""), ("PNEUMONIA", "P", ("virus", "bacteria")[number % 2])):
                path = f"{folder}/{label}/{number}-{image}.jpeg"
                found.append(Radiograph(path, label, folder, f"{letter}{number}", subtype, f"{path}#", 0))
    return found


def near(*paths: str, among: list[Radiograph]) -> list[NearDuplicate]:
    """The first path's image as a near-duplicate of each of the others."""
    by_path = {one.path: one for one in among}
    return [NearDuplicate(by_path[paths[0]], by_path[path], 0.998) for path in paths[1:]]


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
    said = next(one for one in result.decisions if "shares 2 patients with train" in one)
    assert "Where they are other people of the same number or folder" in said


def test_patients_of_the_test_split_are_dropped_elsewhere_and_listed():
    images = radiographs("train", 60) + radiographs("test", 12, first=55)
    result = assign(images, fraction=0.1, seed=1)
    assert len(result.splits["test"]) == 24
    assert not patients(result, "test") & (patients(result, "train") | patients(result, "validation"))
    expected = sorted(f"train/{label}/{number}-0.jpeg" for number in range(55, 60) for label in ("NORMAL", "PNEUMONIA"))
    assert sorted(result.dropped["patient_in_test"]) == expected
    said = next(one for one in result.decisions if "also in test" in one)
    assert said.startswith("10 train images of 10 patients who are also in test are dropped.")
    # Folders that are numbered anew in each split look so.
    assert "Where they are other people of the same number or folder" in said


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


def test_near_duplicates_of_few_test_images_are_dropped_outside_test_and_reported(capsys):
    """Another upload of 100,000 images for ten such pairs is no advice: test stays, what was trained on it goes."""
    images = radiographs("train", 300) + radiographs("test", 100, first=900) + radiographs("validation", 60, first=500)
    inside = "test/NORMAL/903-0.jpeg"
    outside = ["train/NORMAL/3-0.jpeg", "train/NORMAL/4-0.jpeg", "validation/NORMAL/503-0.jpeg"]
    pairs = near(inside, *outside, among=images)

    result = assign(images, fraction=0.2, seed=1, near_duplicates=pairs)

    assert sorted(result.dropped["near_duplicate_in_test"]) == sorted(outside)
    assert len(result.splits["test"]) == 200
    used = {one.path for split in result.splits.values() for one in split}
    assert inside in used
    assert not used & set(outside)
    train, validation = (sentence for sentence in result.decisions if "near-duplicates of test images" in sentence)
    assert train.startswith("2 train images")
    assert validation.startswith("1 validation images")
    assert f"{inside} and {outside[0]} (correlation 0.9980)" in train
    assert capsys.readouterr().out.count("near-duplicate inside and outside the test split") == 3


@pytest.mark.parametrize(("concerned", "ends"), [(2, False), (3, True)])
def test_the_step_ends_where_more_than_one_percent_of_test_is_concerned(concerned, ends):
    images = radiographs("train", 300) + radiographs("test", 100, first=900)
    pairs = [
        pair
        for number in range(concerned)
        for pair in near(f"test/NORMAL/{900 + number}-0.jpeg", f"train/NORMAL/{number}-0.jpeg", among=images)
    ]
    if not ends:
        assert assign(images, fraction=0.2, seed=1, near_duplicates=pairs).dropped["near_duplicate_in_test"]
        return
    with pytest.raises(JobError, match="3 of the 200 images of the archive's test split, more than 1%"):
        assign(images, fraction=0.2, seed=1, near_duplicates=pairs)


def test_near_duplicates_of_many_test_images_end_the_step(capsys):
    images = radiographs("train", 40) + radiographs("test", 10, first=900)
    pairs = near("test/NORMAL/903-0.jpeg", "train/NORMAL/3-0.jpeg", "train/PNEUMONIA/4-0.jpeg", among=images)
    with pytest.raises(JobError) as caught:
        assign(images, fraction=0.2, seed=1, near_duplicates=pairs)
    message = str(caught.value)
    assert "remove one file of each pair, or give both the same patient's name" in message
    assert "test/NORMAL/903-0.jpeg and train/NORMAL/3-0.jpeg (correlation 0.9980)" in message
    assert "train/PNEUMONIA/4-0.jpeg" in message
    assert capsys.readouterr().out.count("near-duplicate inside and outside the test split") == 2


def test_of_many_pairs_the_sentence_names_some_and_the_log_all(capsys):
    images = radiographs("train", 40) + radiographs("test", 10, first=900)
    others = [f"train/NORMAL/{number}-0.jpeg" for number in range(30)]
    pairs = near("test/NORMAL/903-0.jpeg", *others, among=images)
    with pytest.raises(JobError, match=r"Pairs: 30\. .*; and 27 more\.$") as caught:
        assign(images, fraction=0.2, seed=1, near_duplicates=pairs)
    assert len(str(caught.value)) < 700
    printed = capsys.readouterr().out
    assert all(path in printed for path in others)


def test_a_near_duplicate_of_a_test_image_that_is_dropped_with_its_patient_does_not_matter():
    images = radiographs("train", 60) + radiographs("test", 12, first=55)
    pairs = near("test/NORMAL/60-0.jpeg", "train/NORMAL/55-0.jpeg", among=images)
    result = assign(images, fraction=0.1, seed=1, near_duplicates=pairs)
    assert "train/NORMAL/55-0.jpeg" in result.dropped["patient_in_test"]


@pytest.mark.parametrize("folder", ["train", None])
def test_patients_with_a_near_duplicate_stay_on_one_side_where_the_split_is_made_here(folder):
    images = radiographs(folder, 60) + (radiographs("test", 10, first=900) if folder else [])
    # A chain: 0 is like 1, 1 is like 2, and so on to 11.
    names = [f"{folder}/NORMAL/{number}-0.jpeg" for number in range(12)]
    pairs = [pair for one, other in itertools.pairwise(names) for pair in near(one, other, among=images)]
    sides = set()
    for seed in range(8):
        result = assign(images, fraction=0.3, seed=seed, near_duplicates=pairs)
        (side,) = {split for split, used in result.splits.items() for one in used if one.path in names}
        sides.add(side)
        assert any("kept in one split (pairs: 11)" in sentence for sentence in result.decisions)
    assert len(sides) > 1


def test_a_validation_split_that_shares_a_near_duplicate_with_train_is_not_kept():
    images = radiographs("train", 100) + radiographs("validation", 60, first=500) + radiographs("test", 10, first=900)
    pairs = near("validation/NORMAL/500-0.jpeg", "train/NORMAL/7-0.jpeg", among=images)
    result = assign(images, fraction=0.1, seed=1, near_duplicates=pairs)
    split_of = {one.path: split for split, used in result.splits.items() for one in used}
    assert split_of["validation/NORMAL/500-0.jpeg"] == split_of["train/NORMAL/7-0.jpeg"]
    assert any("shares near-duplicates with train and was pooled with it (1: " in one for one in result.decisions)


def test_near_duplicates_with_different_labels_are_named():
    images = radiographs("train", 60) + radiographs("test", 10, first=900)
    pairs = near("train/NORMAL/7-0.jpeg", "train/PNEUMONIA/9-0.jpeg", among=images)
    decisions = assign(images, fraction=0.1, seed=1, near_duplicates=pairs).decisions
    (sentence,) = (one for one in decisions if "different labels" in one)
    assert "(pairs: 1): train/NORMAL/7-0.jpeg and train/PNEUMONIA/9-0.jpeg" in sentence


def test_near_duplicates_of_an_image_that_is_not_used_do_not_count():
    images = radiographs("train", 60) + radiographs("test", 10, first=900)
    copy = Radiograph("x/train/NORMAL/3.jpeg", "NORMAL", "train", "N777", "", "train/NORMAL/3-0.jpeg#", 0)
    pairs = near("test/NORMAL/903-0.jpeg", copy.path, among=[*images, copy])
    assert assign([*images, copy], fraction=0.2, seed=1, near_duplicates=pairs).dropped["duplicate"] == [copy.path]
