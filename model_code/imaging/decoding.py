"""Decoding of JPEG and PNG radiographs to the model's pixels, inside the TensorFlow graph.

Preprocessing and the exported serving graph call `pixels_from_bytes`. Another implementation is not the same by itself:
Pillow's usual resizing differs from this by about one grey level, and without antialiasing by more than ten. The one
that the engine needs, `engine_image`, is held to this by tests.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf

from model_code.contract import images
from model_code.imaging.exif_orientation import orientation, orientation_of_block, upright

# libjpeg can decode to a half, a quarter or an eighth of the size. It does where the result is still this many times
# larger than what is wanted, the margin of Pillow's `thumbnail`; at 220 px that differs from decoding in full by 0.2
# grey levels.
_RATIOS = (2, 4, 8)
_SCALE_MARGIN = 2
# Red, green and blue in luma (ITU-R BT.601), as libpng and libjpeg weigh them.
_LUMA = (0.299, 0.587, 0.114)
_COLOUR_TYPES = (2, 3, 6)  # RGB, palette, RGB with alpha (PNG specification, 11.2.1)


def pixels_from_bytes(encoded: Any, size: int) -> Any:
    """Decode one JPEG or PNG to grey, resize it, round it and turn it upright.

    The aspect ratio is not kept: lungs fill the square, as in the published work on this data set. One rule for each
    kind of file (ADR 25): colour becomes luma of the values as they are stored, whatever gamma or profile says.
    Transparency is dropped. A PNG of sixteen bits is stretched to the bits that it uses: those of sBIT, else those that
    its largest value needs, at least eight. The EXIF orientation is applied, that of a PNG where it stands before the
    pixels. Of a file with several pictures the first is meant.

    Args:
        encoded: scalar string tensor (or bytes), the file's content.
        size: edge of the square result in pixels.

    Returns:
        uint8 tensor of shape (size, size, 1).

    Raises:
        tf.errors.InvalidArgumentError: when the bytes are not a whole JPEG or PNG.
    """
    encoded = tf.convert_to_tensor(encoded)
    # The accurate DCT is named because the default is left to the libjpeg of the machine, and training and serving are
    # two machines.
    decode = functools.partial(tf.io.decode_jpeg, encoded, channels=1, dct_method="INTEGER_ACCURATE")

    def cmyk() -> Any:
        # libjpeg has no way from ink to grey; the kernel goes to RGB.
        return tf.cast(tf.round(tf.image.rgb_to_grayscale(tf.cast(decode(channels=3), tf.float32))), tf.uint8)

    def jpeg() -> Any:
        shape = tf.io.extract_jpeg_shape(encoded)
        enough = [tf.reduce_min(shape[:2]) >= _SCALE_MARGIN * ratio * size for ratio in _RATIOS]
        kind = tf.where(shape[2] == 4, len(_RATIOS) + 1, tf.reduce_sum(tf.cast(enough, tf.int32)))
        branches = [decode, *(functools.partial(decode, ratio=ratio) for ratio in _RATIOS), cmyk]
        return upright(resize(tf.switch_case(kind, branches), size), orientation(encoded))

    def png() -> Any:
        exif_at, significant_bits = _chunks_before_pixels(encoded)
        # Depth and colour type (PNG specification, 11.2.1); the kernel refuses a file that ends before them.
        head = tf.pad(tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 0, 26), tf.uint8), tf.int32), [[0, 26]])
        coloured = tf.reduce_any(head[25] == _COLOUR_TYPES)
        branch = tf.where(head[24] == 16, 2, 0) + tf.cast(coloured, tf.int32)
        ways = [
            functools.partial(_of_png, encoded, size, channels, kind, significant_bits)
            for kind in (tf.uint8, tf.uint16)
            for channels in (1, 3)
        ]
        return upright(tf.switch_case(branch, ways), orientation_of_block(encoded, exif_at))

    return tf.cond(tf.strings.substr(encoded, 0, 2) == b"\xff\xd8", jpeg, png)


@functools.cache
def decoding_graph(size: int) -> Any:
    """The graph of `pixels_from_bytes`, traced once a process: that takes most of a second.

    Args:
        size: edge of the square results in pixels.

    Returns:
        Function from an encoded image, a scalar string, to uint8 (size, size, 1).
    """
    return tf.function(
        lambda encoded: pixels_from_bytes(encoded, size),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,  # nothing there needs it, and it takes half a second
    ).get_concrete_function()


def _of_png(encoded: Any, size: int, channels: int, kind: Any, significant_bits: Any) -> Any:
    """Grey levels (size, size, 1) of a PNG.

    libpng would go from colour to grey by itself, by way of linear light where there is a gAMA chunk
    (findings/tensorflow_png_gamma.sh). So colours are resized, and weighed then: what is large stays in the numbers
    that the file has.
    """
    decoded = tf.io.decode_png(encoded, channels=channels, dtype=kind)
    planes = [_resized(decoded[tf.newaxis, ..., plane : plane + 1], size)[0] for plane in range(channels)]
    grey = planes[0] if channels == 1 else tf.add_n([w * plane for w, plane in zip(_LUMA, planes, strict=True)])
    if kind == tf.uint16:
        grey *= 255.0 / _white(tf.cast(tf.reduce_max(decoded), tf.int32), significant_bits)
    return _rounded(grey)


def _white(largest: Any, significant_bits: Any) -> Any:
    """The sample of sixteen bits that is white, float32.

    A writer that follows the specification scales to all sixteen bits and notes in sBIT how many there were (11.3.3.4).
    Many do not scale: then no sample is larger than that number of bits allows.
    """
    needed = tf.reduce_sum(tf.cast(largest >= [2**bit for bit in range(16)], tf.int32))
    noted = (significant_bits >= 1) & (significant_bits < 16)
    scaled = tf.bitwise.left_shift(1, significant_bits) <= largest
    bits = tf.where(noted, tf.where(scaled, 16, significant_bits), tf.maximum(needed, 8))
    return tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.float32)


def _chunks_before_pixels(encoded: Any) -> tuple[Any, Any]:
    """Positions of eXIf's content and of the first byte of sBIT; 0 where there is none before the pixels."""
    length = tf.strings.length(encoded)

    def goes_on(at: Any, number: Any, _exif: Any, _bits: Any) -> Any:
        in_file = (at >= 8) & (at + 8 <= length) & (number < images.MAX_CHUNKS_BEFORE_PIXELS)
        return tf.cond(in_file, lambda: tf.strings.substr(encoded, at + 4, 4) != b"IDAT", lambda: False)

    def step(at: Any, number: Any, exif: Any, bits: Any) -> Any:
        head = tf.pad(tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, at, 9), tf.uint8), tf.int32), [[0, 9]])
        size = tf.tensordot(head[:4], [1 << 24, 1 << 16, 1 << 8, 1], 1)
        # A length beyond the file, or beyond what four bytes with a sign hold, ends the walk.
        inside = (size >= 0) & (size <= length - at - 8)
        kind = tf.strings.substr(encoded, at + 4, 4)
        exif = tf.where((kind == b"eXIf") & inside & (exif == 0), at + 8, exif)
        bits = tf.where((kind == b"sBIT") & inside & (size > 0) & (bits == 0), head[8], bits)
        return tf.where(inside, at + 12 + size, -1), number + 1, exif, bits

    _, _, exif, bits = tf.while_loop(goes_on, step, (8, 0, 0, 0))
    return exif, bits


