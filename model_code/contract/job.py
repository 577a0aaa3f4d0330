"""Conventions of SageMaker jobs: directories, command-line flags, and the message of a failure.

Every path lies below `SAGEMAKER_BASE_DIR` (`/opt/ml` in the containers), the variable SageMaker's training toolkit
itself reads; another value runs the same job over any directory of that shape.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from model_code.contract.parameters import Parameter, Value, problems

# A processing job's ExitMessage and a training job's FailureReason hold 1,024 characters; a step's reason adds its own.
MESSAGE_LIMIT = 700
_DISK_IS_FULL = os.strerror(errno.ENOSPC)
# The second is TensorFlow's, which is not imported here; the third what is left of a worker that the kernel killed.
_OUT_OF_MEMORY = frozenset({"MemoryError", "ResourceExhaustedError", "BrokenProcessPool"})


class JobError(Exception):
    """The job cannot go on for a reason its user can act on; the text is one sentence for that user."""


def base_directory() -> Path:
    """The root of the container's directory convention, `/opt/ml` unless SAGEMAKER_BASE_DIR says otherwise."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ArgumentParser(argparse.ArgumentParser):
    """A command line whose mistakes are a job's errors.

    argparse writes them to standard error and exits. Of standard error the training toolkit keeps exceptions only
    (sagemaker-training 5.1.1, process.py; run 2026-11), so the job would have failed without a reason.
    """

    def error(self, message: str) -> NoReturn:
        """Raise JobError with what argparse found wrong, the hyperparameter's name in it."""
        raise JobError(f"The job was started with a wrong argument: {message}.")


def add_flags(parser: argparse.ArgumentParser, settings: Any) -> None:
    """Give a command line a required flag for each field of a dataclass whose types are int, float and str.

    Args:
        settings: the dataclass; its field `psi_limit` becomes `--psi-limit`.
    """
    for field in dataclasses.fields(settings):
        convert: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        parser.add_argument("--" + field.name.replace("_", "-"), type=convert, required=True)


def check(values: Mapping[str, Value], table: Mapping[str, Parameter]) -> None:
    """Hold what a command line says against the pipeline's parameters.

    Args:
        values: values by field, such as `psi_limit`; others than the table's are passed over.

    Raises:
        JobError: naming every value that is not accepted, and what would be.
    """
    if found := problems(values, table.values()):
        raise JobError(" ".join(found))


def processing_input(name: str) -> Path:
    """The directory of a processing job's input.

    Raises:
        JobError: when the job was started without that input.
    """
    directory = base_directory() / "processing" / "input" / name
    if not directory.is_dir():
        raise JobError(f"The processing input {name!r} is missing: {directory} is not a directory.")
    return directory


def execution() -> str:
    """Identifier of the pipeline's execution that a processing job is of; `unknown` for one of no pipeline.

    From where its outputs go: an argument would keep the step from being cached, as every execution has its own. The
    file has the request of CreateProcessingJob
    (https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html, 2026-11).
    """
    try:
        config = (base_directory() / "config" / "processingjobconfig.json").read_text(encoding="utf-8")
        outputs = json.loads(config)["ProcessingOutputConfig"]["Outputs"]
        places = [re.search("/executions/([^/]+)/", output["S3Output"]["S3Uri"]) for output in outputs]
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
    return next((place[1] for place in places if place), "unknown")


def processing_output(name: str) -> Path:
    """The directory of a processing job's output, made when absent."""
    directory = base_directory() / "processing" / "output" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def has_channel(name: str) -> bool:
    """Whether the training job was started with that input channel."""
    return _channel(name).is_dir()


def channel(name: str) -> Path:
    """The directory of a training job's input channel.

    Raises:
        JobError: when the job was started without that channel.
    """
    directory = _channel(name)
    if not directory.is_dir():
        raise JobError(f"The training channel {name!r} is missing: {directory} is not a directory.")
    return directory


def model_directory() -> Path:
    """Directory whose content becomes a training job's model.tar.gz."""
    return _made(os.environ.get("SM_MODEL_DIR", base_directory() / "model"))


