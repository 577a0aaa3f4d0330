"""Refusal rates of the out-of-distribution detector: of radiographs, and of images that are none.

    python -m benchmarks.evaluation.out_of_distribution --radiographs ../shared/data

Fits the detector on chest_xray/train and chest_xray/val as training does, and scores images that it has not seen: the
test split and the originals, the same after what may happen to radiographs on their way, and images that are no chest
radiographs (`benchmarks.evaluation.negatives`), which are drawn or cut from what installed packages hold. Nothing is
downloaded.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.data.radiographs import parser, shards_of
from benchmarks.evaluation import negatives
from model_code.archive.file_names import patient_of
from model_code.contract.labels import LABELS
from model_code.imaging.decoding import pixels_from_bytes
from model_code.network import out_of_distribution

# Other images than those that were looked at when the detector was designed.
_SEED = 20


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=220, help="edge of the images in pixels, default 220")
    options.add_argument("--negatives", type=int, default=200, help="images of each kind, default 200")
    chosen = options.parse_args()
    folder = chosen.radiographs / "chest_xray"
    with tempfile.TemporaryDirectory() as scratch:
        train, validation = (
            shards_of(_files(folder / name), Path(scratch, name), chosen.size) for name in ("train", "val")
        )
        started = time.monotonic()
        fitted, record = out_of_distribution.fit(train, validation, chosen.size)
    print(f"Fitted on {record['training_images']} images of {chosen.size} px in {time.monotonic() - started:.1f} s.")
    print(f"{record['sentence']} Limit {record['limit']:.2f}: {record['limit_from']}.\n")
    score = _scorer(fitted, chosen.size)
    test, originals = _files(folder / "test"), _files(chosen.radiographs / "chest_xray_original")
    unseen = [*test, *originals]
    _refusals("test split", score(path.read_bytes() for path in test), test)
    _refusals("originals", score(path.read_bytes() for path in originals), originals)
    _refusals("both", score(path.read_bytes() for path in unseen), unseen)
    for name, change in negatives.HARMLESS.items():
        _refusals(f"both, {name}", score(_changed(unseen, change)), unseen)
    print()
    for number, (name, make) in enumerate(negatives.MADE.items()):
        made = (make(np.random.default_rng([_SEED, number, index])) for index in range(chosen.negatives))
        _detections(name, score(_png(image) for image in made))
    print()
    for name, change in negatives.CHANGED.items():
        _detections(f"radiograph, {name}", score(_changed(unseen, change)))
    _time(fitted, chosen.size)


def _files(folder: Path) -> list[Path]:
    return sorted(path for label in LABELS for path in (folder / label).iterdir())


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("L").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _changed(paths: Iterable[Path], change: negatives.Change) -> Iterable[bytes]:
    for path in paths:
        with Image.open(path) as opened:
            yield _png(change(opened.convert("L")))


def _scorer(fitted: out_of_distribution.Detector | None, size: int) -> Callable[[Iterable[bytes]], Any]:
    """Out-of-distribution scores of encoded images, one at a time."""
    traced = tf.function(
        lambda encoded: out_of_distribution.score(
            fitted, tf.cast(pixels_from_bytes(encoded, size), tf.float32)[tf.newaxis]
        )[0],
        input_signature=[tf.TensorSpec((), tf.string)],
    )
    return lambda images: np.array([float(traced(encoded)) for encoded in images])


def _refusals(name: str, values: Any, paths: list[Path]) -> None:
    found = out_of_distribution.refusals(values, [patient_of(path.name, fallback=path.name)[0] for path in paths])
    low, high = found["false_refusal_rate"]["confidence_interval"]
    share = found["refused"] / len(values)
    print(
        f"{name:40} refused {found['refused']:3} of {len(values)}, {share:6.2%} ({low:.2%} to {high:.2%})", flush=True
    )


def _detections(name: str, values: Any) -> None:
    refused = int((values > 1).sum())
    print(
        f"{name:40} refused {refused:3} of {len(values)}, {refused / len(values):6.1%}, "
        f"out_of_distribution_score {values.min():.2f} to {values.max():.2f}, median {np.median(values):.2f}",
        flush=True,
    )


def _time(fitted: out_of_distribution.Detector | None, size: int) -> None:
    """Print the additional time of an answer."""
    traced = tf.function(
        lambda pixels: out_of_distribution.score(fitted, pixels),
        input_signature=[tf.TensorSpec((None, size, size, 1))],
    )
    pixels = tf.random.uniform((1, size, size, 1), 0, 255)
    traced(pixels)
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        traced(pixels).numpy()
        seconds.append(time.perf_counter() - started)
    print(f"\nOne image of {size} px takes {1000 * np.median(seconds):.2f} ms.")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
