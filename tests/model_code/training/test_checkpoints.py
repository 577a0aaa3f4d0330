"""A checkpoint is whole or absent, and belongs to one training."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.contract.job import JobError
from model_code.training.checkpoints import Checkpoints, Progress

FINGERPRINT = {"seed": 1, "dataset": "ab"}


def progress() -> Progress:
    return Progress(
        phase=1,
        epoch=2,
        waited=1,
        history=[{"epoch": 1, "loss": 0.123456789}],
        best=(0.9, -0.25),
        arrays={"weights": [np.arange(4.0), np.eye(2, dtype=np.float32)], "seeds": [np.array([1, 2], np.uint32)]},
    )


def test_what_was_written_is_read(tmp_path):
    Checkpoints(tmp_path, FINGERPRINT).write(progress())
    assert Checkpoints(tmp_path, FINGERPRINT).exists
    found = Checkpoints(tmp_path, FINGERPRINT).read()
    assert found is not None
    expected = progress()
    assert (found.phase, found.epoch, found.waited) == (1, 2, 1)
    assert (found.history, found.best) == (expected.history, expected.best)
    for group, arrays in expected.arrays.items():
        for array, stored in zip(arrays, found.arrays[group], strict=True):
            assert stored.dtype == array.dtype
            np.testing.assert_array_equal(stored, array)


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert not Checkpoints(tmp_path, FINGERPRINT).exists
    assert Checkpoints(tmp_path, FINGERPRINT).read() is None


def test_trainings_that_share_a_directory_keep_to_their_own_checkpoint(tmp_path):
    """As the trials of a tuning job do, and a second execution with other parameters."""
    mine, other = (Checkpoints(tmp_path, FINGERPRINT | {"seed": seed}) for seed in (1, 2))
    mine.write(progress())
    assert other.read() is None
    other.write(Progress(epoch=7))
    found = mine.read()
    assert found is not None
    assert found.epoch == 2


def test_a_write_that_was_cut_off_leaves_the_older_one(tmp_path):
    Checkpoints(tmp_path, FINGERPRINT).write(progress())
    (whole,) = tmp_path.glob("*.npz")
    whole.with_suffix(".partial").write_bytes(b"half")
    assert Checkpoints(tmp_path, FINGERPRINT).read() is not None


def test_a_damaged_checkpoint_says_what_to_do(tmp_path):
    Checkpoints(tmp_path, FINGERPRINT).write(progress())
    (whole,) = tmp_path.glob("*.npz")
    whole.write_bytes(b"not a zip")
    with pytest.raises(JobError, match="remove it from the execution's checkpoints prefix"):
        Checkpoints(tmp_path, FINGERPRINT).read()


def test_a_checkpoint_is_due_once_the_interval_has_passed(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    assert not checkpoints.due
    monkeypatch.setattr("model_code.training.checkpoints.INTERVAL_SECONDS", 0.0)
    assert checkpoints.due


def test_a_training_that_is_done_leaves_nothing_to_go_on_from_and_nothing_large(tmp_path):
    """Empty files, not none: what SageMaker has copied is replaced by what changes, and not known to go with it."""
    directory = tmp_path / "checkpoints"
    directory.mkdir()
    checkpoints = Checkpoints(directory, FINGERPRINT)
    checkpoints.finish()
    assert not list(directory.iterdir())
    checkpoints.write(progress())
    (written,) = (path.name for path in directory.iterdir())
    checkpoints.finish()
    assert (directory / written).stat().st_size == 0
    assert sum(path.stat().st_size for path in directory.iterdir()) == 0
    again = Checkpoints(directory, FINGERPRINT)
    assert not again.exists
    assert again.read() is None
    again.write(progress())
    assert again.read() is not None
