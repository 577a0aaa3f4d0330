"""Jobs do here what SageMaker's containers do: directories, commands, results, logs, statuses and failures."""

from __future__ import annotations

import json
import os
import sys
import tarfile
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from local.core.api import ApiError
from local.jobs.job_service import JobService
from local.jobs.processing_job import ProcessingJob
from tests.local.fake_cloud import (
    IMAGE,
    STEP_ROLE,
    FakeCloud,
    processing_request,
    put_source,
    s3_input,
    s3_outputs,
    text_at,
    wait_for,
)
from tests.local.run_jobs import alive, channel, describe, end, messages, process, train


class TestProcessing:
    def test_inputs_run_through_the_command_to_outputs(self, jobs: JobService, s3: Any) -> None:
        s3.put_object(Bucket="data", Key="in/archive.zip", Body=b"archive")
        s3.put_object(Bucket="data", Key="in/parts/a.txt", Body=b"a")
        s3.put_object(Bucket="data", Key="in/parts/deep/b.txt", Body=b"b")
        described = process(
            jobs,
            "copy",
            "cd $SAGEMAKER_BASE_DIR/processing && cat input/one/archive.zip input/many/a.txt input/many/deep/b.txt"
            ' > output/report/all.txt && mkdir output/report/sub && echo "$1" > output/report/sub/arg.txt',
            "two words",
            ProcessingInputs=[s3_input("one", "s3://data/in/archive.zip"), s3_input("many", "s3://data/in/parts")],
            ProcessingOutputConfig=s3_outputs(report="s3://data/out/report"),
        )
        assert described["ProcessingJobStatus"] == "Completed"
        assert text_at(s3, "out/report/all.txt") == "archiveab"
        assert text_at(s3, "out/report/sub/arg.txt") == "two words\n"

    def test_the_command_sees_its_role_this_interpreter_and_nothing_of_ours(
        self, jobs: JobService, s3: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET_OF_THE_EMULATOR", "x")
        monkeypatch.setenv("PYTHONPATH", "/somewhere")
        process(
            jobs,
            "look",
            "cd $SAGEMAKER_BASE_DIR/processing/output/o && pwd -P > where && env > env && python3 -c "
            "'import sys; print(sys.executable)' > python && cp $SAGEMAKER_BASE_DIR/config/*.json .",
            ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
            Environment={"COLOUR": "red", "SAGEMAKER_BASE_DIR": "/opt/ml"},
        )
        environment = dict(line.split("=", 1) for line in text_at(s3, "o/env").splitlines() if "=" in line)
        assert environment["AWS_ACCESS_KEY_ID"] == "key-of-step"
        assert environment["AWS_REGION"] == "us-east-1"
        assert environment["COLOUR"] == "red"
        assert environment["SAGEMAKER_BASE_DIR"] != "/opt/ml"
        assert "SECRET_OF_THE_EMULATOR" not in environment
        assert "PYTHONPATH" not in environment
        assert Path(text_at(s3, "o/python").strip()).parent == Path(sys.executable).parent
        assert json.loads(text_at(s3, "o/processingjobconfig.json"))["ProcessingJobName"] == "look"
        assert json.loads(text_at(s3, "o/resourceconfig.json")) == {"current_host": "algo-1", "hosts": ["algo-1"]}

    def test_network_isolation_leaves_no_credentials(self, jobs: JobService, s3: Any) -> None:
        process(
            jobs,
            "isolated",
            "env > $SAGEMAKER_BASE_DIR/processing/output/o/env",
            ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
            NetworkConfig={"EnableNetworkIsolation": True},
        )
        assert "AWS_SECRET_ACCESS_KEY" not in text_at(s3, "o/env")
        assert "AWS_ENDPOINT_URL" not in text_at(s3, "o/env")

    def test_a_failure_tells_message_and_exit_code_and_stores_nothing(self, jobs: JobService, s3: Any) -> None:
        described = process(
            jobs,
            "fails",
            "cd $SAGEMAKER_BASE_DIR && echo half > processing/output/o/half"
            " && echo 'The archive holds no images.' > output/message && exit 3",
            ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
        )
        assert described["ProcessingJobStatus"] == "Failed"
        assert described["ExitMessage"] == "The archive holds no images."
        assert described["FailureReason"] == "AlgorithmError: The archive holds no images., exit code: 3"
        assert "Contents" not in s3.list_objects_v2(Bucket="data", Prefix="o")

    @pytest.mark.parametrize(("command", "code"), [(["no-such-program"], 127), (["sh", "-c", "kill -9 $$"], 137)])
    def test_commands_that_do_not_start_or_are_killed_have_a_containers_exit_code(
        self, jobs: JobService, command: list[str], code: int
    ) -> None:
        request = processing_request("")
        request["AppSpecification"]["ContainerEntrypoint"] = command
        jobs.handle("CreateProcessingJob", {"ProcessingJobName": "x", **request})
        assert end(jobs, "Processing", "x")["FailureReason"] == f"AlgorithmError: , exit code: {code}"

    @pytest.mark.parametrize("action", ["s3:ListObjectsV2", "s3:GetObject"])
    def test_a_denied_download_is_reported(self, jobs: JobService, cloud: FakeCloud, s3: Any, action: str) -> None:
        s3.put_object(Bucket="data", Key="in/a", Body=b"")
        cloud.denied.add((STEP_ROLE, action))
        described = process(jobs, "denied", "true", ProcessingInputs=[s3_input("i", "s3://data/in")])
        assert "Data download failed:AccessDenied (403)" in described["FailureReason"]
        assert "s3://data/in" in described["FailureReason"]

    def test_a_denied_upload_is_reported(self, jobs: JobService, cloud: FakeCloud) -> None:
        cloud.denied.add((STEP_ROLE, "s3:PutObject"))
        described = process(
            jobs,
            "denied",
            "echo x > $SAGEMAKER_BASE_DIR/processing/output/o/x",
            ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
        )
        assert "Data upload failed:AccessDenied (403)" in described["FailureReason"]

    def test_a_missing_input_is_reported(self, jobs: JobService) -> None:
        described = process(jobs, "missing", "true", ProcessingInputs=[s3_input("i", "s3://data/nothing")])
        assert 'No S3 objects found under S3 URL "s3://data/nothing"' in described["FailureReason"]

    def test_siblings_that_begin_alike_are_not_inputs(self, jobs: JobService, s3: Any) -> None:
        for key in ("p/test/a", "p/test-report/b"):
            s3.put_object(Bucket="data", Key=key, Body=b"")
        process(
            jobs,
            "siblings",
            "cd $SAGEMAKER_BASE_DIR/processing && find input -type f > output/o/found",
            ProcessingInputs=[s3_input("i", "s3://data/p/test")],
            ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
        )
        assert text_at(s3, "o/found") == "input/i/a\n"

    def test_a_key_cannot_leave_its_directory(self, jobs: JobService, cloud: FakeCloud, s3: Any) -> None:
        s3.put_object(Bucket="data", Key="in/../../../../escaped", Body=b"x")
        described = process(jobs, "escape", "true", ProcessingInputs=[s3_input("i", "s3://data/in")])
        assert "leaves its directory" in described["FailureReason"]
        assert not list(cloud.state_dir.rglob("escaped"))

    def test_logs_are_in_cloudwatch_and_beside_the_data(self, jobs: JobService, cloud: FakeCloud) -> None:
        process(jobs, "talks", "echo one; echo two >&2; printf 'a\\rb\\n'; printf 'no newline'")
        expected = ["one", "two", "b", "no newline"]
        assert messages("/aws/sagemaker/ProcessingJobs", "talks/algo-1-") == expected
        assert (cloud.state_dir / "jobs/talks/logs/algo-1.log").read_text().splitlines() == expected

    def test_a_log_that_cannot_be_delivered_does_not_fail_the_job(self, jobs: JobService, cloud: FakeCloud) -> None:
        cloud.denied.add((None, "logs:CreateLogGroup"))
        assert process(jobs, "talks", "echo one")["ProcessingJobStatus"] == "Completed"
        assert "not delivered" in (cloud.state_dir / "jobs/talks/logs/algo-1.log").read_text()

    def test_data_is_removed_after_success_and_kept_after_failure(self, jobs: JobService, cloud: FakeCloud) -> None:
        for name, script in (("good", "true"), ("bad", "false")):
            process(jobs, name, script, ProcessingOutputConfig=s3_outputs(o="s3://data/o"))
        assert not (cloud.state_dir / "jobs/good/algo-1/processing").exists()
        assert (cloud.state_dir / "jobs/good/logs/algo-1.log").exists()
        assert (cloud.state_dir / "jobs/bad/algo-1/processing").exists()


class TestStopping:
    SCRIPT = "sleep 300 & echo $! > $SAGEMAKER_BASE_DIR/pids; echo $$ >> $SAGEMAKER_BASE_DIR/pids; wait"

    def pids(self, cloud: FakeCloud, name: str) -> list[int]:
        path = cloud.state_dir / "jobs" / name / "algo-1" / "pids"
        wait_for(lambda: path.is_file() and path.read_text().count("\n") == 2)
        return [int(line) for line in path.read_text().split()]

    def test_stopping_kills_the_command_and_its_children(self, jobs: JobService, cloud: FakeCloud) -> None:
        jobs.handle("CreateProcessingJob", {"ProcessingJobName": "long", **processing_request(self.SCRIPT)})
        pids = self.pids(cloud, "long")
        assert all(alive(pid) for pid in pids)
        assert jobs.handle("StopProcessingJob", {"ProcessingJobName": "long"}) == {}
        assert describe(jobs, "Processing", "long")["ProcessingJobStatus"] in {"Stopping", "Stopped"}
        assert end(jobs, "Processing", "long")["ProcessingJobStatus"] == "Stopped"
        assert not any(alive(pid) for pid in pids)

    def test_a_command_that_ignores_sigterm_is_killed(
        self, jobs: JobService, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.jobs.job_process.GRACE_SECONDS", 0.2)
        script = f"trap '' TERM; {self.SCRIPT.replace('wait', 'while true; do sleep 1; done')}"
        jobs.handle("CreateProcessingJob", {"ProcessingJobName": "stubborn", **processing_request(script)})
        pids = self.pids(cloud, "stubborn")
        jobs.handle("StopProcessingJob", {"ProcessingJobName": "stubborn"})
        assert end(jobs, "Processing", "stubborn")["ProcessingJobStatus"] == "Stopped"
        assert not any(alive(pid) for pid in pids)

    def test_what_a_finished_command_left_running_is_killed(self, jobs: JobService, cloud: FakeCloud) -> None:
        process(jobs, "leaves", self.SCRIPT.replace("wait", "exit 0"))
        assert not any(alive(pid) for pid in self.pids(cloud, "leaves"))

    def test_shutdown_kills_everything(self, cloud: FakeCloud) -> None:
        service = JobService(cloud)
        for name in ("a", "b"):
            service.handle("CreateProcessingJob", {"ProcessingJobName": name, **processing_request(self.SCRIPT)})
        pids = [pid for name in ("a", "b") for pid in self.pids(cloud, name)]
        service.shutdown()
        assert not any(alive(pid) for pid in pids)
        with pytest.raises(ApiError, match="shutting down"):
            service.handle("CreateProcessingJob", {"ProcessingJobName": "late", **processing_request("true")})

    def test_running_too_long_stops_and_says_so(self, jobs: JobService) -> None:
        begin = time.monotonic()
        described = process(jobs, "slow", "sleep 300", StoppingCondition={"MaxRuntimeInSeconds": 1})
        assert described["ProcessingJobStatus"] == "Stopped"
        assert "MaxRuntimeInSeconds, which is 1" in described["FailureReason"]
        assert time.monotonic() - begin < 15

    def test_a_job_that_has_ended_cannot_be_stopped(self, jobs: JobService) -> None:
        process(jobs, "done", "true")
        with pytest.raises(ApiError, match="is in status Completed"):
            jobs.handle("StopProcessingJob", {"ProcessingJobName": "done"})


TRAIN = """
    import json, os, pathlib, sys
    from pkg import helper
    model, data, config = (pathlib.Path(os.environ[f"SM_{d}_DIR"]) for d in ("MODEL", "OUTPUT_DATA", "INPUT_CONFIG"))
    (model / "1").mkdir()
    (model / "1" / "weights").write_text(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "x").read_text())
    (data / "history.json").write_text(json.dumps({
        "argv": sys.argv[1:], "cwd": os.getcwd(), "helper": helper.WORD, "env": dict(os.environ),
        "config": {p.name: json.loads(p.read_text()) for p in config.iterdir()},
    }))
    for epoch in (1, 2):
        print(f"epoch={epoch} loss=0.{epoch} val_auc=0.9{epoch} val_loss=nan")
"""


class TestTraining:
    def test_script_mode_as_the_toolkit_runs_it(
        self, jobs: JobService, cloud: FakeCloud, s3: Any, tmp_path: Path
    ) -> None:
        put_source(s3, train=textwrap.dedent(TRAIN), helper="WORD = 'from the archive'")
        s3.put_object(Bucket="data", Key="train/x", Body=b"weights")
        described = train(
            jobs,
            "train-1",
            {"image-size": "64", "learning-rate": "1e-3", "weights": "none", "e": "2"},
            InputDataConfig=[channel("train")],
            Environment={"COLOUR": "red"},
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": "train:loss", "Regex": r"\sloss=([0-9.]+)"},
                    {"Name": "validation:auc", "Regex": r"val_auc=([0-9.]+)"},
                    {"Name": "validation:loss", "Regex": r"val_loss=(\S+)"},
                ],
            },
        )
        assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Completed"
        assert [t["Status"] for t in described["SecondaryStatusTransitions"]] == [
            "Starting",
            "Downloading",
            "Training",
            "Uploading",
            "Completed",
        ]
        metrics = {m["MetricName"]: m["Value"] for m in described["FinalMetricDataList"]}
        assert metrics == {"train:loss": 0.2, "validation:auc": 0.92}, "the last value counts, and NaN is none"
        artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
        assert artifact == "s3://data/models/train-1/output/model.tar.gz"
        s3.download_file("data", "models/train-1/output/model.tar.gz", str(tmp_path / "model.tar.gz"))
        with tarfile.open(tmp_path / "model.tar.gz") as model:
            assert model.getnames() == ["1", "1/weights"]
        s3.download_file("data", "models/train-1/output/output.tar.gz", str(tmp_path / "output.tar.gz"))
        with tarfile.open(tmp_path / "output.tar.gz") as output:
            member = output.extractfile("history.json")
            assert member is not None
            seen = json.load(member)
        assert seen["argv"] == ["-e", "2", "--image-size", "64", "--learning-rate", "0.001", "--weights", "none"]
        assert seen["helper"] == "from the archive"
        base = cloud.state_dir / "jobs" / "train-1" / "algo-1"
        assert Path(seen["cwd"]) == base / "code"
        environment = seen["env"]
        assert environment["SM_HPS"] == '{"e":2,"image-size":64,"learning-rate":0.001,"weights":"none"}'
        assert environment["SM_CHANNELS"] == '["train"]'
        assert environment["SM_CHANNEL_TRAIN"] == str(base / "input/data/train")
        assert environment["SM_HP_E"] == "2"
        assert environment["SM_MODULE_NAME"] == "pkg/train"
        assert environment["SM_HOSTS"] == '["algo-1"]'
        assert environment["SM_NUM_CPUS"] == str(os.cpu_count())
        assert environment["TRAINING_JOB_NAME"] == "train-1"
        assert environment["PYTHONPATH"] == str(base / "code")
        assert environment["COLOUR"] == "red"
        assert environment["AWS_ACCESS_KEY_ID"] == "key-of-step"
        assert seen["config"]["hyperparameters.json"]["image-size"] == "64"
        assert seen["config"]["inputdataconfig.json"]["train"]["TrainingInputMode"] == "File"
        assert seen["config"]["resourceconfig.json"]["current_instance_type"] == "ml.g4dn.xlarge"
        assert not (base / "model").exists(), "what is in S3 need not stay on this disk"
        assert "epoch=1 loss=0.1 val_auc=0.91 val_loss=nan" in messages("/aws/sagemaker/TrainingJobs", "train-1/")

    def test_the_scripts_own_failure_is_the_reason(self, jobs: JobService, s3: Any) -> None:
        put_source(
            s3,
            train="import os, pathlib, sys\n"
            "pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('No radiograph is left.')\nsys.exit(1)",
        )
        described = train(jobs, "fails")
        assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Failed"
        assert described["FailureReason"] == "AlgorithmError: No radiograph is left., exit code: 1"
        assert "ModelArtifacts" not in described

    def test_an_exception_is_reported_as_the_toolkit_tells_it(self, jobs: JobService, s3: Any) -> None:
        put_source(s3, train="print('begin')\nraise RuntimeError('x' * 2000)")
        reason = train(jobs, "raises")["FailureReason"]
        assert reason.startswith(
            'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "raise RuntimeError'
        )
        assert reason.endswith(", exit code: 1")
        assert len(reason) == 1024

    def test_running_too_long(self, jobs: JobService, s3: Any) -> None:
        put_source(s3, train="import time; time.sleep(300)")
        described = train(jobs, "slow", StoppingCondition={"MaxRuntimeInSeconds": 1})
        assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")

    def test_a_source_archive_cannot_write_outside_its_directory(
        self, jobs: JobService, cloud: FakeCloud, s3: Any
    ) -> None:
        put_source(s3, **{"../../escaped": "x"})
        assert train(jobs, "escapes")["TrainingJobStatus"] == "Failed"
        assert not list(cloud.state_dir.rglob("escaped.py"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device", "/laptop/x"), "The laptop's disk is full ([Errno 28] No space left on"),
        (MemoryError(), "The laptop's memory is full: end other programs"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero."),
    ],
)
def test_a_job_reports_an_internal_error_and_still_ends(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    # Whoever waits for a job must not wait for ever because of a defect here.
    def broken(self: Any, s3: Any) -> None:
        raise error

    monkeypatch.setattr(ProcessingJob, "_fetch", broken)
    described = process(jobs, "x", "true")
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError: ")
    assert reason in described["FailureReason"]
