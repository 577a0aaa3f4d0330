"""Rate of augmented training images: ours from shards, the reference from the original files.

    python -m benchmarks.training.input_pipeline --radiographs FOLDER

The reference is Keras' ImageDataGenerator on the original-size JPEGs, which it decodes and resizes in every epoch. Ours
reads what preprocessing decoded once. Both mirror and zoom at random and give batches of 64 images of 220 px. Both are
timed by turns in one process; the median over the rounds counts.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.data import radiographs
from benchmarks.training import reference
from model_code.imaging.augmentation import Augmentation
from model_code.training.batches import UNWEIGHTED, Order, TrainingImages

COPIES = 16
ROUNDS = 5


def main() -> None:
    """Print a table of images a second."""
    options = radiographs.parser(__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = options.parse_args()
    paths = radiographs.chosen(chosen.radiographs / "chest_xray_original", 10_000)
    with tempfile.TemporaryDirectory() as scratch:
        shards = radiographs.shards_of(paths, Path(scratch) / "train", reference.SIZE, copies=COPIES)
        images = TrainingImages(
            shards, reference.SIZE, Augmentation(0.5, reference.ZOOM_RANGE, 0.0, 0.0, 0.0), 1, UNWEIGHTED
        )
        count = COPIES * len(paths)
        generator = reference.generator(chosen.radiographs / "chest_xray_original")
        rates: dict[str, list[float]] = {"ImageDataGenerator": [], "this project": []}
        for epoch in range(chosen.rounds + 1):  # the first warms up and does not count
            order = Order.of(count, reference.SIZE, batch_size=reference.BATCH_SIZE, seed=1, epoch=epoch)
            for name, batches in (
                ("ImageDataGenerator", _once(generator)),
                ("this project", images.shuffled(order, epoch)),
            ):
                rate = _rate(batches)
                if epoch:
                    rates[name].append(rate)
                    print(f"round {epoch}: {name} {rate:.0f} images a second", flush=True)
    print("\n| input, augmented, 220 px | images a second (median) | least | greatest |\n| --- | --- | --- | --- |")
    for name, values in rates.items():
        print(f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} | {max(values):.0f} |")
    ratios = [ours / theirs for theirs, ours in zip(*rates.values(), strict=True)]
    print(f"\nratio, median of {chosen.rounds} rounds: {statistics.median(ratios):.1f}x")


def _once(generator: Any) -> Iterator[Any]:
    """One epoch of an endless generator."""
    return (generator[index] for index in range(len(generator)))


def _rate(batches: Iterable[Any]) -> float:
    started = time.perf_counter()
    images = sum(len(batch[0]) for batch in batches)
    return images / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
