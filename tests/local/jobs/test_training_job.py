"""Output of a training job while it runs: its checkpoints, which the next one starts from, and its event files."""

from __future__ import annotations

import os
import signal
import textwrap
from pathlib import Path
from typing import Any

import pytest

from local.core.api import ApiError
from local.core.transfer import TransferError
from local.jobs import sync
from local.jobs.job_service import JobService
from tests.local.fake_cloud import STEP_ROLE, FakeCloud, put_source, text_at, training_request, wait_for
from tests.local.run_jobs import end, train

CHECKPOINTS = {"CheckpointConfig": {"S3Uri": "s3://data/checkpoints"}}
# Counts epochs up from its checkpoint, and at the third goes on only when told to.
COUNTING = """
    import os, pathlib, time
    base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
    checkpoint = base / "checkpoints" / "epoch"
    begin = int(checkpoint.read_text()) if checkpoint.exists() else 0
    (base / "pid").write_text(str(os.getpid()))
    for epoch in range(begin + 1, 6):
        half = checkpoint.with_suffix(".half")
        half.write_text(str(epoch))
        half.rename(checkpoint)
        print(f"epoch={epoch} begin={begin}", flush=True)
        while epoch == 3 and begin == 0:
            time.sleep(0.05)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text(f"{begin} {epoch}")
"""


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "INTERVAL_SECONDS", 0.1)


def stored(s3: Any, key: str) -> str | None:
    try:
        return text_at(s3, key)
    except s3.exceptions.NoSuchKey:
        return None


def test_a_killed_job_leaves_its_checkpoints_and_the_next_one_starts_from_them(
    jobs: JobService, cloud: FakeCloud, s3: Any
) -> None:
    put_source(s3, train=textwrap.dedent(COUNTING))
    jobs.handle("CreateTrainingJob", {"TrainingJobName": "first", **training_request(**CHECKPOINTS)})
    wait_for(lambda: stored(s3, "checkpoints/epoch") == "3")
    os.kill(int((cloud.state_dir / "jobs/first/algo-1/pid").read_text()), signal.SIGKILL)
    first = end(jobs, "Training", "first")
    assert first["TrainingJobStatus"] == "Failed"
    assert "exit code: 137" in first["FailureReason"]
    second = train(jobs, "second", **CHECKPOINTS)
    assert second["TrainingJobStatus"] == "Completed"
    log = (cloud.state_dir / "jobs/second/logs/algo-1.log").read_text()
    assert log.splitlines() == ["epoch=4 begin=3", "epoch=5 begin=3"]
    assert stored(s3, "checkpoints/epoch") == "5"


def test_checkpoints_reach_s3_even_when_the_machine_disappears(jobs: JobService, cloud: FakeCloud, s3: Any) -> None:
    """Checkpoints are stored while the job runs: nothing is left to do at its end."""
    put_source(s3, train=textwrap.dedent(COUNTING))
    jobs.handle("CreateTrainingJob", {"TrainingJobName": "runs", **training_request(**CHECKPOINTS)})
    wait_for(lambda: stored(s3, "checkpoints/epoch") == "3")
    assert jobs.handle("DescribeTrainingJob", {"TrainingJobName": "runs"})["TrainingJobStatus"] == "InProgress"


def test_event_files_are_stored_below_the_jobs_name_as_they_grow(jobs: JobService, cloud: FakeCloud, s3: Any) -> None:
    put_source(
        s3,
        train="import os, pathlib, time\n"
        "base = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])\n"
        "events = base / 'output' / 'tensorboard' / 'train'\nevents.mkdir()\n"
        "(events / 'events').write_text('one ')\n"
        "while not (base / 'go').exists(): time.sleep(0.05)\n"
        "(events / 'events').open('a').write('two')",
    )
    request = training_request(TensorBoardOutputConfig={"S3OutputPath": "s3://data/tensorboard"})
    jobs.handle("CreateTrainingJob", {"TrainingJobName": "shows", **request})
    key = "tensorboard/shows/tensorboard-output/train/events"
    wait_for(lambda: stored(s3, key) == "one ")
    (cloud.state_dir / "jobs/shows/algo-1/go").touch()
    assert end(jobs, "Training", "shows")["TrainingJobStatus"] == "Completed"
    assert stored(s3, key) == "one two"


def test_another_directory_can_be_named(jobs: JobService, s3: Any) -> None:
    put_source(
        s3,
        train="import os, pathlib\nbase = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])\n"
        "(base / 'mine' / 'c').write_text('c')\n(base / 'shown' / 'e').write_text('e')",
    )
    train(
        jobs,
        "elsewhere",
        CheckpointConfig={"S3Uri": "s3://data/c/", "LocalPath": "/opt/ml/mine"},
        TensorBoardOutputConfig={"S3OutputPath": "s3://data/t/", "LocalPath": "/opt/ml/shown"},
    )
    assert stored(s3, "c/c") == "c"
    assert stored(s3, "t/elsewhere/tensorboard-output/e") == "e"


@pytest.mark.parametrize(
    ("member", "uri"), [("CheckpointConfig", "S3Uri"), ("TensorBoardOutputConfig", "S3OutputPath")]
)
def test_a_directory_outside_is_refused(jobs: JobService, member: str, uri: str) -> None:
    config = {member: {uri: "s3://data/x", "LocalPath": "/opt/ml/../../etc"}}
    with pytest.raises(ApiError, match=f"{member}.LocalPath must be below /opt/ml"):
        train(jobs, "escapes", **config)


@pytest.mark.parametrize(("removes", "left"), [(True, None), (False, "2")])
def test_a_renamed_checkpoint_leaves_nothing_under_its_first_name(
    removes: bool, left: str | None, s3: Any, tmp_path: Path
) -> None:
    """Event files of TensorBoard stay, of which nothing says that SageMaker removes them."""
    kept = sync.Sync(tmp_path / "checkpoints", "s3://data/checkpoints", lambda: s3, removes=removes)
    half = tmp_path / "checkpoints" / "epoch.half"
    half.write_text("2")
    kept.look()
    assert stored(s3, "checkpoints/epoch.half") == "2"
    half.rename(half.with_suffix(""))
    kept.look()
    assert (stored(s3, "checkpoints/epoch"), stored(s3, "checkpoints/epoch.half")) == ("2", left)


def test_a_checkpoint_that_may_not_be_removed_is_reported(cloud: FakeCloud, s3: Any, tmp_path: Path) -> None:
    cloud.denied.add((STEP_ROLE, "s3:DeleteObject"))
    client = cloud.client("s3", role_arn=STEP_ROLE)
    kept = sync.Sync(tmp_path / "checkpoints", "s3://data/checkpoints", lambda: client, removes=True)
    checkpoint = tmp_path / "checkpoints" / "epoch"
    checkpoint.write_text("2")
    kept.look()
    checkpoint.rename(checkpoint.with_name("later"))
    with pytest.raises(TransferError, match=r"Data removal failed:AccessDenied \(403\)"):
        kept.look()
    assert stored(s3, "checkpoints/epoch") == stored(s3, "checkpoints/later") == "2", "no checkpoint is lost for it"


def test_checkpoints_that_cannot_be_stored_fail_the_job(jobs: JobService, cloud: FakeCloud, s3: Any) -> None:
    cloud.denied.add((STEP_ROLE, "s3:PutObject"))
    put_source(
        s3,
        train="import os, pathlib\npathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'checkpoints', 'c').write_text('c')",
    )
    described = train(jobs, "denied", **CHECKPOINTS)
    assert described["TrainingJobStatus"] == "Failed"
    assert "Data upload failed:AccessDenied (403)" in described["FailureReason"]
