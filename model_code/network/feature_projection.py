"""Projection of pooled features to a few standardised numbers, in which monitoring looks for drift.

The backbone's features, averaged over the positions, are hundreds to thousands of numbers that are strongly related. Of
their principal components among training images the first few are kept, each divided by its standard deviation there
(the whitening that Rabanser et al. 2019, "Failing Loudly", arXiv:1810.11953, call PCA, and find the better for knowing
the network's own representation).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from model_code.statistics.metrics import Array

COMPONENTS = 8
# Enough for so few components; the network has to see each once more.
MOST_IMAGES = 1024
LEAST_IMAGES = 20
_BATCH = 32
# A direction in which the training images do not vary has no scale of its own.
_LEAST_DEVIATION = 1e-6


@dataclasses.dataclass(frozen=True)
class Projection:
    """Projection of pooled features to a few standardised numbers.

    Attributes:
        mean: float32 (c,), of the training images.
        axes: float32 (c, k), principal axes, each divided by the standard deviation along it.
    """

    mean: Array
    axes: Array

    @classmethod
    def of(cls, features: Array) -> Projection:
        """Fit a projection to the features of n training images, (n, c)."""
        mean = features.mean(axis=0)
        _, spreads, axes = np.linalg.svd(features - mean, full_matrices=False)
        deviations = spreads / np.sqrt(len(features))
        kept = min(COMPONENTS, int(np.sum(deviations > _LEAST_DEVIATION)))
        # Which way an axis points is arbitrary: the largest weight is made positive, so that the same images give the
        # same numbers everywhere.
        chosen = axes[:kept]
        chosen = chosen * np.sign(chosen[np.arange(kept), np.abs(chosen).argmax(axis=1)])[:, np.newaxis]
        return cls(mean.astype(np.float32), (chosen.T / deviations[:kept]).astype(np.float32))

    def project(self, feature_maps: Any) -> Any:
        """The numbers, float32 (n, k), of feature maps (n, h, w, c)."""
        return tf.matmul(tf.reduce_mean(feature_maps, axis=(1, 2)) - self.mean, self.axes)


def projected(projection: Projection | None, feature_maps: Any) -> dict[str, Any]:
    """The output of the same name that every signature has; none where there were too few images."""
    return {"projection": projection.project(feature_maps)} if projection else {}


def fit(inspect: Any, images: Iterable[Any], *, count: int) -> Projection | None:
    """Make a projection from training images, spread evenly over all of them.

    Args:
        inspect: `export.Scorer.inspect`.
        images: uint8 (size, size, 1) each.
        count: number of images.

    Returns:
        None with fewer than `LEAST_IMAGES`.
    """
    if count < LEAST_IMAGES:
        return None
    step = -(-count // MOST_IMAGES)
    rows: list[Array] = []
    batch: list[Any] = []

    def see() -> None:
        _, feature_maps, _ = inspect(tf.constant(np.stack(batch), tf.float32))
        rows.append(tf.reduce_mean(feature_maps, axis=(1, 2)).numpy().astype(np.float64))
        batch.clear()

    for position, pixels in enumerate(images):
        if position % step == 0:
            batch.append(pixels)
        if len(batch) == _BATCH:
            see()
    if batch:
        see()
    return Projection.of(np.concatenate(rows))
