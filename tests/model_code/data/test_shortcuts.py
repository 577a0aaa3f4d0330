"""A planted clue is found and said; where there is none, nothing is claimed."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.data import shortcuts
from model_code.data.manifest import Facts
from model_code.data.patient_split import Radiograph


@pytest.fixture
def collection():
    """Splits of images without any clue, and their facts, for a test to plant one in."""
    rng = np.random.default_rng(3)
    splits, facts = {}, {}
    for split, count in (("train", 400), ("validation", 100), ("test", 100)):
        splits[split] = []
        for number in range(count):
            label = ("NORMAL", "PNEUMONIA")[number % 2]
            name = f"{split}/{label}/{number}"
            splits[split].append(Radiograph(name, label, split, f"{split} {number // 4}", "", name, 0))
            facts[name] = {
                "bytes": int(rng.integers(40_000, 60_000)),
                "width": int(rng.integers(900, 1100)),
                "height": int(rng.integers(700, 800)),
                "format": "JPEG",
                "mode": "L",
                "exif": False,
                "border": tuple(rng.normal(60, 20, 8)),
            }
    return splits, facts


def probes(collection):
    splits, facts = collection
    found = shortcuts.probe(splits, {name: Facts(**values) for name, values in facts.items()}, seed=1)
    return {one["probe"]: one for one in found}


def sick(name):
    return "PNEUMONIA" in name


def test_without_a_clue_nothing_is_claimed(collection):
    found = probes(collection)
    assert list(found) == ["file_size", "resolution", "mode", "exif", "border_pixels", "all_metadata"]
    for name in ("file_size", "resolution", "border_pixels", "all_metadata"):
        low, high = found[name]["confidence_interval"]
        assert low < 0.5 < high
        assert found[name]["images"] == 200
        assert found[name]["sentence"].startswith("The label cannot be predicted from ")


def test_a_constant_is_half_and_says_so(collection):
    found = probes(collection)
    for name, subject in (("mode", "the colour mode"), ("exif", "the presence of EXIF data")):
        assert (found[name]["auroc"], found[name]["confidence_interval"]) == (0.5, [0.5, 0.5])
        assert found[name]["sentence"] == (
            f"The label cannot be predicted from {subject} alone, the same in all training images: AUROC 0.50."
        )


@pytest.mark.parametrize(
    ("probe", "planted"),
    [
        ("file_size", lambda name: {"bytes": 500_000 if sick(name) else 50_000}),
        ("resolution", lambda name: {"width": 1000, "height": 800 if sick(name) else 1000}),
        ("mode", lambda name: {"mode": "RGB" if sick(name) else "L"}),
        ("exif", lambda name: {"exif": not sick(name)}),
        ("border_pixels", lambda name: {"border": (0.0,) * 8 if sick(name) else (30.0,) * 8}),
    ],
)
def test_each_clue_is_found_by_its_probe_alone(probe, planted, collection):
    _, facts = collection
    for name, values in facts.items():
        values.update(planted(name))
    found = probes(collection)
    assert found[probe]["auroc"] == pytest.approx(1, abs=0.001)
    assert " can be predicted from " in found[probe]["sentence"]
    assert "with AUROC 1.00 (" in found[probe]["sentence"]
    told = {name for name, one in found.items() if one["auroc"] > 0.9}
    assert told == ({probe} if probe == "border_pixels" else {probe, "all_metadata"})


def test_a_clue_in_the_middle_of_a_range_is_found(collection):
    splits, facts = collection
    rng = np.random.default_rng(5)
    for name, values in facts.items():
        values["bytes"] = 50_000 if sick(name) else int(rng.choice([5_000, 500_000]))
    assert probes((splits, facts))["file_size"]["auroc"] > 0.99


def test_a_probe_is_judged_on_patients_it_was_not_fitted_on(collection):
    """A clue that only train has is no clue."""
    _, facts = collection
    for name, values in facts.items():
        values["exif"] = sick(name) if name.startswith("train") else int(name.rpartition("/")[2]) // 2 % 2 == 0
    assert probes(collection)["exif"]["auroc"] < 0.65
