"""A failure that many tests share is told once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
SHARED = """
import pytest


@pytest.fixture(scope="session")
def trained():
    pytest.fail("TrainModel: the reason.\\n\\nThe embedded cloud's log:\\n" + "line of a log\\n" * 20, pytrace=False)


@pytest.fixture(scope="session")
def released(trained):
    return trained


def test_first(trained): ...
def test_second(released): ...
def test_third(trained): ...


@pytest.fixture
def own():
    raise ValueError("of one test alone")


def test_fourth(own): ...
def test_fifth(own): ...
"""


def test_a_failed_shared_fixture_is_told_once_with_its_reason_first(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_shared.py").write_text(SHARED, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "-n", "0", "-p", "no:cacheprovider", str(tmp_path)]
    # Where CI is set, pytest repeats whole messages in its summary.
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "BUILD_NUMBER"}}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "5 errors" in done.stdout
    assert done.stdout.count("line of a log") == 20
    assert done.stdout.count("As told under test_shared.py::test_first: TrainModel: the reason.") == 2
    lines = done.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if "ERROR at setup of test_first" in line)
    assert lines[first + 1] == "TrainModel: the reason."
    # The same words from a fixture that is set up for each test are another failure each.
    assert done.stdout.count('raise ValueError("of one test alone")') == 2
