"""A failure that many tests share is told once."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import _ALONE, _APART, _LONG, FolderScheduling, pytest_collection_modifyitems

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


def test_a_folder_stays_on_one_worker_but_for_what_shares_no_slow_fixture():
    split = partial(FolderScheduling._split_scope, object.__new__(FolderScheduling))
    assert split("tests/model_code/export/test_litert.py::test_one") == "model_code"
    assert split("tests/model_code/test_evaluate.py::test_one") == "model_code"
    assert split("tests/model_code/dicom/test_matrix.py::test_one[a/b::c]") == "model_code/dicom"
    assert split("tests/model_code/test_train.py::test_one") == "model_code/test_train.py"
    assert split("tests/dicom_results/test_fhir.py::test_one") == "dicom_results"
    assert split("tests/test_adr.py::test_one") == "test_adr.py"
    # Not with the system's module of that name: it needs the templates that its folder synthesises once.
    assert split("tests/system/test_upgrade.py::test_one") == "system/test_upgrade.py"
    assert split("tests/infra/test_upgrade.py::test_one") == "infra"


def test_what_takes_longest_begins_and_folders_stay_together():
    def item(path: str) -> Any:
        return SimpleNamespace(nodeid=f"{path}::test_one", path=Path(path), add_marker=lambda _: None)

    paths = [
        *("tests/benchmarks/test_quality.py", "tests/infra/api/test_pages.py", "tests/local/core/test_a.py"),
        *("tests/model_code/network/test_faithfulness.py", "tests/model_code/test_evaluate.py", "tests/test_adr.py"),
        *("tests/system/models/test_calibration.py", "tests/system/test_path.py", "tests/system/test_removal.py"),
        *("tests/system/test_upgrade.py", "tests/policy/test_rights.py"),
    ]
    items = [item(path) for path in paths]

    pytest_collection_modifyitems(items)

    assert [one.path.as_posix().removeprefix("tests/") for one in items] == [
        *("system/test_upgrade.py", "system/test_path.py", "system/models/test_calibration.py"),
        *("system/test_removal.py", "model_code/network/test_faithfulness.py", "model_code/test_evaluate.py"),
        *("infra/api/test_pages.py", "local/core/test_a.py", "policy/test_rights.py"),
        *("benchmarks/test_quality.py", "test_adr.py"),
    ]


def test_the_long_folders_and_the_modules_that_run_alone_exist():
    assert all(CONFTEST.with_name(folder).is_dir() for folder in _LONG)
    assert all((CONFTEST.parent / file).is_file() for file in _ALONE)


@pytest.mark.parametrize("folder", sorted(_APART))
def test_what_lies_apart_uses_no_fixture_that_the_folder_above_makes_once(folder):
    """They would be made on another worker again."""
    above = ast.parse((CONFTEST.parent / folder).parent.joinpath("conftest.py").read_text(encoding="utf-8"))
    shared = {
        one.name
        for one in above.body
        if isinstance(one, ast.FunctionDef) and any("session" in ast.unparse(mark) for mark in one.decorator_list)
    }
    assert shared
    files = sorted((CONFTEST.parent / folder).glob("*.py"))
    assert files
    for file in files:
        functions = [
            one for one in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(one, ast.FunctionDef)
        ]
        assert not shared & {argument.arg for one in functions for argument in one.args.args}, file.name


def test_a_failed_shared_fixture_is_reported_once_with_its_reason_first(tmp_path):
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
