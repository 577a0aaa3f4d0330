"""Share of wrong labels that are among the first of the ranking: labels are flipped, and looked for.

    python -m benchmarks.evaluation.suspect_labels --radiographs FOLDER
    python -m benchmarks.evaluation.suspect_labels --radiographs FOLDER --network MobileNetV2 --seeds 1

Of all images of FOLDER/chest_xray a share gets the other label, drawn image by image, whatever the label: of patients
with several images the others keep theirs. A ranking at random has 5 % of them among its first 5 %. --network also
trains a network on the flipped labels, as training does from scratch, and ranks by what that one knows. The interval is
Student's over the seeds.
"""

from __future__ import annotations

import dataclasses
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.stats import t as student

from benchmarks.data import radiographs
from model_code.archive.file_names import patient_of
from model_code.contract.labels import LABELS, SPLITS
from model_code.data.patient_split import Radiograph
from model_code.data.shards import examples, read_columns, write_shards
from model_code.evaluation.suspect_labels import Labelled, cross_fitted, read
from model_code.imaging.augmentation import Augmentation
from model_code.imaging.decoding import pixels_from_bytes
from model_code.network.classifier import Classifier, Options, build
from model_code.statistics.intervals import patient_numbers
from model_code.statistics.metrics import Array
from model_code.training.batches import UNWEIGHTED, Order, TrainingImages

