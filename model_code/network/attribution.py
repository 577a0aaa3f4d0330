"""Saliency map in cells: by how much the logit would fall if a place looked as it does in NORMAL radiographs.

The last feature maps of a small image have too few places to point with (2 x 2 at 64 px), and gradients of earlier
stages would cost another pass. So at the end of training a linear function of each place's features is fitted, once, to
what hiding does: parts of training images are replaced by the average NORMAL radiograph, and the fall of the logit is
regressed on the features of what was hidden (ridge regression). That is occlusion (Zeiler and Fergus 2014,
arXiv:1311.2901, section 4.2) as a sum over places, computed for any image in the forward pass that there is anyway, as
FastSHAP (Jethani et al. 2022, arXiv:2107.07436) computes Shapley values. What NORMAL training images have at a place on
average is taken off, since ribs and heart speak for PNEUMONIA in no image. docs/adr/0038 has what else was measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats = npt.NDArray[np.floating[Any]]

FEWEST_CELLS = 12
# A second and coarser stage sees more around each place; more of them place no better.
STAGES = 2
# Images of the fit: each is seen once more with a part hidden.
_IMAGES = 256
# Of each label, for an average NORMAL radiograph and for something to compare it with.
_LEAST_IMAGES = 20
# Penalty on standardised coefficients, for each row.
_RIDGE = 1.0
_BATCH = 32
_SEED = 20181128

# From pixels, float32 (n, size, size, 1), to logits (n,) and feature maps (n, h, w, c), the finest first.
Stages = Callable[[Any], tuple[Any, Sequence[Any]]]


@dataclasses.dataclass(frozen=True)
class Attribution:
    """The fitted function.

    Attributes:
        kernels: of each stage, float32 (c,).
        usual: what NORMAL training images have at each place, float32 (cells, cells).
        floor: the least logit for which anything is marked.
    """

    kernels: tuple[Floats, ...]
    usual: Floats
    floor: float

    @property
    def cells(self) -> int:
        """Places along each edge."""
        return len(self.usual)

    def raw(self, stages: Sequence[Any]) -> Any:
        """Fall of the logit by place, float32 (n, cells, cells), of feature maps (n, h, w, c), the finest first."""
        return _summed(stages, self.kernels, self.cells)

    def maps(self, stages: Sequence[Any], logits: Any) -> Any:
        """Saliency maps, float32 (n, cells, cells), at least 0; 0 throughout where the logit is below the floor."""
        marked = tf.nn.relu(self.raw(stages) - self.usual)
        return marked * tf.cast(logits >= self.floor, tf.float32)[:, tf.newaxis, tf.newaxis]

    def moved(self, by: Floats) -> Attribution:
        """Attribution corrected for an engine whose `raw` maps are greater by this mean difference, (cells, cells)."""
        return dataclasses.replace(self, usual=(self.usual + by).astype(np.float32))


def fit(stages: Stages, examples: Iterable[tuple[Any, int]], *, count: int, floor: float) -> Attribution | None:
    """Fit on training images, spread evenly over all of them.

    Args:
        stages: the network.
        examples: pixels, uint8 (size, size, 1), and label of each.
        count: how many there are.
        floor: the least logit for which anything is to be marked.

    Returns:
        None with fewer than 20 images of a label among those that are looked at.
    """
    step = max(1, -(-count // _IMAGES))
    chosen = [example for position, example in enumerate(examples) if position % step == 0]
    images = np.asarray([pixels for pixels, _ in chosen], np.float32)
    positive = np.asarray([bool(label) for _, label in chosen], bool)
    if min(positive.sum(), (~positive).sum()) < _LEAST_IMAGES:
        return None
    hidden = _masks(len(images), images.shape[1], np.random.default_rng(_SEED))
    shown = images + hidden[..., np.newaxis] * (_as_normal(images, images[~positive].mean(axis=0)) - images)
    logits, features = _seen(stages, images)
    partly, _ = _seen(stages, shown)
    # Two rows for each image: with a part hidden, and as if all of it were. Then it is as a NORMAL one.
    rows = [np.concatenate([_sums(stage, hidden), stage.mean(axis=(1, 2), dtype=np.float32)]) for stage in features]
    falls = np.concatenate([logits - partly, logits - np.median(logits[~positive])])
    kernels = np.split(_ridge(np.concatenate(rows, axis=1), falls), np.cumsum([row.shape[1] for row in rows])[:-1])
    taken = tuple(kernel.astype(np.float32) for kernel in kernels)
    normal = [tf.constant(stage[~positive], tf.float32) for stage in features]
    usual = _summed(normal, taken, features[0].shape[1]).numpy().mean(axis=0)
    return Attribution(taken, usual, floor)


def _summed(stages: Sequence[Any], kernels: Sequence[Floats], cells: int) -> Any:
    maps = [tf.einsum("nhwc,c->nhw", stage, kernel) for stage, kernel in zip(stages, kernels, strict=True)]
    resized = [
        tf.image.resize(stage_map[..., tf.newaxis], (cells, cells), method="bilinear")[..., 0] for stage_map in maps
    ]
    return tf.add_n(resized)


def _seen(stages: Stages, images: Floats) -> tuple[Floats, list[Floats]]:
    """Logits (n,) and feature maps, which are kept in half precision: only their sums are used."""
    found = []
    for start in range(0, len(images), _BATCH):
        logits, maps = stages(tf.constant(images[start : start + _BATCH], tf.float32))
        found.append((logits.numpy(), *(stage_map.numpy().astype(np.float16) for stage_map in maps)))
    logits, *maps = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return logits.astype(np.float64), maps


def _masks(count: int, size: int, rng: np.random.Generator) -> Floats:
    """Soft ellipses anywhere, a fifth to three fifths of the edge wide, float32 (n, size, size) in 0..1."""
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) / size
    row, column = rng.uniform(0, 1, (2, count, 1, 1))
    height, width = rng.uniform(0.1, 0.3, (2, count, 1, 1))
    distance = ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2
    return np.asarray(1 / (1 + np.exp(np.clip(6 * (distance - 1), -30, 30))), dtype=np.float32)


def _as_normal(images: Floats, normal: Floats) -> Floats:
    """The average NORMAL radiograph, as bright and with as much contrast as each image, so that no edge is seen."""
    mean, deviation = (images.mean(axis=(1, 2), keepdims=True), images.std(axis=(1, 2), keepdims=True))
    standardised = (normal - normal.mean()) / max(float(normal.std()), 1e-6)
    return np.asarray(np.clip(standardised * deviation + mean, 0, 255), dtype=np.float32)


def _sums(features: Floats, hidden: Floats) -> Floats:
    """Features of what is hidden, averaged over all positions, (n, c): what is shown counts as 0."""
    places = features.shape[1:3]
    coarse = tf.image.resize(hidden[..., np.newaxis], places, method="area").numpy()
    return np.asarray((features * coarse).mean(axis=(1, 2), dtype=np.float32))


def _ridge(rows: Floats, falls: Floats) -> Floats:
    """Coefficients (c,) of falls (n,) on rows (n, c), without intercept: what hides nothing lowers nothing."""
    scale = np.sqrt(np.mean(rows.astype(np.float64) ** 2, axis=0)) + 1e-6
    standardised = rows / scale
    # There are more channels than rows: the dual form is the smaller one.
    inner = standardised @ standardised.T + _RIDGE * len(rows) * np.eye(len(rows))
    return np.asarray(standardised.T @ np.linalg.solve(inner, falls) / scale)
