"""Arithmetic follows the hardware, unless it is asked for by name."""

from __future__ import annotations

import pytest

from model_code.contract.job import JobError


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global precision, tf
    import tensorflow as tf

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
def test_a_gpu_gets_what_its_matrix_units_multiply(capabilities, expected, capsys):
    assert precision.policy("auto", capabilities=capabilities, gain=lambda: 9.0) == expected
    assert capsys.readouterr().out.startswith(f"Arithmetic {expected}: the GPU's compute capability is ")


@pytest.mark.parametrize(
    ("gain", "expected", "reason"),
    [
        (
            1.6,
            "mixed_bfloat16",
            "a convolution and its gradients in bfloat16 run 1.60 times as fast as in float32 here.",
        ),
        (1.2, "mixed_bfloat16", "run 1.20 times as fast"),
        (1.19, "float32", "run 1.19 times as fast as in float32 here, where at least 1.2 times is worth it."),
        (0.04, "float32", "run 0.04 times as fast"),
        (0.0, "float32", "cannot compute a convolution's gradients in bfloat16."),
    ],
)
def test_a_cpu_gets_what_is_measured_to_be_faster_and_the_reason_is_said(gain, expected, reason, capsys):
    assert precision.policy("auto", capabilities=[], gain=lambda: gain) == expected
    printed = capsys.readouterr().out
    assert printed.startswith(f"Arithmetic {expected}: ")
    assert reason in printed


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("gain", [1.19, 1.21])
def test_an_interrupted_training_goes_on_in_its_arithmetic(name, gain, capsys):
    """A measurement falls now on one side of the limit, now on the other, and a checkpoint is of one arithmetic."""
    assert precision.policy("auto", capabilities=[], gain=lambda: gain, begun=lambda tried: tried == name) == name
    assert "resumes from a checkpoint in the arithmetic it began in" in capsys.readouterr().out


def test_a_training_does_not_go_on_in_what_the_machine_cannot_compute():
    begun = {"mixed_bfloat16"}
    assert precision.policy("auto", capabilities=[], gain=lambda: 0.0, begun=begun.__contains__) == "float32"


def test_what_is_measured_is_the_ratio_of_the_least_times(monkeypatch):
    seconds = {tf.float32: 0.003, tf.bfloat16: 0.002}
    monkeypatch.setattr(precision, "_least_seconds", lambda dtype, *, enough: seconds[dtype])
    assert precision.bfloat16_gain() == pytest.approx(1.5)


def test_kernels_that_are_not_there_are_no_gain(monkeypatch):
    """oneDNN held to AVX2: "could not create a primitive descriptor for the convolution backward propagation"."""

    def least(dtype, *, enough):
        if dtype == tf.bfloat16:
            raise tf.errors.AbortedError(None, None, "Operation received an exception: Status: 3")
        return 0.003

    monkeypatch.setattr(precision, "_least_seconds", least)
    assert precision.bfloat16_gain() == 0


def test_a_hopeless_kernel_is_measured_once(monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(precision.time, "process_time", lambda: float(next(clock)))
    assert precision._least_seconds(tf.float32, enough=1.0) == 2
    assert next(clock) == 8, "two rounds: one makes the kernels"


def test_this_machine_can_be_measured():
    assert 0 <= precision.bfloat16_gain() < 100


@pytest.mark.parametrize("name", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_policy_that_is_asked_for_is_taken(name):
    assert precision.policy(name, capabilities=[(6, 1)]) == name


def test_another_policy_is_refused():
    with pytest.raises(JobError, match="one of auto, float32, mixed_float16, mixed_bfloat16, not 'float64'"):
        precision.policy("float64")


def test_capabilities_are_asked_of_tensorflow(monkeypatch):
    details = {"T4": {"device_name": "Tesla T4", "compute_capability": (7, 5)}, "other": {"device_name": "other"}}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details) if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    assert precision.gpu_capabilities() == [(7, 5), (0, 0)]
    assert precision.policy("auto", gain=lambda: 9.0) == "float32"
