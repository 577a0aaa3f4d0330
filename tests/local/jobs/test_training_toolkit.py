"""A training script gets the command line and variables that the sagemaker-training toolkit gives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.jobs import training_toolkit


@pytest.mark.parametrize(
    ("hyperparameters", "args"),
    [
        ({"batch-size": "64", "a": "1"}, ["-a", "1", "--batch-size", "64"]),
        ({"rate": "1e-4"}, ["--rate", "0.0001"]),
        ({"weights": "none"}, ["--weights", "none"]),
        ({"flag": "true"}, ["--flag", "True"]),
        ({"nothing": "null"}, ["--nothing", ""]),
        ({"uri": "s3://b/k"}, ["--uri", "s3://b/k"]),
        ({"quoted": '"x"'}, ["--quoted", "x"]),
        ({"map": '{"b": 1, "a": 2}'}, ["--map", "a=2,b=1"]),
        ({"sagemaker_program": "train.py"}, []),
    ],
)
def test_hyperparameters_become_arguments(hyperparameters: dict[str, str], args: list[str]) -> None:
    assert training_toolkit.arguments(training_toolkit.decode(hyperparameters)[1]) == args


def test_words_are_not_quoted_just_as_in_the_container(tmp_path: Path) -> None:
    # A value with a space breaks in AWS; it must not seem to work here.
    (tmp_path / "show.py").write_text("import sys; print(sys.argv[1:])")
    command = training_toolkit.command("show.py", ["--a", "two words"])
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "['--a', 'two', 'words']"
    assert sys.executable in command[-1]


def test_a_program_that_is_no_python_file_is_run_itself() -> None:
    assert training_toolkit.command("run.sh", ["--a", "b c"]) == ["/bin/sh", "-c", "./run.sh --a 'b c'"]


def test_of_what_a_script_says_exceptions_are_kept_and_nothing_else() -> None:
    """argparse's own message is no exception, so that a job would fail without a reason."""
    assert training_toolkit.error_message(["usage: train.py", "train.py: error: argument --epochs"]) == ""
    said = ["starting", "Traceback (most recent call last):", "  raise ValueError(1)", "ValueError: 1", "ValueError: 1"]
    assert training_toolkit.error_message(said) == "raise ValueError(1)\nValueError: 1"
