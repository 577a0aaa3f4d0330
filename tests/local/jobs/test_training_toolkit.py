"""A training script gets the command line and variables of the sagemaker-training toolkit, and fails with its words.

The toolkit itself runs beside ours on the same files: it lies in `.venv/training-toolkit`, unpacked from its source
distribution, because what it compiles (a library for MPI) is for clusters.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.jobs import training_toolkit

TOOLKIT = Path(__file__).resolve().parents[3] / ".venv" / "training-toolkit"
NAME = "pipelines-0i9y51iyhjd3-TrainModel"
REQUEST = {
    "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge"},
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataDistributionType": "FullyReplicated"}}},
        {
            "ChannelName": "validation",
            "InputMode": "FastFile",
            "ContentType": "application/x-tfrecord",
            "DataSource": {"S3DataSource": {}},
        },
    ],
}
OWN = {
    "sagemaker_program": "train.py",
    "sagemaker_submit_directory": "s3://artifacts/code/source.tar.gz",
    "sagemaker_region": "eu-central-1",
    "sagemaker_container_log_level": "10",
    "sagemaker_job_name": NAME,
    "sagemaker_instance_type": "ml.g4dn.xlarge",
}
SCRIPT = {
    "epochs": "3",
    "learning-rate": "1e-4",
    "weights": "none",
    "e": "2",
    "flag": "true",
    "map": '{"b": 1, "a": 2}',
    "quoted": '"x y"',
    "nothing": "null",
    "uri": "s3://b/k",
    "list": "[1, 2]",
}
# What SageMaker or the toolkit's `write_env_vars` sets beside what `to_env_vars` returns.
BESIDE = {"SAGEMAKER_BASE_DIR", "SAGEMAKER_JOB_NAME", "TRAINING_JOB_NAME", "CURRENT_HOST", "PYTHONPATH"}


def toolkit(program: str, base: Path, *arguments: str) -> str:
    """Output of a program that imports the toolkit, in a container's directory and variables."""
    (sources,) = TOOLKIT.glob("sagemaker_training-*/src") if TOOLKIT.is_dir() else ("",)
    assert sources, f"{TOOLKIT} is missing: `make .venv/training-toolkit/.installed`"
    module = "sagemaker_tensorflow_container.training:main"
    container = {"SAGEMAKER_BASE_DIR": str(base), "TRAINING_JOB_NAME": NAME, "SAGEMAKER_TRAINING_MODULE": module}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SM_", "SAGEMAKER_"))}
    environment = {**inherited, **container, "PYTHONPATH": str(sources)}
    command = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def configured(base: Path, hyperparameters: dict[str, str]) -> dict[str, Any]:
    """Lay the files of a job into a container's directory, and answer them."""
    files = training_toolkit.configuration(REQUEST, hyperparameters)
    config = base / "input" / "config"
    config.mkdir(parents=True)
    for name, content in files.items():
        (config / name).write_text(json.dumps(content))
    return files


@pytest.mark.serving
@pytest.mark.parametrize("own", [OWN, {name: OWN[name] for name in list(OWN)[:2]}], ids=["all", "what must be"])
def test_a_script_sees_what_the_toolkit_shows_it(tmp_path: Path, own: dict[str, str]) -> None:
    files = configured(tmp_path, {**own, **SCRIPT})
    program = """
import json
from sagemaker_training import environment
env = environment.Environment()
print(json.dumps({"variables": env.to_env_vars(), "arguments": env.to_cmd_args()}))
"""
    theirs = json.loads(toolkit(program, tmp_path))
    assert training_toolkit.arguments(training_toolkit.decode({**own, **SCRIPT})[1]) == theirs["arguments"]
    ours = training_toolkit.environment(tmp_path, files, NAME)
    assert _parsed({name: value for name, value in ours.items() if name not in BESIDE}) == _parsed(theirs["variables"])


def _parsed(variables: dict[str, str]) -> dict[str, Any]:
    return {name: json.loads(value) if value[:1] in {"{", "["} else value for name, value in variables.items()}


# The toolkit reads what comes in pieces, and Python writes a traceback in pieces, whose ends it would take for lines.
AT_ONCE = """
import sys, traceback
sys.excepthook = lambda *error: sys.stderr.write("".join(traceback.format_exception(*error)))
"""
FAILURES = {
    "exception": f"{AT_ONCE}raise ValueError('no: this way:')",
    "exception of two lines": f"{AT_ONCE}raise RuntimeError('first\\nsecond')",
    "one below another": f"{AT_ONCE}try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise OSError(28, 'No space left')",
    "TensorFlow's": "import sys; print('tensorflow.ResourceExhaustedError: OOM', file=sys.stderr); sys.exit(1)",
    "a class of its own": f"{AT_ONCE}class GateFailed(Exception): ...\nraise GateFailed('too few')",
    "its own word": "import sys; sys.exit('The archive has one class.')",
    "a warning": "import sys; print('UserWarning: slow', file=sys.stderr); sys.exit(3)",
    "argparse": "import argparse; argparse.ArgumentParser().parse_args(['--unknown'])",
    "killed": "import os; os.kill(os.getpid(), 9)",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Folder that the toolkit ran the failing scripts in, and what it said of each.

    By one process: to know TensorFlow's errors it imports TensorFlow.
    """
    folder = tmp_path_factory.mktemp("toolkit")
    configured(folder, OWN)
    (folder / "code").mkdir()
    program = """
import json, pathlib, sys
from sagemaker_training import environment, errors, process
told = {}
for name, script in json.loads(sys.argv[1]).items():
    pathlib.Path(environment.code_dir, "train.py").write_text(script)
    try:
        process.ProcessRunner("train.py", [], {}, 1).run(capture_error=True)
    except errors._CalledProcessError as error:
        told[name] = str(error)
pathlib.Path(sys.argv[2]).write_text(json.dumps(told))
"""
    toolkit(program, folder, json.dumps(FAILURES), str(folder / "told.json"))
    return folder / "code", json.loads((folder / "told.json").read_text())


@pytest.mark.serving
@pytest.mark.parametrize("name", FAILURES)
def test_a_script_that_left_no_reason_fails_with_the_toolkits_words(
    told: tuple[Path, dict[str, str]], name: str
) -> None:
    """A class of one's own, argparse and sys.exit leave nothing: why jobs write their reason themselves."""
    folder, said = told
    (folder / "train.py").write_text(FAILURES[name])
    words = training_toolkit.command("train.py", [])
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    code = ran.returncode if ran.returncode > 0 else 128 - ran.returncode
    assert training_toolkit.failure(ran.stderr.splitlines(), code, words[-1]) == said[name]


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
