"""The one way from an encoded radiograph to the pixels the model sees.

Preprocessing, the exported serving graph and therefore evaluation all call `pixels_from_bytes`. A second
implementation would not be the same: Pillow's resizing differs from this by about one grey level, and without
antialiasing by more than ten.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def pixels_from_bytes(encoded: Any, size: int) -> Any:
    """Decode one JPEG or PNG to grey, resize it and round it.

    The aspect ratio is not kept: lungs fill the square, as in the published work on this data set. Colour becomes
    luma. Sixteen-bit PNGs keep their upper eight bits. EXIF orientation is not applied.

    Args:
        encoded: scalar string tensor (or bytes), the file's content.
        size: edge of the square result in pixels.

    Returns:
        uint8 tensor of shape (size, size, 1).

    Raises:
        tf.errors.InvalidArgumentError: when the bytes are not a whole JPEG or PNG.
    """
    # The kernel tells the format by its first bytes, whatever the name of the operation says. The accurate DCT is
    # named because the default is left to the libjpeg of the machine, and training and serving are two machines.
    decoded = tf.io.decode_jpeg(encoded, channels=1, dct_method="INTEGER_ACCURATE")
    # On the CPU also where there is a GPU: the antialiased resize has no GPU kernel.
    with tf.device("/CPU:0"):
        resized = tf.image.resize(decoded, (size, size), method="bilinear", antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def batch_from_bytes(encoded: Any, size: int) -> Any:
    """`pixels_from_bytes` for a batch.

    Args:
        encoded: string tensor of shape (n,).
        size: edge of the square results in pixels.

    Returns:
        uint8 tensor of shape (n, size, size, 1).
    """
    return tf.map_fn(
        lambda one: pixels_from_bytes(one, size),
        encoded,
        fn_output_signature=tf.TensorSpec((size, size, 1), tf.uint8),
    )
