"""One epoch of fine-tuning: ours from shards and in the arithmetic of the machine, against Keras' own way in float32.

    python -m benchmarks.fine_tuning --radiographs FOLDER

Both train the head and the last stage of the same ResNet50V2 at 220 px, batch normalisation frozen, on the same
images with random flip and zoom. Keras' own way is `image_dataset_from_directory`, augmentation layers and
`model.fit` in float32. Both are timed by turns in one process, each after an epoch that does not count.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from benchmarks import radiographs, reference
from model_code import fit, precision
from model_code.augment import Augmentation
from model_code.batches import UNWEIGHTED, Order, TrainingImages
from model_code.model import Classifier, Options, build

BATCH_SIZE = 32
LAST_STAGE = "last-stage"
ROUNDS = 3


def main() -> None:
    """Print a table of images a second."""
    options = radiographs.parser(__doc__)
    options.add_argument("--images", type=int, default=256, help="training images an epoch (default 256)")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = options.parse_args()
    paths = radiographs.chosen(chosen.radiographs / "chest_xray" / "train", chosen.images)
    policy = precision.policy("auto")
    with tempfile.TemporaryDirectory() as scratch:
        folder = radiographs.folder_of(paths, Path(scratch) / "files")
        shards = radiographs.shards_of(paths, Path(scratch) / "train", reference.SIZE)
        fit.prepare(1)
        # Random weights compute as long as pretrained ones; a file of them makes the backbone count as pretrained.
        weights = str(Path(scratch) / "random.weights.h5")
        keras.applications.ResNet50V2(
            include_top=False, weights=None, input_shape=(reference.SIZE, reference.SIZE, 3)
        ).save_weights(weights)
        classifier = build(Options(reference.SIZE, "ResNet50V2", weights, precision=policy))
        classifier.unfreeze(LAST_STAGE)
        classifier.trainee.compile(
            optimizer=keras.optimizers.Adam(1e-4), loss=keras.losses.BinaryCrossentropy(from_logits=True)
        )
        theirs = reference.model(weights, trainable_from=classifier.backbone.first_layer(LAST_STAGE))
        seconds: dict[str, list[float]] = {"keras, float32": [], f"this project, {policy}": []}
        for number in range(chosen.rounds + 1):
            for name, run in zip(
                seconds,
                (lambda: _keras(theirs, folder), lambda epoch=number: _ours(classifier, shards, len(paths), epoch)),
                strict=True,
            ):
                taken = run()
                print(f"epoch {number}: {name} {taken:.1f} s", flush=True)
                if number:
                    seconds[name].append(taken)
    print(f"\n| one fine-tuning epoch, {len(paths)} images | seconds (median) | images a second |\n| --- | --- | --- |")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.1f} | {len(paths) / median:.1f} |")
    ratios = [slow / fast for slow, fast in zip(*seconds.values(), strict=True)]
    print(f"\nratio, median of {chosen.rounds} epochs: {statistics.median(ratios):.2f}x")


def _keras(network: Any, folder: Path) -> float:
    data = keras.utils.image_dataset_from_directory(
        str(folder), label_mode="binary", image_size=(reference.SIZE,) * 2, batch_size=BATCH_SIZE, seed=1, verbose=False
    )
    augmentation = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomZoom((-reference.ZOOM_RANGE, reference.ZOOM_RANGE), fill_mode="nearest"),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0),
        ]
    )
    prepared = data.map(
        lambda images, labels: (augmentation(images, training=True), labels), num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)
    return _timed(network, prepared)


def _ours(classifier: Classifier, shards: Path, count: int, epoch: int) -> float:
    augmentation = Augmentation(0.5, reference.ZOOM_RANGE, 0.0, 0.0, 0.0)
    images = TrainingImages(shards, reference.SIZE, augmentation, 1, UNWEIGHTED)
    order = Order.of(count, reference.SIZE, batch_size=BATCH_SIZE, seed=1, epoch=epoch)
    return _timed(classifier.trainee, images.shuffled(order, epoch))


def _timed(network: Any, data: Any) -> float:
    started = time.perf_counter()
    network.fit(data, verbose=0)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
