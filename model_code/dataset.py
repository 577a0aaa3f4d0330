"""TFRecord shards of decoded radiographs: how preprocessing writes them and how training and evaluation read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from model_code.archive import LABELS
from model_code.job import JobError
from model_code.split import Radiograph

# Held in memory from the second epoch on when all pixels of a split fit; read from the shards again otherwise.
CACHE_BYTES = 2 * 2**30
SHUFFLE_BYTES = 256 * 2**20
# The reference's augmentation (ImageDataGenerator: horizontal_flip=True, zoom_range=0.3).
ZOOM_RANGE = 0.3

_FEATURES = {
    "pixels": tf.io.FixedLenFeature((), tf.string),
    "label": tf.io.FixedLenFeature((), tf.int64),
    "patient": tf.io.FixedLenFeature((), tf.string),
    "path": tf.io.FixedLenFeature((), tf.string),
    "subtype": tf.io.FixedLenFeature((), tf.string),
}


def write_shards(directory: Path, split: str, images: Iterable[tuple[Radiograph, bytes]], count: int) -> None:
    """Write a split as `<split>-00000-of-00004.tfrecord` and so on, in the order given, dealt out one by one.

    Args:
        directory: where the shards go.
        split: train, validation or test.
        images: each radiograph with its pixels (uint8, row by row).
        count: number of shards.
    """
    names = [directory / f"{split}-{index:05d}-of-{count:05d}.tfrecord" for index in range(count)]
    writers = [tf.io.TFRecordWriter(str(name)) for name in names]
    for index, (image, pixels) in enumerate(images):
        feature = {
            "pixels": _bytes(pixels),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[LABELS.index(image.label)])),
            "patient": _bytes(image.patient.encode()),
            "path": _bytes(image.path.encode("utf-8", "surrogateescape")),
            "subtype": _bytes(image.subtype.encode()),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writers[index % count].write(example.SerializeToString())
    for writer in writers:
        writer.close()


def read_card(directory: Path) -> dict[str, Any]:
    """The dataset card that preprocessing wrote.

    Raises:
        JobError: when the directory has no readable dataset.json.
    """
    path = directory / "dataset.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError) as error:
        raise JobError(f"The dataset report {path} cannot be read: {error}.") from error


def examples(directory: Path, size: int) -> Any:
    """The examples of all shards in a directory, always in the same order.

    Args:
        directory: a channel or processing input that holds `*.tfrecord`.
        size: edge of the images in pixels.

    Returns:
        tf.data.Dataset of {"pixels": uint8 (size, size, 1), "label": int64, "patient", "path", "subtype": string}.

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
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def training_batches(directory: Path, size: int, *, images: int, batch_size: int, seed: int) -> Any:
    """Shuffled, augmented batches; each pass over the result is one epoch with a new order and new augmentation.

    Whole batches only: a last batch of a few images would upset the statistics of batch normalisation.

    Args:
        directory: holds the training shards.
        size: edge of the images in pixels.
        images: number of images in the shards.
        batch_size: images a batch, at most `images`.
        seed: of order and augmentation.

    Returns:
        tf.data.Dataset of (float32 (batch_size, size, size, 1) in 0..255, float32 (batch_size, 1)).
    """
    data = examples(directory, size).map(lambda one: (one["pixels"], one["label"]))
    if images * size * size <= CACHE_BYTES:
        data = data.cache()
    data = data.shuffle(min(images, max(1024, SHUFFLE_BYTES // (size * size))), seed=seed)
    data = data.batch(batch_size, drop_remainder=True)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)

    def prepare(batch: tuple[Any, Any], batch_seed: Any) -> tuple[Any, Any]:
        pixels, labels = batch
        return augment(tf.cast(pixels, tf.float32), batch_seed), tf.cast(labels[:, tf.newaxis], tf.float32)

    prepared = tf.data.Dataset.zip((data, seeds)).map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    # Known to Keras beforehand, so that it does not take the end of an epoch for data running out.
    return prepared.apply(tf.data.experimental.assert_cardinality(images // batch_size)).prefetch(2)


def augment(pixels: Any, seed: Any) -> Any:
    """Mirror half of the images left to right, and zoom each by factors within 1 +- ZOOM_RANGE, one for each axis.

    Args:
        pixels: float32 (n, size, size, 1).
        seed: two integers; the same seed gives the same images.

    Returns:
        Images of the same shape; what a zoom shows from outside repeats the nearest edge pixel.
    """
    count, size = tf.shape(pixels)[0], tf.shape(pixels)[1]
    draws = tf.random.stateless_uniform((count, 3), seed)
    scale = 1.0 - ZOOM_RANGE + 2.0 * ZOOM_RANGE * draws[:, :2]
    mirrored = tf.where(draws[:, 2] < 0.5, -scale[:, 0], scale[:, 0])
    center = tf.cast(size - 1, tf.float32) / 2.0
    zeros = tf.zeros((count,))
    # Rows of the projective transform from output to input coordinates: x' = a x + c, y' = e y + f.
    transforms = tf.stack(
        [mirrored, zeros, center * (1 - mirrored), zeros, scale[:, 1], center * (1 - scale[:, 1]), zeros, zeros], axis=1
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=tf.stack([size, size]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def read_columns(data: Any, names: Iterable[str], batch_size: int = 64) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Batches for scoring: pixels as float32 (n, size, size, 1), and the named columns as numpy arrays."""
    wanted = tuple(names)
    for batch in data.batch(batch_size).prefetch(2):
        yield tf.cast(batch["pixels"], tf.float32), {name: batch[name].numpy() for name in wanted}


def _bytes(value: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
