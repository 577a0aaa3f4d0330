"""A failed job says why where SageMaker looks for it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from model_code.contract import job


def test_a_users_error_becomes_one_sentence_on_stderr_and_in_the_message_file(job_directory, capsys):
    def main():
        raise job.JobError("The archive is empty.")

    assert job.run(main, message_file="failure") == 1
    assert capsys.readouterr().err == "The archive is empty.\n"
    assert (job_directory / "output" / "failure").read_text() == "The archive is empty."


def test_a_bug_leaves_its_trace_in_the_log_and_its_kind_in_the_message(job_directory, capsys):
    def main():
        raise KeyError("labels")

    assert job.run(main, message_file="message") == 1
    assert "Traceback" in capsys.readouterr().err
    assert (job_directory / "output" / "message").read_text() == "Unexpected KeyError: 'labels'"


class ResourceExhaustedError(Exception):
    """TensorFlow's, of the same name."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/opt/ml/x"), "No space is left on the job's disk: give it"),
        (ResourceExhaustedError("a.data; No space left on device"), "No space is left on the job's disk: give it"),
        (ResourceExhaustedError("OOM when allocating tensor"), "ran out of memory: choose a larger instance"),
        (MemoryError(), "ran out of memory: choose a larger instance"),
    ],
)
def test_a_full_disk_and_too_little_memory_are_reported_with_what_to_do(error, said, job_directory):
    def main():
        raise error

    assert job.run(main, message_file="failure") == 1
    message = (job_directory / "output" / "failure").read_text()
    assert said in message
    assert f"({type(error).__name__}: {error})" in message, "the error itself is not lost"


@pytest.mark.parametrize("ever", [True, False])
def test_on_a_full_disk_the_outputs_of_a_failed_job_give_room_to_the_reason(ever, job_directory, monkeypatch):
    shard = job.processing_output("decoded") / "shard"
    shard.write_bytes(b"partial")
    write = Path.write_text

    def write_where_there_is_room(path, *arguments, **more):
        if shard.exists() or not ever:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, *arguments, **more)

    monkeypatch.setattr(Path, "write_text", write_where_there_is_room)

    def main():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert job.run(main, message_file="message") == 1
    assert (job_directory / "output" / "message").exists() == ever


def test_a_job_that_works_leaves_no_message(job_directory):
    assert job.run(lambda: None, message_file="message") == 0
    assert not (job_directory / "output").exists()


def test_a_long_message_fits_the_services_limit(job_directory):
    job.leave_message("ä" * 5000)
    assert len((job_directory / "output" / "message").read_text(encoding="utf-8")) == job.MESSAGE_LIMIT


def test_training_channels_come_from_the_toolkit_or_the_base_directory(job_directory, tmp_path, monkeypatch):
    with pytest.raises(job.JobError, match="'train' is missing"):
        job.channel("train")
    (job_directory / "input" / "data" / "train").mkdir(parents=True)
    assert job.channel("train") == job_directory / "input" / "data" / "train"
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(tmp_path))
    assert job.channel("train") == tmp_path


def test_an_input_with_two_archives_is_refused(tmp_path):
    for name in ("a.zip", "b.zip"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(job.JobError, match=r"found \['a\.zip', 'b\.zip'\]"):
        job.only_file(tmp_path, "*.zip")


def test_a_processing_job_knows_its_execution_by_where_its_outputs_go(job_directory):
    """Told by an argument, no step of two executions would be the same, and none could be cached."""
    assert job.execution() == "unknown"
    config = job_directory / "config"
    config.mkdir()
    output = {"OutputName": "evaluation", "S3Output": {"S3Uri": "s3://artifacts/executions/7md9jfchs8ik/evaluation"}}
    request = {"ProcessingJobName": "n", "ProcessingOutputConfig": {"Outputs": [output]}}
    (config / "processingjobconfig.json").write_text(json.dumps(request))
    assert job.execution() == "7md9jfchs8ik"
    (config / "processingjobconfig.json").write_text("{}")
    assert job.execution() == "unknown"
