"""Arithmetic follows the hardware, unless it is asked for by name."""

from __future__ import annotations

import pytest
import tensorflow as tf

from model_code.contract.job import JobError
from model_code.training import precision


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([(7, 5)], "mixed_float16"),  # T4
        ([(7, 0)], "mixed_float16"),  # V100
        ([(8, 6)], "mixed_bfloat16"),  # A10G
        ([(9, 0), (9, 0)], "mixed_bfloat16"),  # H100
        ([(8, 0), (7, 5)], "mixed_float16"),
        ([(6, 1)], "float32"),
        ([(0, 0)], "float32"),
    ],
)
def test_a_gpu_gets_what_its_matrix_units_multiply(capabilities, expected, tmp_path):
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("flags : amx_bf16\n")
    assert precision.policy("auto", capabilities=capabilities, cpu_information=cpu) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu sse avx512_bf16 gfni", "mixed_bfloat16"), ("fpu sse avx2", "float32"), ("amx_bf16", "mixed_bfloat16")],
)
def test_a_cpu_gets_bfloat16_where_it_multiplies_it(tmp_path, flags, expected):
    information = tmp_path / "cpuinfo"
    information.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert precision.policy("auto", capabilities=[], cpu_information=information) == expected
    assert precision.policy("auto", capabilities=[], cpu_information=tmp_path / "absent") == "float32"


@pytest.mark.parametrize("name", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_policy_that_is_asked_for_is_taken(name):
    assert precision.policy(name, capabilities=[(6, 1)]) == name


def test_another_policy_is_refused():
    with pytest.raises(JobError, match="one of auto, float32, mixed_float16, mixed_bfloat16, not 'float64'"):
        precision.policy("float64")


def test_capabilities_are_asked_of_tensorflow(monkeypatch, tmp_path):
    details = {"T4": {"device_name": "Tesla T4", "compute_capability": (7, 5)}, "other": {"device_name": "other"}}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details) if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    assert precision.gpu_capabilities() == [(7, 5), (0, 0)]
    assert precision.policy("auto", cpu_information=tmp_path / "absent") == "float32"
