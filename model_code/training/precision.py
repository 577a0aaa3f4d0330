"""Mixed precision: the Keras dtype policy of training, chosen by what the processor at hand gains from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from model_code.contract.job import JobError

CHOICES = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
# CUDA compute capabilities: 7.0 brought float16 matrix units (Volta; the T4 of ml.g4dn is 7.5), 8.0 those for bfloat16
# (Ampere). https://developer.nvidia.com/cuda-gpus lists the cards.
_FLOAT16_UNITS = (7, 0)
_BFLOAT16_UNITS = (8, 0)
# Of a convolution: what casts weights and adds up gains nothing, so a little more would be none for the network.
LEAST_GAIN = 1.2
_ROUNDS = 8
# A kernel this much slower needs no second look. Without a fast one, bfloat16 takes 5 times as long as float32 (oneDNN
# on a processor with AVX-512 and no BF16) to 25 times (oneDNN switched off there).
_HOPELESS = 3.0


def policy(
    requested: str,
    *,
    capabilities: Sequence[tuple[int, int]] | None = None,
    gain: Callable[[], float] | None = None,
    begun: Callable[[str], bool] | None = None,
) -> str:
    """The Keras dtype policy to train with; for `auto`, the reason is printed.

    `auto` chooses mixed_bfloat16 on GPUs from compute capability 8.0, mixed_float16 from 7.0 (it needs a loss scale,
    which Keras' `compile` adds). Of several GPUs the oldest decides. On a CPU it chooses mixed_bfloat16 where that is
    measured to be faster: what the processor names says nothing of whether TensorFlow has kernels for it, which is
    another matter with oneDNN switched off or held to an older instruction set. Where there are, mixed bfloat16 trains
    ResNet50V2 at 64 px 1.25 times (batch 32) to 1.4 times (batch 64) as fast as float32. Two measurements near the
    limit can fall on either side of it: a training that was interrupted resumes in the arithmetic it began in.

    Args:
        requested: the parameter Precision, one of CHOICES.
        capabilities: compute capability of each GPU; None asks TensorFlow.
        gain: speed of bfloat16 on the CPU as a multiple of float32's; None measures it, `bfloat16_gain`.
        begun: whether the training left a checkpoint in an arithmetic, by its name; None where it keeps none.

    Raises:
        JobError: for another name.
    """
    if requested not in CHOICES:
        raise JobError(f"Precision must be one of {', '.join(CHOICES)}, not {requested!r}.")
    if requested != "auto":
        return requested
    found = gpu_capabilities() if capabilities is None else capabilities
    chosen, reason = _for_gpus(found) if found else _for_cpu((gain or bfloat16_gain)(), begun or (lambda _: False))
    print(f"Arithmetic {chosen}: {reason}", flush=True)
    return chosen


def _for_gpus(capabilities: Sequence[tuple[int, int]]) -> tuple[str, str]:
    oldest = min(capabilities)
    reason = f"the GPU's compute capability is {oldest[0]}.{oldest[1]}."
    if oldest >= _BFLOAT16_UNITS:
        return "mixed_bfloat16", reason
    return ("mixed_float16" if oldest >= _FLOAT16_UNITS else "float32"), reason


def _for_cpu(gain: float, begun: Callable[[str], bool]) -> tuple[str, str]:
    if gain == 0:
        return "float32", "this processor's kernels cannot compute a convolution's gradients in bfloat16."
    for name in ("mixed_bfloat16", "float32"):
        if begun(name):
            return name, "the training resumes from a checkpoint in the arithmetic it began in."
    measured = f"a convolution and its gradients in bfloat16 run {gain:.2f} times as fast as in float32 here"
    if gain >= LEAST_GAIN:
        return "mixed_bfloat16", f"{measured}."
    return "float32", f"{measured}, where at least {LEAST_GAIN:g} times is worth it."


def bfloat16_gain() -> float:
    """Speed of a convolution and its gradients in bfloat16 on the CPU, as a multiple of float32's.

    By processor time, so that other programs do not count, the least of some rounds; takes about two seconds.

    Returns:
        float32's time over bfloat16's; 0 where bfloat16 cannot be computed.
    """
    usual = _least_seconds(tf.float32, enough=float("inf"))
    try:
        return usual / _least_seconds(tf.bfloat16, enough=_HOPELESS * usual)
    except tf.errors.OpError:
        # oneDNN held to AVX2 has no such kernel: "could not create a primitive descriptor".
        return 0.0


def gpu_capabilities() -> list[tuple[int, int]]:
    """CUDA compute capability of each GPU TensorFlow sees; (0, 0) for one that does not say."""
    details = (tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU"))
    return [tuple(detail.get("compute_capability") or (0, 0)) for detail in details]


def _least_seconds(dtype: Any, *, enough: float) -> float:
    """Processor seconds of a convolution of the middle of a residual network, forward and backward.

    Args:
        dtype: data type of images and kernel.
        enough: ends the rounds once one takes longer.
    """
    with tf.device("/CPU:0"):
        images = tf.cast(tf.random.stateless_uniform((8, 16, 16, 128), (1, 2)), dtype)
        kernel = tf.cast(tf.random.stateless_uniform((3, 3, 128, 128), (3, 4), -0.05, 0.05), dtype)

        def gradients(images: Any, kernel: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([images, kernel])
                total = tf.reduce_sum(tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME")))
            return tape.gradient(total, [images, kernel])

        traced = tf.function(gradients, autograph=False)
        seconds: list[float] = []
        # The first round also makes the kernels.
        for _ in range(1 + _ROUNDS):
            begin = time.process_time()
            for gradient in traced(images, kernel):
                gradient.numpy()
            seconds.append(time.process_time() - begin)
            if len(seconds) > 1 and seconds[-1] > enough:
                break
    return max(min(seconds[1:]), 1e-6)
