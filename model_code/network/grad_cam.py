"""Grad-CAM of this project's head in closed form: the saliency maps of a model without an attribution."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def grad_cam(feature_maps: Any, hidden: Any, hidden_kernel: Any, logit_kernel: Any) -> Any:
    """Grad-CAM maps for PNEUMONIA (Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2).

    The head is global average pooling, a dense layer with ReLU and a dense layer with one unit, so the gradient that
    Grad-CAM averages over the positions needs no backward pass. It is the same at every position of a channel c:

        d logit / d A[i, j, c] = 1 / (h * w) * sum_k logit_kernel[k] * [hidden[k] > 0] * hidden_kernel[c, k]

    The factor 1 / (h * w) is left out, because each map is scaled by its own maximum.

    Args:
        feature_maps: float32 (n, h, w, c), A, what the backbone gives.
        hidden: float32 (n, k), the hidden layer after its ReLU.
        hidden_kernel: float32 (c, k).
        logit_kernel: float32 (k, 1).

    Returns:
        float32 (n, h, w): ReLU of the weighted sum over channels.
    """
    active = tf.cast(hidden > 0, tf.float32)
    channel_weights = tf.matmul(active * tf.transpose(logit_kernel), hidden_kernel, transpose_b=True)
    return tf.nn.relu(tf.einsum("nhwc,nc->nhw", feature_maps, channel_weights))
