"""Shards give back what was written."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.contract.job import JobError
from model_code.data.dataset_card import read_card
from model_code.data.patient_split import Radiograph


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global examples, write_shards
    from model_code.data.shards import examples, write_shards


SIZE = 32


@pytest.fixture
def shards(tmp_path):
    rng = np.random.default_rng(1)
    written = []
    for number in range(23):
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        image = Radiograph(f"tr/{label}/{number}.jpeg", label, "train", f"N{number}", "virus", str(number), number)
        written.append((image, rng.integers(0, 256, SIZE * SIZE, np.uint8).tobytes()))
    write_shards(tmp_path, "train", written, 4)
    return tmp_path, written


def test_every_example_comes_back_whole_and_in_a_fixed_order(shards):
    directory, written = shards
    assert sorted(path.name for path in directory.glob("*.tfrecord"))[0] == "train-00000-of-00004.tfrecord"
    read = list(examples(directory, SIZE).as_numpy_iterator())
    assert [one["path"] for one in read] == [one["path"] for one in examples(directory, SIZE).as_numpy_iterator()]
    by_path = {one["path"].decode(): one for one in read}
    assert len(by_path) == len(written)
    for image, pixels in written:
        one = by_path[image.path]
        assert one["pixels"].tobytes() == pixels
        assert (one["label"], one["patient"], one["subtype"]) == (
            image.label == "PNEUMONIA",
            image.patient.encode(),
            b"virus",
        )


def test_missing_shards_and_reports_are_named(tmp_path):
    with pytest.raises(JobError, match=r"has no \*\.tfrecord"):
        examples(tmp_path, SIZE)
    with pytest.raises(JobError, match=r"dataset\.json cannot be read"):
        read_card(tmp_path)
