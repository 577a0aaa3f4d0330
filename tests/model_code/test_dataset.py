"""Shards give back what was written; augmentation is seeded and changes geometry only."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model_code.dataset import augment, examples, read_card, training_batches, write_shards
from model_code.job import JobError
from model_code.split import Radiograph

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


def test_training_batches_are_whole_seeded_and_different_each_epoch(shards):
    directory, _ = shards

    def two_epochs(seed):
        data = training_batches(directory, SIZE, images=23, batch_size=8, seed=seed)
        return [[(pixels.numpy(), labels.numpy()) for pixels, labels in data] for _ in range(2)]

    first, second = two_epochs(5)
    assert [pixels.shape for pixels, _ in first] == [(8, SIZE, SIZE, 1)] * 2
    assert {labels.shape for _, labels in first} == {(8, 1)}
    again, _ = two_epochs(5)
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert not np.array_equal(first[0][0], second[0][0])
    assert not np.array_equal(first[0][0], two_epochs(6)[0][0][0])


def test_augmentation_mirrors_and_zooms_without_inventing_grey_values():
    ramp = np.tile(np.linspace(10, 250, SIZE, dtype=np.float32), (SIZE, 1))[np.newaxis, :, :, np.newaxis]
    images = augment(tf.repeat(ramp, 64, axis=0), tf.constant([1, 2])).numpy()[..., 0]
    # Every row of a horizontal ramp stays a ramp: rising as it was, falling where the image is mirrored.
    rising = images[:, 16, -1] > images[:, 16, 0]
    assert 16 < rising.sum() < 48
    assert images.min() >= 10
    assert images.max() <= 250.001
    spans = np.abs(images[:, 16, -1] - images[:, 16, 0]) / 240
    assert spans.min() == pytest.approx(0.7, abs=0.05)  # zoomed in: the ramp's ends are outside
    assert spans.max() == pytest.approx(1.0, abs=0.01)
    # The center stays where it is.
    np.testing.assert_allclose(images[:, 15:17, 15:17].mean(axis=(1, 2)), 130, atol=1)


def test_missing_shards_and_reports_are_named(tmp_path):
    with pytest.raises(JobError, match=r"has no \*\.tfrecord"):
        examples(tmp_path, SIZE)
    with pytest.raises(JobError, match=r"dataset\.json cannot be read"):
        read_card(tmp_path)