FIRST = 0.05
_THUMBNAIL = 1024
_FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def main() -> None:
    """Print a table of shares found."""
    options = radiographs.parser(__doc__)
    options.add_argument("--size", type=int, default=64, help="edge of the images in pixels (default %(default)s)")
    options.add_argument("--flipped", type=float, default=0.02, help="share of the labels (default %(default)s)")
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--network", metavar="BACKBONE", help="train one for each seed, too")
    options.add_argument("--epochs", type=int, default=10, help="of the network (default %(default)s)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        kept = None
        found: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(chosen.seeds):
            if kept is None or chosen.network:
                # A network reads its labels from the shards; what describes the images knows none.
                directories, given = _shards(chosen.radiographs, Path(scratch, str(seed)), chosen, seed)
                started = time.monotonic()
                kept = kept or dataclasses.replace(read(directories, chosen.size), labels=given.true)
                print(f"{len(given.true)} images described in {time.monotonic() - started:.1f} s", flush=True)
            given = Given.flipped(kept.labels, chosen.flipped, seed)
            ways = _ways(kept)
            if chosen.network:
                ways |= _by_network(_trained(directories, chosen, seed), directories, chosen.size, kept)
            for name, probabilities in ways.items():
                started, cpu = time.monotonic(), time.process_time()
                share = given.found(probabilities(given.labels))
                found.setdefault(name, []).append((share, time.monotonic() - started, time.process_time() - cpu))
                print(f"seed {seed}: {name}: {share:.3f} found", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\n{len(kept.paths) if kept else 0} images, {chosen.flipped:.0%} flipped, {chosen.size} px, peak {peak:.0f} MB"
    )
    print(f"| ranked by | among the first {FIRST:.0%} (95 % interval) | seconds | CPU seconds |")
    print("| --- | --- | --- | --- |")
    for name, rows in found.items():
        shares, wall, processor = (np.asarray(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {_interval(shares)} | {np.median(wall):.1f} | {np.median(processor):.1f} |")


@dataclasses.dataclass(frozen=True)
class Given:
    """True labels, and those given, of which some are wrong; zeros and ones, (n,)."""

    true: Any
    labels: Any

    @classmethod
    def flipped(cls, true: Any, share: float, seed: int) -> Given:
        """With so many flipped, each image as likely as any other."""
        wrong = np.random.default_rng(seed).choice(len(true), round(share * len(true)), replace=False)
        labels = true.copy()
        labels[wrong] = 1 - labels[wrong]
        return cls(true, labels)

    def found(self, probabilities: Array) -> float:
        """Share of the wrong labels among the first of the ranking by a probability of PNEUMONIA, (n,)."""
        scores = np.where(self.labels == 1, probabilities, 1 - probabilities)
        first = np.argsort(scores, kind="stable")[: round(FIRST * len(scores))]
        wrong = self.true != self.labels
        return float(wrong[first].sum() / wrong.sum())


def _interval(shares: Array) -> str:
    if len(shares) < 2:
        return f"{shares.mean():.3f}"
    half = student.ppf(0.975, len(shares) - 1) * shares.std(ddof=1) / np.sqrt(len(shares))
    return f"{shares.mean():.3f} ({shares.mean() - half:.3f} to {shares.mean() + half:.3f})"


def _ways(images: Labelled) -> dict[str, Callable[[Any], Array]]:
    patients = patient_numbers(images.patients)
    random = np.random.default_rng(0)
    return {
        "chance": lambda labels: random.random(len(labels)),
        "thumbnail": lambda labels: cross_fitted(images.descriptions[:, :_THUMBNAIL], labels, patients),
        "the detector's descriptions": lambda labels: cross_fitted(images.descriptions, labels, patients),
    }


def _shards(folder: Path, directory: Path, chosen: Any, seed: int) -> tuple[dict[str, Path], Given]:
    """Shards of each split with flipped labels, and the labels in the order in which they are read."""
    decode = tf.function(
        lambda encoded: pixels_from_bytes(encoded, chosen.size), input_signature=[tf.TensorSpec((), tf.string)]
    )
    images: list[tuple[str, Path, Radiograph]] = []
    for split in SPLITS:
        own = sorted((folder / "chest_xray" / _FOLDERS[split]).rglob("*.jpeg"))
        for number in np.random.default_rng(0).permutation(len(own)):
            path = own[number]
            patient, subtype = patient_of(path.name, fallback=path.name)
            images.append((split, path, Radiograph(path.name, path.parent.name, split, patient, subtype, "", 0)))
    true = np.asarray([LABELS.index(image.label) for _, _, image in images])
    given = Given.flipped(true, chosen.flipped, seed)
    directories = {split: directory / split for split in SPLITS}
    for split, target in directories.items():
        target.mkdir(parents=True)
        write_shards(
            target,
            split,
            (
                (dataclasses.replace(image, label=LABELS[label]), decode(path.read_bytes()).numpy().tobytes())
                for (of, path, image), label in zip(images, given.labels, strict=True)
                if of == split
            ),
            1,  # read in the order in which they are written
        )
    return directories, given


def _trained(directories: dict[str, Path], chosen: Any, seed: int) -> Classifier:
    """A network from scratch on the flipped labels of train."""
    keras.utils.set_random_seed(seed)
    classifier = build(Options(image_size=chosen.size, backbone=chosen.network, backbone_weights="none"))
    images = TrainingImages(directories["train"], chosen.size, Augmentation(0.5, 0.3, 5.0, 0.05, 0.1), seed, UNWEIGHTED)
    count = sum(1 for _ in examples(directories["train"], chosen.size))
    model = classifier.trainee
    order = [Order.of(count, chosen.size, batch_size=64, seed=seed, epoch=epoch) for epoch in range(chosen.epochs)]
    rate = keras.optimizers.schedules.CosineDecay(1e-3, chosen.epochs * order[0].steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=keras.losses.BinaryCrossentropy(from_logits=True))
    for epoch, images_in_order in enumerate(order):
        done = model.fit(images.shuffled(images_in_order, epoch), verbose=0, shuffle=False)
        print(f"epoch {epoch + 1}: loss {done.history['loss'][0]:.3f}", flush=True)
    classifier.take_over()
    return classifier


def _by_network(
    classifier: Classifier, directories: dict[str, Path], size: int, images: Labelled
) -> dict[str, Callable[[Any], Array]]:
    patients, unseen = patient_numbers(images.patients), np.asarray(images.splits) != "train"
    features, logits = [], []
    for directory in directories.values():
        for pixels, _ in read_columns(examples(directory, size), ()):
            features.append(classifier.features(pixels, training=False).numpy())
            logits.append(classifier.network(pixels, training=False).numpy()[:, 0])
    pooled, own = np.concatenate(features), np.concatenate(logits).astype(np.float64)

    def mixed(labels: Any, share: float) -> Array:
        """Cross-fitted on train; elsewhere the network has such a share of the logit."""
        fitted = cross_fitted(images.descriptions, labels, patients)
        logit = np.log(fitted / (1 - fitted))
        return _probability(np.where(unseen, share * own + (1 - share) * logit, logit))

    return {
        "the network, on what it was trained on too": lambda _: _probability(own),
        "its features, cross-fitted": lambda labels: cross_fitted(pooled, labels, patients),
        "descriptions; validation and test by the network": lambda labels: mixed(labels, 1.0),
        "descriptions; validation and test by both": lambda labels: mixed(labels, 0.5),
    }


def _probability(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)))


if __name__ == "__main__":
    main()
