"""Training batches: order, augmentation and class weights of the images.

All of it follows from the seed and the number of the epoch, never from what ran before. So an epoch can be repeated
alone: by a job that resumes, and over features that were computed once instead of images.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import tensorflow as tf

from model_code.contract.labels import LABELS
from model_code.data.shards import examples, options
from model_code.imaging.augmentation import Augmentation

# Pixels the shuffle holds at once: more than the whole Kermany training split at 220 px.
SHUFFLE_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class Order:
    """Order of the images in one epoch, the same for images and for anything else kept per image.

    Attributes:
        batch_size: at most `images`. Whole batches only: a last batch of a few images would upset the statistics of
            batch normalisation.
        buffer: number of images that the shuffle holds at once.
        seed: random seed of the training, below 2^31.
        epoch: number of the epoch, from 0, below 2^20; each has an order of its own.
    """

    images: int
    batch_size: int
    buffer: int
    seed: int
    epoch: int

    @classmethod
    def of(cls, images: int, size: int, *, batch_size: int, seed: int, epoch: int) -> Order:
        """The order for images of so many pixels, with a buffer of at most `SHUFFLE_BYTES`."""
        return cls(images, batch_size, min(images, max(1024, SHUFFLE_BYTES // (size * size))), seed, epoch)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self.images // self.batch_size

    def batches(self, data: Any) -> Any:
        """Shuffle and batch a dataset of one element per image, in the order of the shards.

        TensorFlow mixes its global seed into this one; `training_loop.prepare` sets it to the training's.
        """
        shuffled = data.shuffle(self.buffer, seed=self.seed * 2**20 + self.epoch, reshuffle_each_iteration=False)
        return shuffled.batch(self.batch_size, drop_remainder=True)

    def finish(self, data: Any) -> Any:
        """Tell Keras the number of batches, so that it does not take the end of an epoch for data running out."""
        return data.apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(2).with_options(options())


@dataclasses.dataclass(frozen=True)
class ClassWeights:
    """Class weights: how much an image of each label counts in the loss; 1 on average over the training split."""

    normal: float
    pneumonia: float

    @classmethod
    def balanced(cls, labels: dict[str, int]) -> ClassWeights:
        """Weights under which both labels count the same: n / (2 n_label).

        Args:
            labels: training images per label.
        """
        total = sum(labels.values())
        return cls(*(total / (2 * labels[label]) for label in LABELS))

    @property
    def logit_shift(self) -> float:
        """Shift of the logits of PNEUMONIA by the class weights.

        To weight the labels is to train on another prevalence: the odds are multiplied by pneumonia / normal (Elkan
        2001, "The foundations of cost-sensitive learning").
        """
        return math.log(self.pneumonia / self.normal)

    def of(self, labels: Any) -> Any:
        """Weights of a batch of labels, float32 (n,)."""
        return tf.where(labels == 1, tf.constant(self.pneumonia, tf.float32), tf.constant(self.normal, tf.float32))


UNWEIGHTED = ClassWeights(1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class TrainingImages:
    """The training shards, augmented.

    Attributes:
        size: edge of the images in pixels.
        augmentation: what is changed at random.
    """

    directory: Path
    size: int
    augmentation: Augmentation
    seed: int
    weights: ClassWeights

    def shuffled(self, order: Order, view: int) -> Any:
        """One epoch.

        Args:
            order: order of this epoch.
            view: number of the images' augmented version; see `Augmentation.draw`.

        Returns:
            tf.data.Dataset of (float32 (batch_size, size, size, 1) in 0..255, float32 (batch_size, 1) labels, float32
            (batch_size,) weights).
        """
        return order.finish(self._augmented(order.batches(self._drawn(view))))

    def in_order(self, view: int, batch_size: int) -> Any:
        """The same images, every one once and in the order of the shards; the last batch may be smaller."""
        return self._augmented(self._drawn(view).batch(batch_size)).prefetch(2)

    def _drawn(self, view: int) -> Any:
        def draw(index: Any, example: dict[str, Any]) -> tuple[Any, ...]:
            return example["pixels"], example["label"], self.augmentation.draw(self.seed, view, index)

        return examples(self.directory, self.size).enumerate().map(draw, num_parallel_calls=tf.data.AUTOTUNE)

    def _augmented(self, batches: Any) -> Any:
        def prepare(pixels: Any, labels: Any, draws: Any) -> tuple[Any, ...]:
            changed = self.augmentation.apply(tf.cast(pixels, tf.float32), draws)
            return changed, tf.cast(labels[:, tf.newaxis], tf.float32), self.weights.of(labels)

        return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
