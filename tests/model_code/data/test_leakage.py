"""Leaks between the splits are found whoever made them, and what is found are copies, not lookalikes."""

from __future__ import annotations

import dataclasses
import io

import pytest
from PIL import Image

from model_code.contract.job import JobError
from model_code.data import leakage
from model_code.data.patient_split import Radiograph
from model_code.imaging import perceptual_hash
from model_code.imaging.perceptual_hash import Fingerprint, Fingerprints
from tests.model_code.support.data_steps import chest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global decoding_graph
    from model_code.imaging.decoding import decoding_graph


SIZE = 64


def fingerprint(content: bytes) -> Fingerprint:
    return perceptual_hash.fingerprint(decoding_graph(SIZE)(content).numpy()[:, :, 0])


def known(found: list[Fingerprint]) -> Fingerprints:
    made = Fingerprints.room(len(found))
    for position, one in enumerate(found):
        made.put(position, one)
    return made


def fingerprints_of(contents: list[bytes]) -> Fingerprints:
    return known([fingerprint(content) for content in contents])


def radiograph(path: str, patient: str, position: int) -> Radiograph:
    return Radiograph(path, "NORMAL", None, patient, "", f"content {position}", position)


# Images of different chests, and at the end the first one again.
CHESTS = 12
AGAIN = CHESTS


@pytest.fixture(scope="module")
def fingerprints():
    return fingerprints_of([*(chest(number) for number in range(CHESTS)), chest(0, size=(200, 200), quality=50)])


def splits(**changes):
    """Four images of four patients in each split, and what a test puts there too."""
    found = {
        split: [radiograph(f"{split}/{n}.jpeg", f"{split} {n}", first + n) for n in range(4)]
        for split, first in (("train", 0), ("validation", 4), ("test", 8))
    }
    return {split: images + changes.get(split, []) for split, images in found.items()}


def test_a_clean_split_is_certified_with_its_method(fingerprints):
    found = leakage.audit(splits(), fingerprints)
    assert [found[f"{name}_shared"] for name in ("patients", "duplicates", "near_duplicates")] == [0, 0, 0]
    assert "256 bits" in found["hash"]
    assert found["threshold"] == 0.99


def test_a_patient_in_two_splits_is_named(fingerprints):
    other = dataclasses.replace(radiograph("test/other.jpeg", "train 1", AGAIN), sha256="another content")
    with pytest.raises(JobError, match=r"1 patients in two splits, .* train/1\.jpeg in train and test/other\.jpeg in"):
        leakage.audit(splits(test=[other]), fingerprints)


def test_a_content_in_two_splits_is_named(fingerprints):
    other = radiograph("validation/other.jpeg", "somebody", 9)
    with pytest.raises(JobError, match=r"1 duplicates in two splits, for example validation/other\.jpeg in validation"):
        leakage.audit(splits(validation=[other]), fingerprints)


def test_a_near_duplicate_in_two_splits_is_named(fingerprints):
    other = radiograph("test/other.jpeg", "somebody", AGAIN)
    with pytest.raises(JobError, match=r"1 near-duplicates in two splits, .* train/0\.jpeg in train and test/other"):
        leakage.audit(splits(test=[other]), fingerprints)


def test_copies_inside_one_split_are_no_leak(fingerprints):
    other = radiograph("train/other.jpeg", "somebody", AGAIN)
    leakage.audit(splits(train=[other]), fingerprints)


def test_a_pair_is_told_in_the_order_of_the_images(fingerprints):
    images = [radiograph(f"{position}.jpeg", str(position), position) for position in range(len(fingerprints))]
    for order in (images, images[::-1]):
        (pair,) = leakage.near_duplicates(order, fingerprints)
        assert [pair.first, pair.second] == [one for one in order if one.position in (0, AGAIN)]
        assert pair.correlation >= 0.99
    assert leakage.near_duplicates([], fingerprints) == []


def test_real_radiographs_of_different_patients_are_not_taken_for_copies(radiographs):
    """And each is found again after a compression of quality 40 at two thirds of its size."""
    paths = sorted((radiographs / "chest_xray_original").rglob("*.jpeg"))
    paths += sorted((radiographs / "chest_xray" / "test").rglob("*.jpeg"))[::2]
    contents = {path.name: path.read_bytes() for path in paths}
    images = [radiograph(name, name, position) for position, name in enumerate(contents)]
    found = [fingerprint(content) for content in contents.values()]
    assert leakage.near_duplicates(images, known(found)) == []
    for path in paths[::8]:
        with Image.open(path) as opened:
            smaller = opened.convert("L").resize((opened.width * 2 // 3, opened.height * 2 // 3))
        buffer = io.BytesIO()
        smaller.save(buffer, "JPEG", quality=40)
        contents[f"copy of {path.name}"] = buffer.getvalue()
        found.append(fingerprint(buffer.getvalue()))
    everything = [radiograph(name, name, position) for position, name in enumerate(contents)]
    pairs = leakage.near_duplicates(everything, known(found))
    assert sorted(pair.second.path for pair in pairs) == sorted(name for name in contents if name.startswith("copy"))
    assert all(pair.second.path == f"copy of {pair.first.path}" for pair in pairs)
