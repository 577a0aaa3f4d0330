"""Logits of one training, by epoch and by view of the images: what `benchmarks.evaluation.calibration` compares.

    python -m benchmarks.training.calibration_scores --radiographs FOLDER --seed 1 --output build/calibration/1

The recipe of `benchmarks.training.quality` at 64 px with 6 epochs: ten minutes of a core. Leaves scores.npz:

- `<split>/labels`, `<split>/patients`, of validation and test: (n,), zeros and ones, and keys of patients.
- `<split>/<view>`: logits (n,) of the epoch that the pipeline keeps (`kept`; mirrored: `flip`; moved by two pixels:
  `up`, `down`, `left`, `right`), of the last epochs (`last_1` is the last), and of the mean weights of the last two and
  three (`weights_2`, `weights_3`).
- `validation/augmented_<number>`, `validation/noise_<grey levels>`: the same of changed images.
- `validation/distance`, `validation/doubt`: how hard an image is, known without its label: the out-of-distribution
  detector's score, and how near to 1/2 the cross-fitted probability is by which suspect labels are ranked.
- `prior_shift`: of the class weights, see `ClassWeights.logit_shift`; the logits are without it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.data import radiographs
from benchmarks.training import quality
from model_code import train
from model_code.contract.parameters import Value
from model_code.data.dataset_card import read_card
from model_code.data.shards import examples, read_columns
from model_code.evaluation import suspect_labels
from model_code.export.saved_model import Scorer
from model_code.network import out_of_distribution
from model_code.network.classifier import build
from model_code.statistics.intervals import patient_numbers
from model_code.training import precision, training_loop
from model_code.training.batches import ClassWeights, TrainingImages

RECIPE: Mapping[str, Value] = {**quality.RECIPE, "ImageSize": 64, "Epochs": 6, "Patience": 6}
FILE = "scores.npz"
AUGMENTED, NOISE = 4, (2, 4, 8, 16, 32)
_AVERAGED = (2, 3)
_MOVED = 2
_SEED = 7

Columns = dict[str, npt.NDArray[Any]]
View = Callable[[Any], Any]


def main() -> None:
    """Split, train and score."""
    options = radiographs.parser(__doc__)
    options.add_argument("--output", type=Path, required=True, help=f"folder for {FILE}")
    options.add_argument("--seed", type=int, required=True, help="of the training; the splits are the archive's")
    chosen = options.parse_args()
    lines = quality.flags({**RECIPE, "Seed": chosen.seed})
    chosen.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.output) as scratch:
        base = Path(scratch).resolve()
        splits = quality.split(base, chosen.radiographs, lines)
        os.environ["SAGEMAKER_BASE_DIR"] = str(base)
        found = {**scores(splits, train.parse(lines["train"])), **hardness(splits, int(RECIPE["ImageSize"]))}
    np.savez(chosen.output / FILE, **found)
    print(f"{FILE} is in {chosen.output}")


def scores(splits: Path, chosen: train.Hyperparameters) -> Columns:
    """Train as TrainModel does, and score validation and test.

    Args:
        splits: folder with the shards of train, validation and test, and the report.
        chosen: the hyperparameters.
    """
    training_loop.prepare(chosen.seed)
    arithmetic = precision.policy(chosen.precision, begun=lambda _: False)
    classifier = build(dataclasses.replace(chosen, precision=arithmetic))
    counts = read_card(splits / "report")["splits"]["train"]
    weights = ClassWeights.balanced(counts["labels"])
    scorer = Scorer(classifier, chosen.image_size)
    found: Columns = {"prior_shift": np.float64(weights.logit_shift)}  # type: ignore[dict-item] # NumPy's, 0-dim
    epochs: list[list[npt.NDArray[Any]]] = []

    def score(name: str) -> training_loop.Validation:
        validation, test = (training_loop.validate(scorer, splits / split) for split in ("validation", "test"))
        for split, validated in (("validation", validation), ("test", test)):
            found[f"{split}/{name}"] = validated.logits - weights.logit_shift
        return validation

    def validated() -> training_loop.Validation:
        epochs.append([variable.numpy() for variable in scorer.tracked])
        return score(f"epoch_{len(epochs)}")

    training_loop.Training(
        classifier,
        TrainingImages(splits / "train", chosen.image_size, augmentation=chosen, seed=chosen.seed, weights=weights),
        count=int(counts["images"]),
        score=validated,
        phases=[training_loop.Phase("all", chosen.epochs, chosen.learning_rate)],
        recipe=dataclasses.replace(chosen, precision=arithmetic),
    ).run()
    kept = [variable.numpy() for variable in scorer.tracked]
    for split, epoch in itertools.product(("validation", "test"), range(len(epochs))):
        found[f"{split}/last_{len(epochs) - epoch}"] = found.pop(f"{split}/epoch_{epoch + 1}")
    for last in _AVERAGED:
        _assign(scorer, [np.mean(arrays, axis=0) for arrays in zip(*epochs[-last:], strict=True)])
        score(f"weights_{last}")
    _assign(scorer, kept)
    for split in ("validation", "test"):
        found |= _viewed(scorer, splits / split, split, weights.logit_shift, _views())
    return found | _viewed(scorer, splits / "validation", "validation", weights.logit_shift, _changed(chosen))


def hardness(splits: Path, size: int) -> Columns:
    """Hardness of the validation images, by what knows no label of theirs.

    Args:
        splits: as above.
        size: edge of the images in pixels.
    """
    detector, _ = out_of_distribution.fit(splits / "train", splits / "validation", size)
    distances = [
        out_of_distribution.score(detector, pixels).numpy()
        for pixels, _ in read_columns(examples(splits / "validation", size), ())
    ]
    images = suspect_labels.read({split: splits / split for split in ("train", "validation")}, size)
    probabilities = suspect_labels.cross_fitted(images.descriptions, images.labels, patient_numbers(images.patients))
    own = probabilities[np.asarray(images.splits) == "validation"]
    return {"validation/distance": np.concatenate(distances), "validation/doubt": np.minimum(own, 1 - own)}


def _assign(scorer: Scorer, arrays: Iterable[npt.NDArray[Any]]) -> None:
    for variable, array in zip(scorer.tracked, arrays, strict=True):
        variable.assign(tf.cast(array, variable.dtype))


def _viewed(scorer: Scorer, directory: Path, split: str, shift: float, views: Mapping[str, View]) -> Columns:
    logits: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in views}
    labels, patients = [], []
    for pixels, columns in read_columns(examples(directory, scorer.size), ["label", "patient"]):
        labels.append(columns["label"])
        patients.extend(columns["patient"])
        for name, view in views.items():
            logits[name].append(scorer.logits(view(pixels)).numpy())
    return {
        f"{split}/labels": np.concatenate(labels).astype(np.float64),
        f"{split}/patients": np.asarray([patient.decode("utf-8", "backslashreplace") for patient in patients]),
        **{f"{split}/{name}": np.concatenate(parts).astype(np.float64) - shift for name, parts in logits.items()},
    }


def _views() -> dict[str, View]:
    def moved(down: int, across: int) -> View:
        edges = [[0, 0], [_MOVED, _MOVED], [_MOVED, _MOVED], [0, 0]]

        def view(pixels: Any) -> Any:
            size, top, left = pixels.shape[1], _MOVED + down, _MOVED + across
            return tf.pad(pixels, edges, "SYMMETRIC")[:, top : top + size, left : left + size]

        return view

    return {
        "kept": lambda pixels: pixels,
        "flip": lambda pixels: tf.reverse(pixels, [2]),
        "up": moved(-_MOVED, 0),
        "down": moved(_MOVED, 0),
        "left": moved(0, -_MOVED),
        "right": moved(0, _MOVED),
    }


def _changed(chosen: train.Hyperparameters) -> dict[str, View]:
    """Changes of one pass over the images; the numbers that they are drawn from follow from the order."""
    generator = tf.random.Generator.from_seed(_SEED)

    def augmented(pixels: Any) -> Any:
        return chosen.apply(pixels, generator.uniform((pixels.shape[0], 7)))

    def noisy(levels: int) -> View:
        return lambda pixels: tf.clip_by_value(pixels + levels * generator.normal(pixels.shape), 0.0, 255.0)

    return {
        **{f"augmented_{number}": augmented for number in range(AUGMENTED)},
        **{f"noise_{levels}": noisy(levels) for levels in NOISE},
    }


if __name__ == "__main__":
    main()
