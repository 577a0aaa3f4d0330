"""Suspect labels: how probable each image's label is to a model that was not fitted on it, and the ranking by that.

That is the ranking by self-confidence of confident learning (Northcutt et al. 2021, arXiv:1911.00068) with
probabilities from cross-fitting: the patients are dealt into folds, and the images of one are scored by a logistic
regression on the images of the others, of all splits together. It looks at what the out-of-distribution detector looks
at, thumbnail, texture by place and energy by scale, which know no label. The network's own features do: they were
learned from the labels that are in doubt. docs/adr/0047 has what was measured.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_code.contract.label_review import COLUMNS, FILE, READERS_COLUMNS
from model_code.contract.labels import LABELS
from model_code.data.shards import examples, read_columns
from model_code.network.out_of_distribution import describe
from model_code.statistics.intervals import patient_numbers
from model_code.statistics.metrics import Array

FOLDS = 5
# So many describe a hospital; more would only take longer.
MOST_FITTED_IMAGES = 20_000
_INVERSE_PENALTY = 0.001
_ITERATIONS = 300
_SEED = 20180222


@dataclasses.dataclass(frozen=True)
class Labelled:
    """The images of all splits, as the ranking sees them; all of length n, a split's in the order of its shards.

    Attributes:
        descriptions: float32 (n, d), see `out_of_distribution.describe`.
        labels: zeros (NORMAL) and ones (PNEUMONIA).
        patients: key of each image's patient.
        splits: train, validation or test.
        positions: in the split's shards, from 0.
        paths: of the files in the archive, as people are shown them.
    """

    descriptions: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    patients: list[str]
    splits: list[str]
    positions: list[int]
    paths: list[str]


@dataclasses.dataclass(frozen=True)
class SuspectLabels:
    """The ranking.

    Attributes:
        images: what is ranked.
        scores: cross-fitted probability of the label that each image has, (n,).
        order: the images' numbers, the least probable label first, (n,).
    """

    images: Labelled
    scores: Array
    order: npt.NDArray[np.int64]

    @property
    def doubted(self) -> int:
        """Number of images for which the other label is more probable."""
        return int((self.scores < 0.5).sum())

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table's rows, the most suspect first; a reader's columns are empty."""
        images = self.images
        for rank, at in enumerate(self.order, start=1):
            label, score = int(images.labels[at]), float(self.scores[at])
            yield {
                "rank": rank,
                "file": images.paths[at],
                "split": images.splits[at],
                "label": LABELS[label],
                "suggested": LABELS[label if score >= 0.5 else 1 - label],
                "score": f"{score:.6f}",
            } | dict.fromkeys(READERS_COLUMNS, "")

    def write(self, directory: Path) -> None:
        """Write the table, suspect_labels.csv."""
        with (directory / FILE).open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(self.rows())


def read(splits: Mapping[str, Path], size: int) -> Labelled:
    """Describe the images of all splits; each image's pixels are read once and not kept.

    Args:
        splits: directory with the shards of each split.
        size: edge of the images in pixels.
    """
    traced = tf.function(
        lambda pixels: tf.concat(describe(pixels), axis=1),
        input_signature=[tf.TensorSpec((None, size, size, 1), tf.float32)],
        autograph=False,
    )
    found = Labelled(np.zeros((0, 0), np.float32), np.zeros(0, np.int64), [], [], [], [])
    descriptions: list[Array] = []
    labels: list[Array] = []
    for split, directory in splits.items():
        before = len(found.paths)
        for pixels, columns in read_columns(examples(directory, size), ("label", "patient", "path")):
            descriptions.append(traced(pixels).numpy())
            labels.append(columns["label"])
            found.patients.extend(value.decode("utf-8", "surrogateescape") for value in columns["patient"])
            found.paths.extend(value.decode("utf-8", "backslashreplace") for value in columns["path"])
        count = len(found.paths) - before
        found.splits.extend([split] * count)
        found.positions.extend(range(count))
    return dataclasses.replace(found, descriptions=np.concatenate(descriptions), labels=np.concatenate(labels))


def rank(images: Labelled) -> SuspectLabels | None:
    """Rank images by how improbable their labels are; None where a label has fewer than `FOLDS` patients."""
    patients = patient_numbers(images.patients)
    if min(len(set(patients[images.labels == label])) for label in range(len(LABELS))) < FOLDS:
        return None
    probabilities = cross_fitted(images.descriptions, images.labels, patients)
    scores = np.where(images.labels == 1, probabilities, 1 - probabilities)
    return SuspectLabels(images, scores, np.argsort(scores, kind="stable"))


def cross_fitted(
    features: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.int64], patients: npt.NDArray[np.int64]
) -> Array:
    """Probability of PNEUMONIA for each image, from a model that saw no image of its patient.

    Args:
        features: (n, d).
        labels: zeros and ones, (n,), each of at least `FOLDS` patients.
        patients: number of each image's patient, (n,).

    Returns:
        float64 (n,).
    """
    rng = np.random.default_rng(_SEED)
    probabilities = np.zeros(len(labels))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=_SEED)
    for others, own in folds.split(features, labels, patients):
        fitted = others
        if len(others) > MOST_FITTED_IMAGES:
            fitted = np.sort(rng.choice(others, MOST_FITTED_IMAGES, replace=False))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=_ITERATIONS))
        model.fit(features[fitted], labels[fitted])
        probabilities[own] = model.predict_proba(features[own])[:, 1]
    return probabilities
