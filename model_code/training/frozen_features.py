"""The frozen backbone's features, computed once per augmented view of each image instead of once per epoch.

While the backbone is frozen, an image of a given view has the same pooled features in every epoch. So the head can be
trained on them: epoch e goes through view e mod `views`, in the order and with the weights it would have over images.
What differs from the plain loop is rounding only.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import tensorflow as tf

from model_code.statistics.metrics import Array
from model_code.training.batches import Order, TrainingImages

_PROGRESS_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class FeatureCache:
    """Pooled features of the training images.

    Attributes:
        features: float32 (views, n, c).
        labels: float32 (n, 1).
        weights: float32 (n,), of the labels.
    """

    features: Array
    labels: Array
    weights: Array

    def shuffled(self, order: Order, view: int) -> Any:
        """One epoch, like `TrainingImages.shuffled` with features (batch_size, c) in place of the pixels."""
        features, labels, weights = (
            tf.constant(values) for values in (self.features[view % len(self.features)], self.labels, self.weights)
        )

        def take(index: Any) -> tuple[Any, ...]:
            return tf.gather(features, index), tf.gather(labels, index), tf.gather(weights, index)

        return order.finish(order.batches(tf.data.Dataset.range(order.images)).map(take))


def cache_features(network: Any, images: TrainingImages, *, count: int, views: int, batch_size: int) -> FeatureCache:
    """Run the backbone over every view of the training images.

    Args:
        network: Keras model from pixels to pooled features (n, c).
        count: number of images.
        views: augmented versions of each image, at least 1.
        batch_size: images at once.
    """
    traced = tf.function(lambda pixels: network(pixels, training=False), reduce_retracing=True)
    features: list[Array] = []
    labels: list[Array] = []
    weights: list[Array] = []
    started = shown = time.monotonic()
    done = 0
    for view in range(views):
        rows: list[Array] = []
        for pixels, label, weight in images.in_order(view, batch_size):
            rows.append(traced(pixels).numpy())
            if not view:
                labels.append(label.numpy())
                weights.append(weight.numpy())
            done += len(rows[-1])
            now = time.monotonic()
            if now - shown >= _PROGRESS_SECONDS or done == count * views:
                shown = now
                rate = done / (now - started)
                left = (count * views - done) / rate
                print(f"features of {done}/{count * views} images, {rate:.0f} a second, {left:.0f} s left", flush=True)
        features.append(np.concatenate(rows))
    return FeatureCache(np.stack(features), np.concatenate(labels), np.concatenate(weights))
