"""One table from metric to its path: what reads or writes a figure asks it, and types no path of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from model_code.contract import metrics

REPOSITORY = Path(__file__).resolve().parents[3]
CODE = ("infra", "lambdas", "local", "model_code", "openapi", "ops", "pipeline", "policy", "benchmarks")


def test_a_section_of_the_evaluation_is_typed_in_the_contract_only() -> None:
    """Besides the table, the document's own type has to name its members."""
    command = ["git", "grep", "-l", "--untracked", metrics.CLASSIFICATION, "--", *(f"{one}/**.py" for one in CODE)]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()
    assert set(found) == {"model_code/contract/documents.py", "model_code/contract/metrics.py"}


@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_figure_is_found_where_a_pipeline_s_condition_looks_for_it(name: str) -> None:
    section, key, value = metrics.path(name).split(".")
    assert metrics.figure({section: {key: {value: 0.5}}}, name) == {value: 0.5}


@pytest.mark.parametrize("evaluation", [{}, {"calibration": None}, {"calibration": {}}])
def test_an_evaluation_without_a_figure_has_none(evaluation: dict[str, object]) -> None:
    assert metrics.figure(evaluation, "calibration_error") is None
