"""Five epochs of training the head on a frozen backbone: ours on cached features, the reference through the backbone.

    python -m benchmarks.training.frozen_epochs --radiographs FOLDER --weights imagenet

Both train the same head on the same images and the same frozen ResNet50V2 at 220 px, and are scored on the same test
images. The reference is the notebook's loop (`ImageDataGenerator`, `model.fit`, float32), with the scaling that the
weights expect, as ours has. Ours begins with shards, which preprocessing makes once for all trainings; its time is
shown apart.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.data import radiographs
from benchmarks.training import reference
from model_code.export.saved_model import Scorer
from model_code.imaging.augmentation import Augmentation
from model_code.network.classifier import Options, build
from model_code.statistics.metrics import Array, auroc
from model_code.training import precision, training_loop
from model_code.training.batches import UNWEIGHTED, TrainingImages

EPOCHS = 5


def main() -> None:
    """Print a table of seconds and test AUROCs."""
    options = radiographs.parser(__doc__)
    options.add_argument("--weights", default="imagenet", help="imagenet, none, or a file of no-top weights")
    options.add_argument("--images", type=int, default=1024, help="training images (default 1024)")
    options.add_argument("--rounds", type=int, default=1)
    chosen = options.parse_args()
    train = radiographs.chosen(chosen.radiographs / "chest_xray" / "train", chosen.images)
    test = radiographs.chosen(chosen.radiographs / "chest_xray" / "test", 10_000)
    rows: list[tuple[float, float, float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = [radiographs.folder_of(paths, Path(scratch) / name) for paths, name in ((train, "a"), (test, "b"))]
        started = time.perf_counter()
        shards = radiographs.shards_of(train, Path(scratch) / "train", reference.SIZE)
        prepared = time.perf_counter() - started
        test_shards = radiographs.shards_of(test, Path(scratch) / "test", reference.SIZE)
        for number in range(chosen.rounds):
            theirs = _reference(*folders, chosen.weights)
            ours = _ours(shards, test_shards, len(train), chosen.weights)
            rows.append((*theirs, *ours))
            print(f"round {number + 1}: reference {theirs[0]:.0f} s, this project {ours[0]:.0f} s", flush=True)
    reference_seconds, reference_auroc, seconds, area = (
        statistics.median(column) for column in zip(*rows, strict=True)
    )
    print(f"\n| five frozen epochs, {len(train)} images | seconds | test AUROC |\n| --- | --- | --- |")
    print(f"| the reference loop | {reference_seconds:.0f} | {reference_auroc:.4f} |")
    print(f"| this project, feature cache | {seconds:.0f} | {area:.4f} |")
    print(f"| (its shards, once for all trainings) | {prepared:.0f} | |")
    ratios = [row[0] / row[2] for row in rows]
    print(f"\nratio, median of {chosen.rounds}: {statistics.median(ratios):.1f}x")


def _reference(train: Path, test: Path, weights: str) -> tuple[float, float]:
    keras.utils.set_random_seed(1)
    network = reference.model(None if weights == "none" else weights)
    scaling = keras.applications.resnet_v2.preprocess_input
    started = time.perf_counter()
    network.fit(reference.generator(train, scaling=scaling), epochs=EPOCHS, verbose=2)
    seconds = time.perf_counter() - started
    held_out = reference.generator(test, augmented=False, scaling=scaling)
    return seconds, _auroc(np.asarray(held_out.classes, np.float64), network.predict(held_out, verbose=0)[:, 0])


def _ours(train: Path, test: Path, count: int, weights: str) -> tuple[float, float]:
    training_loop.prepare(1)
    policy = precision.policy("auto")
    classifier = build(
        Options(image_size=reference.SIZE, backbone="ResNet50V2", backbone_weights=weights, precision=policy)
    )
    if weights == "none":
        raise SystemExit("Without weights there is no frozen backbone to compare: name a file.")
    images = TrainingImages(
        train, reference.SIZE, Augmentation(0.5, reference.ZOOM_RANGE, 0.0, 0.0, 0.0), 1, UNWEIGHTED
    )
    recipe = training_loop.Recipe(
        batch_size=reference.BATCH_SIZE,
        patience=EPOCHS,
        fine_tune_from="none",
        feature_views=1,
        label_smoothing=0.0,
        ema_momentum=0.0,
        precision=policy,
        xla="off",
    )
    started = time.perf_counter()
    # Validation takes no part: the reference's loop has none here. Each epoch counts as better than the one before.
    better = (
        training_loop.Validation(np.array([0.0, float(n)]), np.array([0.0, 1.0]), np.arange(2))
        for n in itertools.count(1)
    )
    scorer = Scorer(classifier, reference.SIZE)
    training_loop.Training(
        classifier,
        images,
        count=count,
        score=lambda: next(better),
        phases=[training_loop.Phase("head", EPOCHS, 1e-3)],
        recipe=recipe,
    ).run()
    seconds = time.perf_counter() - started
    found = training_loop.validate(scorer, test)
    return seconds, _auroc(found.labels, found.logits)


def _auroc(labels: Array, scores: Any) -> float:
    return float(auroc(labels, np.asarray(scores, np.float64), np.ones((1, len(labels))))[0])


if __name__ == "__main__":
    main()