def resize(pixels: Any, size: int) -> Any:
    """Resize with antialiasing, and round.

    Args:
        pixels: uint8 tensor of shape (h, w, 1), or (n, h, w, 1).
        size: edge of the square results in pixels.

    Returns:
        uint8 tensor of shape (size, size, 1), or (n, size, size, 1).
    """
    # On the CPU also where there is a GPU: the antialiased resize has no GPU kernel.
    with tf.device("/CPU:0"):
        pixels = tf.convert_to_tensor(pixels)
        rounded = _rounded(_resized(pixels if pixels.shape.rank == 4 else pixels[tf.newaxis], size))
        return rounded if pixels.shape.rank == 4 else rounded[0]


def _resized(batch: Any, size: int) -> Any:
    """Unrounded float32 (n, size, size, 1) of numbers of any kind (n, h, w, 1)."""
    with tf.device("/CPU:0"):
        # Heights, then widths: the order in which the kernel itself works.
        lower = tf.transpose(_to_height(batch, size), (0, 2, 1, 3))
        resized = tf.transpose(_to_height(lower, size), (0, 2, 1, 3))
        return tf.reshape(resized, (-1, size, size, 1))


def _rounded(levels: Any) -> Any:
    return tf.cast(tf.clip_by_value(tf.round(levels), 0.0, 255.0), tf.uint8)


def _to_height(pixels: Any, size: int) -> Any:
    """One axis of `tf.image.resize(method="bilinear", antialias=True)`, the same to the last bit.

    Its kernel (tensorflow/core/kernels/image/scale_and_translate_op.cc) is fast along channels only. An image whose
    rows are handed over as channels is resized in a quarter of the time: 1.7 million pixels to 220 x 220 take one core
    0.7 ms, not 2.8 ms.

    Args:
        pixels: (n, h, w, 1).
        size: the new height.

    Returns:
        float32 (n, size, w, 1).
    """
    shape = tf.shape(pixels)
    scale = tf.cast(size, tf.float32) / tf.cast(shape[1], tf.float32)
    resized = tf.raw_ops.ScaleAndTranslate(
        images=tf.reshape(pixels, (shape[0], 1, shape[1], shape[2])),
        size=(1, size),
        scale=tf.stack([1.0, scale]),
        translation=(0.0, 0.0),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.reshape(resized, (shape[0], size, shape[2], 1))


def batch_from_bytes(encoded: Any, size: int) -> Any:
    """`pixels_from_bytes` for a batch.

    Args:
        encoded: string tensor of shape (n,).
        size: edge of the square results in pixels.

    Returns:
        uint8 tensor of shape (n, size, size, 1).
    """
    return tf.map_fn(
        lambda content: pixels_from_bytes(content, size),
        encoded,
        fn_output_signature=tf.TensorSpec((size, size, 1), tf.uint8),
    )
