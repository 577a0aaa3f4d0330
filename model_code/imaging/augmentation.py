"""Augmentation of training images: random changes that keep the label, the same for an image under the same seed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

_DRAWS = 7


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Extent of each random change of an image; 0 leaves that change out.

    Attributes:
        horizontal_flip: probability of a mirrored image, 0 to 1.
        zoom_range: each axis is scaled by a factor of its own within 1 +- zoom_range, as ImageDataGenerator does.
        rotation_degrees: rotation within +- so many degrees about the centre.
        shift_range: shift within +- this share of the edge, one for each axis.
        contrast_range: distance of each pixel from the image's mean is scaled by a factor within 1 +- contrast_range.
    """

    horizontal_flip: float
    zoom_range: float
    rotation_degrees: float
    shift_range: float
    contrast_range: float

    def draw(self, seed: int, view: Any, index: Any) -> Any:
        """The random numbers of one image in one view.

        Drawn from (seed, view, index) alone: whatever order, batch or process an image comes in, it is changed the
        same way. That is what makes a cached view equal a computed one, and a resumed training an uninterrupted one.

        Args:
            view: number of the augmented version of an image, int64 scalar.
            index: position of the image in its split, int64 scalar.

        Returns:
            float32 (7,), uniform in [0, 1).
        """
        # Both fit: seeds are below 2^31, and nobody trains 2^20 epochs.
        return tf.random.stateless_uniform((_DRAWS,), tf.stack([seed * 2**20 + view, index]))

    def apply(self, pixels: Any, draws: Any) -> Any:
        """Change a batch.

        Args:
            pixels: float32 (n, size, size, 1) in 0..255.
            draws: float32 (n, 7), of `draw`.

        Returns:
            float32 of the same shape and range; what comes from outside an image repeats its nearest edge pixel.
        """
        flip, zoom_x, zoom_y, rotation, shift_x, shift_y, contrast = tf.unstack(draws, axis=1)
        size = tf.cast(tf.shape(pixels)[1], tf.float32)
        center = (size - 1.0) / 2.0
        angle = _spread(rotation, self.rotation_degrees * math.pi / 180.0)
        scale_x = (1.0 + _spread(zoom_x, self.zoom_range)) * tf.where(flip < self.horizontal_flip, -1.0, 1.0)
        scale_y = 1.0 + _spread(zoom_y, self.zoom_range)
        a, b = tf.cos(angle) * scale_x, -tf.sin(angle) * scale_y
        d, e = tf.sin(angle) * scale_x, tf.cos(angle) * scale_y
        c = center * (1.0 - a - b) + size * _spread(shift_x, self.shift_range)
        f = center * (1.0 - d - e) + size * _spread(shift_y, self.shift_range)
        zeros = tf.zeros_like(a)
        # A projective transform from output to input coordinates: x' = a x + b y + c, y' = d x + e y + f.
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=tf.stack([a, b, c, d, e, f, zeros, zeros], axis=1),
            output_shape=tf.shape(pixels)[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
        if not self.contrast_range:
            return moved
        factor = (1.0 + _spread(contrast, self.contrast_range))[:, tf.newaxis, tf.newaxis, tf.newaxis]
        mean = tf.reduce_mean(moved, axis=(1, 2, 3), keepdims=True)
        return tf.clip_by_value(mean + (moved - mean) * factor, 0.0, 255.0)


def _spread(draw: Any, extent: float) -> Any:
    """Random numbers in [0, 1) as numbers in [-extent, extent)."""
    return (2.0 * draw - 1.0) * extent
