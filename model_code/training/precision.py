"""Which arithmetic training uses: the one the processor at hand gains from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from model_code.contract.job import JobError

CHOICES = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
# CUDA compute capabilities: 7.0 brought float16 matrix units (Volta; the T4 of ml.g4dn is 7.5), 8.0 those for bfloat16
# (Ampere). https://developer.nvidia.com/cuda-gpus lists the cards.
_FLOAT16_UNITS = (7, 0)
_BFLOAT16_UNITS = (8, 0)
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_CPU_INFORMATION = Path("/proc/cpuinfo")


def policy(
    requested: str,
    *,
    capabilities: Sequence[tuple[int, int]] | None = None,
    cpu_information: Path = _CPU_INFORMATION,
) -> str:
    """The Keras dtype policy to train with.

    `auto` chooses mixed_bfloat16 on GPUs from compute capability 8.0, mixed_float16 from 7.0 (it needs a loss scale,
    which Keras' `compile` adds), mixed_bfloat16 on a CPU that multiplies bfloat16 natively, and float32 otherwise. Of
    several GPUs the oldest decides. On such a CPU mixed bfloat16 trains ResNet50V2 at 64 px 1.25 times (batch 32) to
    1.4 times (batch 64) as fast as float32; on another it is slower.

    Args:
        requested: the parameter Precision, one of CHOICES.
        capabilities: compute capability of each GPU; None asks TensorFlow.
        cpu_information: in Linux's format; without that file the CPU has no bfloat16.

    Raises:
        JobError: for another name.
    """
    if requested not in CHOICES:
        raise JobError(f"Precision must be one of {', '.join(CHOICES)}, not {requested!r}.")
    if requested != "auto":
        return requested
    found = gpu_capabilities() if capabilities is None else capabilities
    if found:
        oldest = min(found)
        if oldest >= _BFLOAT16_UNITS:
            return "mixed_bfloat16"
        return "mixed_float16" if oldest >= _FLOAT16_UNITS else "float32"
    return "mixed_bfloat16" if _cpu_flags(cpu_information) & _BFLOAT16_FLAGS else "float32"


def gpu_capabilities() -> list[tuple[int, int]]:
    """CUDA compute capability of each GPU TensorFlow sees; (0, 0) for one that does not say."""
    details = (tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU"))
    return [tuple(one.get("compute_capability") or (0, 0)) for one in details]


def _cpu_flags(information: Path) -> set[str]:
    if not information.is_file():
        return set()
    return set(information.read_text(encoding="ascii", errors="replace").split())
