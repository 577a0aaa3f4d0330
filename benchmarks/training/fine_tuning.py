"""One epoch of fine-tuning: ours from shards and in the arithmetic of the machine, against Keras' own way in float32.

    python -m benchmarks.training.fine_tuning --radiographs FOLDER

Both train the head and the last stage of the same ResNet50V2 at 220 px, batch normalisation frozen, on the same
images with random flip and zoom. Keras' own way is `image_dataset_from_directory`, augmentation layers and
`model.fit` in float32; it decodes the files in every epoch. `--folder chest_xray/train` compares on files of 224 px
instead of the original ones. Both are timed by turns in one process, each after an epoch that does not count.

CPU seconds are shown too: on a shared machine the two threads of one process sometimes get one core between them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from benchmarks.data import radiographs
from benchmarks.training import reference
from model_code.imaging.augmentation import Augmentation
from model_code.network.classifier import Classifier, Options, build
from model_code.training import precision
from model_code.training.batches import UNWEIGHTED, Order, TrainingImages

BATCH_SIZE = 32
LAST_STAGE = "last-stage"
ROUNDS = 5


class Seconds(NamedTuple):
    """Of one epoch."""

    wall: float
    cpu: float


def main() -> None:
    """Print a table of images a second."""
    options = radiographs.parser(__doc__)
    options.add_argument("--images", type=int, default=512, help="training images an epoch (default 512)")
    options.add_argument("--folder", default="chest_xray_original", help="of the radiographs (default %(default)s)")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = options.parse_args()
    found = radiographs.chosen(chosen.radiographs / chosen.folder, chosen.images)
    copies = -(-chosen.images // len(found))
    count = copies * len(found)
    policy = precision.policy("auto")
    with tempfile.TemporaryDirectory() as scratch:
        folder = radiographs.folder_of(found, Path(scratch) / "files", copies=copies)
        shards = radiographs.shards_of(found, Path(scratch) / "train", reference.SIZE, copies=copies)
        keras.utils.set_random_seed(1)
        # Random weights compute as long as pretrained ones; a file of them makes the backbone count as pretrained.
        weights = str(Path(scratch) / "random.weights.h5")
        keras.applications.ResNet50V2(
            include_top=False, weights=None, input_shape=(reference.SIZE, reference.SIZE, 3)
        ).save_weights(weights)
        classifier = build(
            Options(image_size=reference.SIZE, backbone="ResNet50V2", backbone_weights=weights, precision=policy)
        )
        classifier.unfreeze(LAST_STAGE)
        classifier.trainee.compile(
            optimizer=keras.optimizers.Adam(1e-4), loss=keras.losses.BinaryCrossentropy(from_logits=True)
        )
        theirs = reference.model(weights, trainable_from=classifier.backbone.first_layer(LAST_STAGE))
        taken: dict[str, list[Seconds]] = {"Keras, float32": [], f"this project, {policy}": []}
        for number in range(chosen.rounds + 1):
            for name, run in zip(
                taken,
                (lambda: _keras(theirs, folder), lambda epoch=number: _ours(classifier, shards, count, epoch)),
                strict=True,
            ):
                seconds = run()
                print(f"epoch {number}: {name} {seconds.wall:.1f} s, {seconds.cpu:.1f} CPU seconds", flush=True)
                if number:
                    taken[name].append(seconds)
    print(f"\n| one fine-tuning epoch, {count} images | seconds (median) | CPU seconds (median) |\n| --- | --- | --- |")
    for name, rounds in taken.items():
        wall, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"| {name} | {wall:.1f} | {cpu:.1f} |")
    pairs = list(zip(*taken.values(), strict=True))
    wall, cpu = (statistics.median(slow[index] / fast[index] for slow, fast in pairs) for index in (0, 1))
    print(f"\nratio, median of {chosen.rounds} epochs: {wall:.2f}x, of CPU seconds {cpu:.2f}x")


def _keras(network: Any, folder: Path) -> Seconds:
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


def _ours(classifier: Classifier, shards: Path, count: int, epoch: int) -> Seconds:
    augmentation = Augmentation(0.5, reference.ZOOM_RANGE, 0.0, 0.0, 0.0)
    images = TrainingImages(shards, reference.SIZE, augmentation, 1, UNWEIGHTED)
    order = Order.of(count, reference.SIZE, batch_size=BATCH_SIZE, seed=1, epoch=epoch)
    return _timed(classifier.trainee, images.shuffled(order, epoch))


def _timed(network: Any, data: Any) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    network.fit(data, verbose=0)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()
