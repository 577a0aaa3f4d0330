"""Out-of-distribution detector: tells radiographs like those of the training from photographs, pages, other body parts.

The answer comes from the pixels alone, not from the network: it does not change with the training, and a network is as
sure about what it never saw as about what it did. Three descriptions of an image are compared with what is usual among
the training images, mirrored ones included:

- its thumbnail without brightness and contrast: 32 x 32 cells, their 24 principal components and what these leave over
  (Turk and Pentland 1991, "Eigenfaces for recognition": distance in and from face space);
- where it has edges and texture: the logarithm of the energy in 8 x 8 places;
- how much of it has which scale: its brightness, the energy of five scales and of either direction.

That makes four distances. Each is put in standard deviations above its mean on validation images, as a logarithm, and
those above the mean are added as squares: an image is unlike them because one distance is far out or several are.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_code.data.shards import examples, read_columns
from model_code.statistics.intervals import estimate_share, resample_patients
from model_code.statistics.metrics import Array

# With fewer, the statistics say more about these images than about others of their kind: there is no detector then.
MIN_TRAINING_IMAGES = 100
MIN_VALIDATION_IMAGES = 20

CELLS = 32
_PLACES = 8
_COMPONENTS = 24
_SCALES = 3
# Variance of grey levels at which contrast and texture are as good as none: noise and rounding are of this size.
_NO_CONTRAST = 16.0
_NO_TEXTURE = 4.0
# Added to each variance, as a share of the mean one: directions in which training images hardly vary would otherwise
# decide alone, and a radiograph turned by a few degrees would be refused for its corners.
_RIDGE = 0.05

# The limit lies this much above the quantile of the validation images, because those of another day differ more.
QUANTILE = 0.997
MARGIN = 1.1
# A quantile this far out needs hundreds of images. With fewer, the limit is not below this many standard deviations,
# widened as the error of any estimate from n images is, by 2 / sqrt(n).
_LEAST_LIMIT = 5.0
# Drawn images can be more alike than any two radiographs.
_LEAST_DEVIATION = 0.2

_SEED = 20180222


@dataclasses.dataclass(frozen=True)
class Normal:
    """A normal distribution by its principal axes.

    Attributes:
        mean: float32 (d,).
        axes: float32 (d, k), orthonormal columns.
        variances: float32 (k,), along the axes.
        rest: the variance that these axes leave over, summed; 0 if they leave none.
    """

    mean: Array
    axes: Array
    variances: Array
    rest: float

    @classmethod
    def of(cls, mean: Array, covariance: Array, components: int | None = None) -> Normal:
        """Normal distribution of moments, with all axes or with those of the greatest variance."""
        variances, axes = np.linalg.eigh(covariance)
        variances, axes = np.maximum(variances[::-1], 0.0), axes[:, ::-1]
        kept = components or len(variances)
        ridge = _RIDGE * variances.mean() if components is None else 0.0
        return cls(
            mean.astype(np.float32),
            axes[:, :kept].astype(np.float32),
            np.maximum(variances[:kept] + ridge, 1e-6).astype(np.float32),
            max(float(variances[kept:].sum()), 1e-6) if components else 0.0,
        )

    def distances(self, rows: Any) -> list[Any]:
        """Distances of rows (n, d): mean square along the axes, and the rest where they leave something; (n,) each."""
        centred = rows - self.mean
        squares = tf.square(tf.matmul(centred, self.axes))
        along = tf.reduce_mean(squares / self.variances, axis=1)
        if not self.rest:
            return [along]
        over = tf.reduce_sum(tf.square(centred), axis=1) - tf.reduce_sum(squares, axis=1)
        return [along, tf.maximum(over, 0.0) / self.rest]


@dataclasses.dataclass(frozen=True)
class Detector:
    """The out-of-distribution detector: statistics of training and validation images, and the limit.

    Attributes:
        normals: distributions of the three descriptions, in the order of `describe`.
        means: float32 (4,), of the distances' logarithms over validation images.
        deviations: float32 (4,), their standard deviations.
        limit: the sum of squares at which an image is refused, as its square root.
    """

    normals: tuple[Normal, ...]
    means: Array
    deviations: Array
    limit: float

    def score(self, pixels: Any) -> Any:
        """Out-of-distribution score of images: above 1 an image is refused.

        Args:
            pixels: float32 (n, size, size, 1) in 0..255.

        Returns:
            float32 (n,), from 0.
        """
        # On the CPU also where there is a GPU: some multiply in TF32, which is too coarse for differences of squares.
        with tf.device("/CPU:0"):
            above = (_logarithms(self.normals, pixels) - self.means) / self.deviations
            return tf.norm(tf.maximum(above, 0.0), axis=1) / self.limit


def score(detector: Detector | None, pixels: Any) -> Any:
    """`Detector.score`, or zeros where there is no detector."""
    return detector.score(pixels) if detector else tf.zeros(tf.shape(pixels)[:1])


def describe(pixels: Any) -> tuple[Any, Any, Any]:
    """Three descriptions of images: thumbnail, edges and texture by place, energy by scale.

    Args:
        pixels: float32 (n, size, size, 1) in 0..255, size at least 32.

    Returns:
        float32 (n, 1024), (n, 192) and (n, 8).
    """
    levels = pixels[..., 0] - 128.0
    cells = _pooled(levels, CELLS)
    brightness, variance = tf.nn.moments(cells, axes=(1, 2))
    contrast = tf.sqrt(variance + _NO_CONTRAST)
    thumbnail = (cells - brightness[:, tf.newaxis, tf.newaxis]) / contrast[:, tf.newaxis, tf.newaxis]
    across, down = tf.square(cells[:, :, 1:] - cells[:, :, :-1]), tf.square(cells[:, 1:] - cells[:, :-1])
    # Within a cell: the mean of squares less the square of the mean.
    within = tf.maximum(_pooled(tf.square(levels), _PLACES) - _pooled(tf.square(cells), _PLACES), 0.0)
    places = tf.stack([_pooled(across, _PLACES), _pooled(down, _PLACES), within], axis=1)
    variances = [tf.math.reduce_variance(levels, axis=(1, 2)), variance]
    coarse = cells
    for scale in range(1, _SCALES + 1):
        coarse = _pooled(coarse, CELLS // 2**scale)
        variances.append(tf.math.reduce_variance(coarse, axis=(1, 2)))
    between = [tf.maximum(finer - coarser, 0.0) for finer, coarser in itertools.pairwise(variances)]
    energies = [*between, variances[-1], *(tf.reduce_mean(edges, axis=(1, 2)) for edges in (across, down))]
    scales = tf.concat([brightness[:, tf.newaxis] / 64.0, tf.math.log1p(tf.stack(energies, axis=1))], axis=1)
    flat = (
        tf.reshape(part, (-1, int(np.prod(part.shape[1:])))) for part in (thumbnail, tf.math.log(places + _NO_TEXTURE))
    )
    return (*flat, scales)


def fit(train: Path, validation: Path, size: int) -> tuple[Detector | None, dict[str, Any]]:
    """Fit the detector to training and validation shards, each read once.

    Args:
        train: channel with the training shards.
        validation: channel with the validation shards.
        size: edge of the images in pixels.

    Returns:
        The detector, or None with too few images, and its description in metadata.json.
    """
    moments = [_Moments(), _Moments(), _Moments()]
    traced = _traced(describe, size)
    for pixels, _ in read_columns(examples(train, size), ()):
        for view in (pixels, tf.reverse(pixels, [2])):
            for moment, rows in zip(moments, traced(view), strict=True):
                moment.add(rows.numpy().astype(np.float64))
    seen = moments[0].count // 2
    if seen < MIN_TRAINING_IMAGES:
        return None, _without(f"{seen} training images are too few; {MIN_TRAINING_IMAGES} are needed")
    thumbnails, *others = moments
    normals = (
        Normal.of(thumbnails.mean, thumbnails.covariance, _COMPONENTS),
        *(Normal.of(moment.mean, moment.covariance) for moment in others),
    )
    rows, patients = _validation(normals, validation, size)
    if len(rows) < MIN_VALIDATION_IMAGES:
        return None, _without(f"{len(rows)} validation images are too few; {MIN_VALIDATION_IMAGES} are needed")
    means, deviations = rows.mean(axis=0), np.maximum(rows.std(axis=0), _LEAST_DEVIATION)
    above = np.linalg.norm(np.maximum((rows - means) / deviations, 0.0), axis=1)
    least = _LEAST_LIMIT * (1 + 2 / np.sqrt(len(rows)))
    limit = MARGIN * max(float(np.quantile(above, QUANTILE)), least)
    detector = Detector(normals, means.astype(np.float32), deviations.astype(np.float32), limit)
    refused = refusals(above / limit, patients)
    return detector, {
        "active": True,
        "sentence": f"The out-of-distribution detector refuses {refused['refused']} of {len(rows)} validation images.",
        "training_images": seen,
        "validation_images": len(rows),
        "limit": limit,
        "limit_from": f"{MARGIN} times the {QUANTILE:.1%} quantile of the validation images, or {MARGIN} times "
        f"{least:.2f} if that is more",
        **refused,
    }


def refusals(values: Array, patients: list[str]) -> dict[str, Any]:
    """False refusals of the detector: number and share of radiographs.

    Args:
        values: (n,), out-of-distribution scores of images that are radiographs.
        patients: patient of each image.
    """
    refused = values > 1
    share = estimate_share(refused, patients, resample_patients(patients, seed=_SEED))
    return {"refused": int(refused.sum()), "false_refusal_rate": share.as_json()}


class _Moments:
    """Mean and covariance of rows that come in batches."""

    def __init__(self) -> None:
        self.count, self._sum, self._products = 0, np.zeros(()), np.zeros(())

    def add(self, rows: Array) -> None:
        self.count += len(rows)
        self._sum = self._sum + rows.sum(axis=0)
        self._products = self._products + rows.T @ rows

    @property
    def mean(self) -> Array:
        return np.asarray(self._sum / self.count)

    @property
    def covariance(self) -> Array:
        return np.asarray(self._products / self.count - np.outer(self.mean, self.mean))


def _without(reason: str) -> dict[str, Any]:
    return {"active": False, "sentence": f"There is no out-of-distribution detector, any image is answered: {reason}."}


def _logarithms(normals: tuple[Normal, ...], pixels: Any) -> Any:
    """The logarithms of the four distances, float32 (n, 4)."""
    found = [
        distance for normal, rows in zip(normals, describe(pixels), strict=True) for distance in normal.distances(rows)
    ]
    return tf.math.log(tf.stack(found, axis=1) + 1e-6)


def _validation(normals: tuple[Normal, ...], directory: Path, size: int) -> tuple[Array, list[str]]:
    traced = _traced(lambda pixels: _logarithms(normals, pixels), size)

    def read() -> Iterator[tuple[Array, str]]:
        for pixels, columns in read_columns(examples(directory, size), ["patient"]):
            yield from zip(
                traced(pixels).numpy().astype(np.float64),
                (patient.decode("utf-8", "surrogateescape") for patient in columns["patient"]),
                strict=True,
            )

    rows, patients = zip(*read(), strict=True)
    return np.stack(rows), list(patients)


def _traced(function: Callable[[Any], Any], size: int) -> Any:
    # Autograph would take a second of its own to find that there is nothing to rewrite.
    specification = [tf.TensorSpec((None, size, size, 1), tf.float32)]
    return tf.function(function, input_signature=specification, autograph=False)


def _pooled(values: Any, cells: int) -> Any:
    """Means over cells x cells equal areas; where a pixel lies in two cells, each has its share.

    Args:
        values: float32 (n, h, w).
        cells: along either axis; h and w are at least as many.
    """
    down, across = (tf.constant(_shares(edge, cells)) for edge in values.shape[1:])
    return tf.matmul(tf.matmul(down, values), across, transpose_b=True)


def _shares(edge: int, cells: int) -> Array:
    """Share of each pixel in each cell, float32 (cells, edge)."""
    width = edge / cells
    pixel, cell = np.arange(edge), np.arange(cells)[:, np.newaxis]
    covered = np.minimum((cell + 1) * width, pixel + 1) - np.maximum(cell * width, pixel)
    return np.asarray(np.maximum(covered, 0) / width, dtype=np.float32)
