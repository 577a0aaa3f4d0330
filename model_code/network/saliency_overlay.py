"""Saliency maps as pictures: enlarged, coloured, and as PNG files to lay over radiographs."""

from __future__ import annotations

import functools
from typing import Any

import matplotlib as mpl
import numpy as np
import tensorflow as tf

COLOURS = "inferno"
# How much of the radiograph the colour covers where the map has its maximum.
OPACITY = 0.6
# Pixels; some for each cell. It is stretched over the radiograph anyway, and as large as the image its file would take
# a seventh of the time of an answer at 220 px.
OVERLAY_EDGE = 64


def enlarged(cells: Any, edge: int) -> Any:
    """Maps in pixels.

    Args:
        cells: float32 (n, h, w), at least 0.
        edge: of the result, in pixels.

    Returns:
        float32 (n, edge, edge): upsampled bilinearly, with a maximum of 1, or 0 throughout where nothing is marked.
    """
    fine = tf.image.resize(cells[..., tf.newaxis], (edge, edge), method="bilinear")[..., 0]
    return tf.math.divide_no_nan(fine, tf.reduce_max(fine, axis=(1, 2), keepdims=True))


def coloured(saliency: Any) -> Any:
    """Saliency maps as pictures to lay over the radiographs: the colour tells the value, and so does the opacity.

    Args:
        saliency: float32 (n, size, size) in 0..1.

    Returns:
        uint8 (n, size, size, 4), RGBA.
    """
    levels = np.linspace(0, 1, 256)
    palette = np.asarray(mpl.colormaps[COLOURS](levels) * 255, dtype=np.uint8)
    palette[:, 3] = np.round(OPACITY * levels * 255)
    return tf.gather(tf.constant(palette), tf.cast(tf.round(saliency * 255), tf.int32))


def overlay(cells: Any) -> Any:
    """Saliency maps as files.

    Args:
        cells: float32 (n, h, w), at least 0.

    Returns:
        string (n,): PNG files of what `coloured` draws, `OVERLAY_EDGE` pixels wide.
    """
    encode = functools.partial(tf.io.encode_png, compression=1)
    pictures = coloured(enlarged(cells, OVERLAY_EDGE))
    return tf.map_fn(encode, pictures, fn_output_signature=tf.TensorSpec((), tf.string))