def output_data_directory() -> Path:
    """Directory whose content becomes a training job's output.tar.gz."""
    return _made(os.environ.get("SM_OUTPUT_DATA_DIR", base_directory() / "output" / "data"))


def checkpoint_directory() -> Path:
    """Directory of checkpoints: copied to S3 while a training job runs, and back before it runs again."""
    return _made(base_directory() / "checkpoints")


def tensorboard_directory() -> Path:
    """Directory of TensorBoard event files, copied to S3 while a training job runs."""
    return _made(base_directory() / "output" / "tensorboard")


def only_file(directory: Path, pattern: str) -> Path:
    """The one file in a directory that matches a glob pattern.

    Raises:
        JobError: when there is none, or more than one.
    """
    found = sorted(directory.glob(pattern))
    if len(found) != 1:
        raise JobError(f"Expected one file {pattern} in {directory}, found {[path.name for path in found] or 'none'}.")
    return found[0]


def leave_message(text: str, file: str = "message") -> None:
    """Write the sentence SageMaker shows for this job: `message` is a processing job's ExitMessage, `failure` a
    training job's FailureReason, which otherwise lacks the reasons of this project's own exceptions
    (findings/sagemaker_training_failure_reason.sh). Longer texts are cut at MESSAGE_LIMIT characters."""
    directory = _made(base_directory() / "output")
    cut = text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 3] + "..."
    (directory / file).write_text(cut, encoding="utf-8")


def run(main: Callable[[], None], *, message_file: str) -> int:
    """Run a job's main function and turn its failure into a message; the result is the process's exit status.

    Args:
        main: the job.
        message_file: name of the file in `output/` where SageMaker looks for the reason of a failure.
    """
    try:
        main()
    except JobError as error:
        print(error, file=sys.stderr, flush=True)
        _leave_on_a_full_disk_too(str(error), message_file)
        return 1
    except Exception as error:  # noqa: BLE001 - the last place that can still say why the job ended
        traceback.print_exc()
        _leave_on_a_full_disk_too(_sentence(error), message_file)
        return 1
    return 0


def _sentence(error: Exception) -> str:
    """Sentence about an unexpected error that ended the job, in words for the person who started it."""
    name = type(error).__name__
    # TensorFlow has one error for disk and memory, and says of the disk what the system does.
    if _DISK_IS_FULL in str(error):
        return (
            "No space is left on the job's disk: give it a larger one (VOLUME_GB in pipeline/processing.py and "
            f"pipeline/training.py), or free some where it ran on a laptop. ({name}: {error})"
        )
    if name in _OUT_OF_MEMORY:
        return (
            "The job ran out of memory: choose a larger instance (ProcessingInstanceType, TrainingInstanceType), or a "
            f"smaller ImageSize or BatchSize. ({name}: {error})"
        )
    return f"Unexpected {name}: {error}"


def _leave_on_a_full_disk_too(text: str, file: str) -> None:
    try:
        leave_message(text, file)
    except OSError:
        # Outputs of a job that failed are not stored, and the reason needs their room.
        shutil.rmtree(base_directory() / "processing" / "output", ignore_errors=True)
        with contextlib.suppress(OSError):
            leave_message(text, file)


def _channel(name: str) -> Path:
    return Path(os.environ.get(f"SM_CHANNEL_{name.upper()}", base_directory() / "input" / "data" / name))


def _made(directory: str | Path) -> Path:
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    return path


def place_among_hosts() -> tuple[int, int]:
    """This instance's position in the sorted names of the job's hosts, and how many there are.

    They stand in `config/resourceconfig.json` (https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html);
    without that file there is one.

    Raises:
        JobError: when the file does not say which host this is.
    """
    path = base_directory() / "config" / "resourceconfig.json"
    if not path.exists():
        return 0, 1
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        hosts = sorted(config["hosts"])
        return hosts.index(config["current_host"]), len(hosts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path} does not say which of which hosts this is: {error}.") from error
