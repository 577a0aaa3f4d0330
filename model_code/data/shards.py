"""TFRecord shards of decoded radiographs: how preprocessing writes them and how training and evaluation read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from model_code.contract.job import JobError
from model_code.contract.labels import LABELS
from model_code.data.patient_split import Radiograph
from model_code.data.tfrecords import shard_names

_FEATURES = {
    "pixels": tf.io.FixedLenFeature((), tf.string),
    "label": tf.io.FixedLenFeature((), tf.int64),
    "patient": tf.io.FixedLenFeature((), tf.string),
    "path": tf.io.FixedLenFeature((), tf.string),
    "subtype": tf.io.FixedLenFeature((), tf.string),
    # Of the file, before it was resized.
    "width": tf.io.FixedLenFeature((), tf.int64),
    "height": tf.io.FixedLenFeature((), tf.int64),
    # A JSON object; other files than DICOM name none.
    "groups": tf.io.FixedLenFeature((), tf.string, default_value=""),
}


def write_shards(directory: Path, name: str, images: Iterable[tuple[Radiograph, bytes]], count: int) -> None:
    """Write images as `<name>-00000-of-00004.tfrecord` and so on, in the order given, dealt out one by one.

    Args:
        name: how their names begin, for example with the split.
        images: each radiograph with its pixels (uint8, row by row); read once.
    """
    writers = [tf.io.TFRecordWriter(str(directory / shard)) for shard in shard_names(name, count)]
    for index, (image, pixels) in enumerate(images):
        feature = {
            "pixels": _bytes(pixels),
            "label": _integer(LABELS.index(image.label)),
            "patient": _bytes(image.patient.encode("utf-8", "surrogateescape")),
            "path": _bytes(image.path.encode("utf-8", "surrogateescape")),
            "subtype": _bytes(image.subtype.encode()),
            "width": _integer(image.width),
            "height": _integer(image.height),
        }
        if image.groups:
            feature["groups"] = _bytes(image.groups.encode())
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writers[index % count].write(example.SerializeToString())
    for writer in writers:
        writer.close()


def examples(directory: Path, size: int) -> Any:
    """The examples of all shards in a directory, always in the same order.

    Args:
        directory: a channel or processing input that holds `*.tfrecord`.
        size: edge of the images in pixels.

    Returns:
        tf.data.Dataset of {"pixels": uint8 (size, size, 1), "label": int64, "patient", "path", "subtype",
        "groups": string, "width", "height": int64}.

    Raises:
        JobError: when the directory has no shards.
    """
    shards = sorted(str(path) for path in directory.glob("*.tfrecord"))
    if not shards:
        raise JobError(f"{directory} has no *.tfrecord shards.")

    def parse(serialized: Any) -> dict[str, Any]:
        example = tf.io.parse_single_example(serialized, _FEATURES)
        example["pixels"] = tf.reshape(tf.io.decode_raw(example["pixels"], tf.uint8), (size, size, 1))
        return dict(example)

    records = tf.data.Dataset.from_tensor_slices(shards).interleave(
        tf.data.TFRecordDataset, cycle_length=len(shards), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).with_options(options())


def options() -> Any:
    """Options of tf.data for all datasets here.

    Without its autotuner: that sleeps twice as long each time it has looked (10 ms, then 20, ... 10 s, 20 s), and the
    end of an epoch waits until it wakes (TensorFlow 2.21: epochs of 10.3 s took 20.5). AUTOTUNE then means as many
    threads as there are.

    Without sharding: with several replicas each batch is shared out, but files are not: one machine reads them once.
    """
    chosen = tf.data.Options()
    chosen.autotune.enabled = False
    chosen.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return chosen


def read_columns(data: Any, names: Iterable[str]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Batches for scoring: pixels as float32 (n, size, size, 1), and the named columns as numpy arrays."""
    wanted = tuple(names)
    for batch in data.batch(64).prefetch(2):
        yield tf.cast(batch["pixels"], tf.float32), {name: batch[name].numpy() for name in wanted}


def _bytes(value: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> Any:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
