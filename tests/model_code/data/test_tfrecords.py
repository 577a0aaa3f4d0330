"""Records are found and copied without TensorFlow, and TensorFlow reads the copies."""

from __future__ import annotations

import pytest

from model_code.contract.job import JobError
from model_code.data.tfrecords import copy, records, shard_count, shard_names


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global tf
    import tensorflow as tf


def write(directory, name, contents, count):
    writers = [tf.io.TFRecordWriter(str(directory / shard)) for shard in shard_names(name, count)]
    for index, content in enumerate(contents):
        writers[index % count].write(content)
    for writer in writers:
        writer.close()


def read(directory, name, count):
    return [
        content.numpy()
        for shard in shard_names(name, count)
        for content in tf.data.TFRecordDataset(str(directory / shard))
    ]


def test_copies_are_what_was_copied_in_the_order_asked_for(tmp_path):
    contents = [bytes([number]) * (number * 7) for number in range(11)]
    write(tmp_path, "old", contents, 3)
    found = records(tmp_path, "old", 3)
    assert len(found) == len(contents)
    order = [7, 3, 10, 0, 5]
    copy([found[index] for index in order], tmp_path, "new", 2)
    assert read(tmp_path, "new", 2) == [contents[index] for index in (7, 10, 5, 3, 0)]


def test_a_shard_that_ends_inside_a_record_is_refused(tmp_path):
    write(tmp_path, "old", [b"one", b"two"], 1)
    (shard,) = tmp_path.glob("*.tfrecord")
    whole = shard.read_bytes()
    for length in (len(whole) - 1, len(whole) - 10, len(whole) // 2 + 5):
        shard.write_bytes(whole[:length])
        with pytest.raises(JobError, match="ends inside a record"):
            records(tmp_path, "old", 1)


def test_an_absent_shard_and_a_shard_without_its_share_are_refused(tmp_path):
    write(tmp_path, "old", [b"one", b"two", b"three"], 2)
    first, second = (tmp_path / name for name in shard_names("old", 2))
    second.write_bytes(b"")
    with pytest.raises(JobError, match="not whole"):
        records(tmp_path, "old", 2)
    first.unlink()
    with pytest.raises(JobError, match="cannot be read"):
        records(tmp_path, "old", 2)


@pytest.mark.parametrize(("images", "size", "shards"), [(3, 64, 3), (272, 64, 4), (5216, 220, 4), (100_000, 220, 73)])
def test_shards_are_several_and_of_moderate_size(images, size, shards):
    assert shard_count(images, size) == shards
