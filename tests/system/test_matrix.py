"""The script that runs these tests under other arithmetics: what it hands on, and what it calls a pass."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from local.jobs.job_process import base_environment


@pytest.fixture(scope="module")
def matrix() -> ModuleType:
    specification = importlib.util.spec_from_file_location("matrix", Path(__file__).with_name("matrix.py"))
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["matrix"] = module
    specification.loader.exec_module(module)
    return module


def test_every_variable_of_the_kernels_reaches_the_jobs(
    matrix: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variables in matrix.KERNELS.values():
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
            assert base_environment(tmp_path)[name] == value


def test_a_case_has_its_own_kernels_and_no_others(matrix: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert "TF_ENABLE_ONEDNN_OPTS" not in matrix.Case("demo", "default", 7, "idle").environment
    found = matrix.Case("demo", "avx2", 7, "idle").environment
    assert (found["ONEDNN_MAX_CPU_ISA"], found["CXR_ARCHIVE_SEED"]) == ("AVX2", "7")
    assert found["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("printed", "code", "passed"),
    [
        ("0.043  NORMAL     .laptop/a/NORMAL-1.jpeg\n0.950  PNEUMONIA  .laptop/a/PNEUMONIA-1.jpeg\n", 0, True),
        ("0.043  NORMAL     .laptop/a/NORMAL-1.jpeg\n0.350  NORMAL     .laptop/a/PNEUMONIA-1.jpeg\n", 0, False),
        ("0.043  NORMAL     .laptop/a/NORMAL-1.jpeg\n0.950  PNEUMONIA  .laptop/a/PNEUMONIA-1.jpeg\n", 1, False),
        ("0.043  NORMAL     .laptop/a/NORMAL-1.jpeg\n", 0, False),
        ("", 0, False),
    ],
    ids=["right", "one is wrong", "the demo failed", "one is missing", "nothing"],
)
def test_a_demo_passes_with_two_right_predictions(
    matrix: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, printed: str, code: int, passed: bool
) -> None:
    def run(command: list[str], *, stdout: object, **_: object) -> SimpleNamespace:
        stdout.write(printed)  # type: ignore[attr-defined]
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr(matrix, "LOGS", tmp_path)
    monkeypatch.setattr(matrix.subprocess, "run", run)
    assert matrix.run(matrix.Case("demo", "default", 2018, "idle"), []).passed is passed


def test_tests_pass_where_some_ran_and_none_failed(
    matrix: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "test_one.py").write_text(
        "def test_one(record_property):\n    record_property('gates', '{\"AUROC\": \"0.988 (at least 0.8)\"}')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    monkeypatch.setattr(matrix, "LOGS", tmp_path)
    case = matrix.Case("tests", "default", 2018, "idle")
    outcome = matrix.run(case, [str(tmp_path / "test_one.py")])
    assert (outcome.passed, outcome.said, outcome.gates) == (True, "1 tests", "AUROC 0.988 (at least 0.8)"), (
        case.log.read_text()
    )
    assert matrix._row(outcome).startswith("| tests | default | 2018 | idle | passed | 1 tests | ")
    (tmp_path / "test_one.py").write_text("def test_one():\n    assert False\n")
    outcome = matrix.run(case, [str(tmp_path / "test_one.py")])
    assert (outcome.passed, outcome.said) == (False, "1 tests, 1 failures")


def test_the_busy_program_ends_where_the_script_is_killed() -> None:
    """The write end of the pipe is the busy programs' too: reading ends once all of them have ended."""
    script = Path(__file__).with_name("matrix.py")
    program = (
        f"import os, runpy, signal\nmatrix = runpy.run_path({str(script)!r})\n"
        "with matrix['busy_processors']():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


def test_the_busy_program_ends_with_its_block(matrix: ModuleType) -> None:
    with matrix.busy_processors():
        pass
    with pytest.raises(ZeroDivisionError), matrix.busy_processors():
        raise ZeroDivisionError
