"""What crosses the splits is found whoever made them, and what is found are copies, not lookalikes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from model_code.contract.job import JobError
from model_code.data import leakage
from model_code.data.manifest import Facts
from model_code.data.patient_split import Radiograph
from model_code.imaging import perceptual_hash
from model_code.imaging.decoding import pixels_from_bytes
from tests.model_code.data_steps import chest

SIZE = 64


def facts_of(content: bytes) -> Facts:
    pixels = pixels_from_bytes(content, SIZE).numpy()[:, :, 0]
    return Facts(
        bytes=len(content),
        width=320,
        height=260,
        format="JPEG",
        mode="L",
        exif=False,
        border=perceptual_hash.border(pixels),
        hash=perceptual_hash.perceptual_hash(pixels),
        thumbnail=perceptual_hash.thumbnail(pixels),
    )


def radiograph(path: str, patient: str, sha256: str) -> Radiograph:
    return Radiograph(path, "NORMAL", None, patient, "", sha256, 0)


@pytest.fixture(scope="module")
def facts():
    found = {f"image {number}": facts_of(chest(number)) for number in range(12)}
    return found | {"image 0 again": facts_of(chest(0, size=(200, 200), quality=50))}


def splits(**changes):
    """Four images of four patients in each split, and what a test puts there too."""
    found = {
        split: [radiograph(f"{split}/{n}.jpeg", f"{split} {n}", f"image {first + n}") for n in range(4)]
        for split, first in (("train", 0), ("validation", 4), ("test", 8))
    }
    return {split: images + changes.get(split, []) for split, images in found.items()}


def test_a_clean_split_is_certified_with_its_method(facts):
    found = leakage.audit(splits(), facts)
    assert [found[f"{name}_shared"] for name in ("patients", "duplicates", "near_duplicates")] == [0, 0, 0]
    assert "256 bits" in found["hash"]
    assert found["threshold"] == 0.99


def test_a_patient_in_two_splits_is_named(facts):
    other = radiograph("test/other.jpeg", "train 1", "image 8 too")
    with pytest.raises(JobError, match=r"1 patients in two splits, .* train/1\.jpeg in train and test/other\.jpeg in"):
        leakage.audit(splits(test=[other]), facts | {"image 8 too": facts["image 8"]})


def test_a_content_in_two_splits_is_named(facts):
    other = radiograph("validation/other.jpeg", "somebody", "image 9")
    with pytest.raises(JobError, match=r"1 duplicates in two splits, for example validation/other\.jpeg in validation"):
        leakage.audit(splits(validation=[other]), facts)


def test_a_near_duplicate_in_two_splits_is_named(facts):
    other = radiograph("test/other.jpeg", "somebody", "image 0 again")
    with pytest.raises(JobError, match=r"1 near-duplicates in two splits, .* train/0\.jpeg in train and test/other"):
        leakage.audit(splits(test=[other]), facts)


def test_copies_inside_one_split_are_no_leak(facts):
    other = radiograph("train/other.jpeg", "somebody", "image 0 again")
    leakage.audit(splits(train=[other]), facts)


def test_pairs_are_found_across_blocks(facts, monkeypatch):
    monkeypatch.setattr(leakage, "_BLOCK", 3)
    images = [radiograph(f"{sha256}.jpeg", sha256, sha256) for sha256 in facts]
    (pair,) = leakage.near_duplicates(images, facts)
    assert (pair.first.sha256, pair.second.sha256) == ("image 0", "image 0 again")
    assert pair.correlation >= 0.99
    assert leakage.near_duplicates([], facts) == []


def test_real_radiographs_of_different_patients_are_not_taken_for_copies(radiographs):
    """And each is found again after a compression of quality 40 at two thirds of its size."""
    paths = sorted((radiographs / "chest_xray_original").rglob("*.jpeg"))
    paths += sorted((radiographs / "chest_xray" / "test").rglob("*.jpeg"))[::2]
    known = {}
    for path in paths:
        known[path.name] = facts_of(path.read_bytes())
    images = [radiograph(name, name, name) for name in known]
    assert leakage.near_duplicates(images, known) == []
    copies = {}
    for path in paths[::8]:
        with Image.open(path) as opened:
            smaller = opened.convert("L").resize((opened.width * 2 // 3, opened.height * 2 // 3))
        buffer = io.BytesIO()
        smaller.save(buffer, "JPEG", quality=40)
        copies[f"copy of {path.name}"] = facts_of(buffer.getvalue())
    everything = images + [radiograph(name, name, name) for name in copies]
    pairs = leakage.near_duplicates(everything, known | copies)
    assert sorted(pair.second.path for pair in pairs) == sorted(copies)
    assert all(pair.second.path == f"copy of {pair.first.path}" for pair in pairs)


def test_six_thousand_images_take_seconds():
    import time

    rng = np.random.default_rng(1)
    one = Facts(
        1, 1, 1, "JPEG", "L", False, (), "", perceptual_hash.thumbnail(rng.integers(0, 256, (32, 32), np.uint8))
    )
    facts = {str(number): Facts(**vars(one) | {"hash": rng.bytes(32).hex()}) for number in range(6000)}
    started = time.monotonic()
    assert leakage.near_duplicates([radiograph(name, name, name) for name in facts], facts) == []
    assert time.monotonic() - started < 20
