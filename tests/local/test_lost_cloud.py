"""A killed cloud, as the system does where memory runs out: nobody waits for it, and nothing is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from local.laptop import REPOSITORY, Laptop
from tests.local.account import ACCOUNT, Account, allow
from tests.local.fake_cloud import processing_request, wait_for
from tests.local.run_jobs import alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

# The demo as it is, but for what takes minutes: each argument after the port and the folder is a stage.
DEMO = """
import pathlib, sys, time
from local import stages

port, state = int(sys.argv[1]), pathlib.Path(sys.argv[2])
quiet = "sleep 600 & echo $! > {0}/grandchild.new; mv {0}/grandchild.new {0}/grandchild; wait".format(state.parent)

def run(self, archive):
    self._laptop.start()
    if sys.argv[3] == "deploys":
        self._check(["sh"], self._laptop.run(["sh", "-c", quiet]))
    if sys.argv[3] == "watches":
        print("ready", flush=True)
        while not (state.parent / "go").exists():
            time.sleep(0.02)
        self._command(["cxr", "watch"])

stages.STATE = state
stages.Demo.run = run
stages.Demo.invite = lambda self: None
sys.exit(stages.run(None, port=port, seed=None, stay=True))
"""
# What commands ask the deployed stacks for, by the stacks' parts.
OUTPUTS = {
    "training": {"PipelineName": "p", "ModelPackageGroupName": "g"},
    "data": {"DataBucketName": "bucket", "ArtifactBucketName": "bucket"},
    "endpoint": {"EndpointName": "e"},
}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def demo(tmp_path: Path, port: int) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts the demo with a stage."""
    with contextlib.ExitStack() as started:

        def start(stage: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", DEMO, str(port), str(tmp_path / "demo"), stage],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            wait_for((tmp_path / "demo" / "cloud" / "ready").exists, 60)
            return process

        yield start


def child(parent: int) -> int:
    """The number of a process's child that is the cloud."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    (found,) = [int(pid) for pid, of, command in rows if int(of) == parent and command.endswith(" local.server")]
    return found


def train(account: Account, note: Path) -> str:
    """Stacks, a pipeline and an execution of which a step runs; it notes the number of a process of its own."""
    for part, outputs in OUTPUTS.items():
        # A template has to have a resource.
        group = {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": part[0] * 2}}
        template = {"Resources": {"Group": group}, "Outputs": {key: {"Value": it} for key, it in outputs.items()}}
        account.client("cloudformation").create_stack(StackName=f"cxr-laptop-{part}", TemplateBody=json.dumps(template))
    role = account.role(allow("*", "*"), service="sagemaker.amazonaws.com")
    # SageMaker takes 256 characters, and a worker's folder has a long path.
    job = processing_request(f"n={note}; sleep 600 & echo $! > $n.new; mv $n.new $n; wait", RoleArn=role)
    definition = {"Version": "2020-12-01", "Steps": [{"Name": "Train", "Type": "Processing", "Arguments": job}]}
    sagemaker = account.client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="p", PipelineDefinition=json.dumps(definition), ClientRequestToken="t" * 32, RoleArn=role
    )
    execution: str = sagemaker.start_pipeline_execution(PipelineName="p")["PipelineExecutionArn"]

    def begun() -> bool:
        failed = (
            sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)["PipelineExecutionStatus"] == "Failed"
        )
        assert not failed, sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
        return note.exists()

    wait_for(begun)
    return execution


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def end_of(process: subprocess.Popen[Any], killed: int) -> tuple[float, str]:
    """Kill the cloud and wait for the process in front; the seconds that it took, and all it said."""
    begin = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    said, _ = process.communicate(timeout=30)
    return time.monotonic() - begin, said


@pytest.mark.parametrize("stage", ["deploys", "stays"])
def test_the_demo_ends_with_a_sentence(
    demo: Callable[[str], subprocess.Popen[str]], tmp_path: Path, port: int, stage: str
) -> None:
    process = demo(stage)
    note = tmp_path / "grandchild"
    if stage == "deploys":
        wait_for(note.exists)
    server = child(process.pid)
    took, said = end_of(process, server)
    assert process.returncode == 1, said
    assert took < 5
    log = tmp_path / "demo" / "cloud" / "cloud.log"
    assert said == (
        f"The demo stopped: The embedded cloud (process {server}) was killed by SIGKILL, which the system does where "
        f"memory runs out: see its log, {log}, and start it again; it remembers nothing.\n"
    )
    assert is_free(port)
    assert not alive(server)
    if stage == "deploys":
        assert not alive(int(note.read_text()))
    with Laptop(tmp_path / "demo" / "cloud", port=port) as again:
        assert again.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_ctrl_c_reaches_what_the_demo_started_too(
    demo: Callable[[str], subprocess.Popen[str]], tmp_path: Path, port: int
) -> None:
    """A command whose output is kept is in a process group of its own, which no terminal interrupts."""
    process = demo("deploys")
    note = tmp_path / "grandchild"
    wait_for(note.exists)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "Stopped.\n")
    wait_for(lambda: not alive(int(note.read_text())), 5)
    assert is_free(port)


def test_the_demo_ends_while_a_step_trains(
    demo: Callable[[str], subprocess.Popen[str]], tmp_path: Path, port: int
) -> None:
    process = demo("watches")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    note = tmp_path / "job"
    train(Account(f"http://127.0.0.1:{port}"), note)
    (tmp_path / "go").touch()
    while "Train" not in (line := process.stdout.readline()):
        assert line, "cxr watch did not come to the step"
    took, said = end_of(process, child(process.pid))
    assert (process.returncode, took < 5) == (1, True), said
    assert said.splitlines()[-1].startswith("The demo stopped: The embedded cloud (process ")
    assert "Traceback" not in said
    wait_for(lambda: not alive(int(note.read_text())), 5)


def test_cxr_in_another_shell_gives_up_after_a_few_tries(tmp_path: Path, port: int) -> None:
    """It knows the cloud by its address only. The process in front, of `cxr up`, says in its log what became of it."""
    laptop = Laptop(tmp_path / "cloud", port=port)  # not started: only where it would be
    archive = tmp_path / "archive.zip"
    archive.write_bytes(b"nobody looks at it")
    commands = ["watch"], ["approve", "1"], ["upload", str(archive), "--no-check", "--watch"]
    with contextlib.ExitStack() as started:

        def start(command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
            process: subprocess.Popen[str] = started.enter_context(
                subprocess.Popen(
                    command,
                    cwd=REPOSITORY,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            started.callback(process.kill)
            return process

        cloud = start([sys.executable, "-m", "local", "--port", str(port), "--state-dir", str(tmp_path / "cloud")])
        assert cloud.stdout is not None
        assert cloud.stdout.readline().startswith("Ready: ")
        account = Account(laptop.url)
        train(account, tmp_path / "job")
        s3, sagemaker = account.client("s3"), account.client("sagemaker")
        s3.create_bucket(Bucket="bucket")
        sagemaker.create_model_package_group(ModelPackageGroupName="g")
        package = sagemaker.create_model_package(
            ModelPackageGroupName="g",
            ModelApprovalStatus="PendingManualApproval",
            CustomerMetadataProperties={"a": "b"},
        )["ModelPackageArn"]

        watch, approve, upload = [start(["cxr", *one], laptop.command_environment()) for one in commands]
        assert watch.stdout is not None
        while "Train" not in (line := watch.stdout.readline()):
            assert line, "cxr watch did not come to the step"
        waiting = (approve, upload)
        wait_for(
            lambda: (
                any(one.poll() is not None for one in waiting)
                or (
                    sagemaker.describe_model_package(ModelPackageName=package)["ModelApprovalStatus"] == "Approved"
                    and s3.list_objects_v2(Bucket="bucket", Prefix="incoming/")["KeyCount"]
                )
            ),
            60,
        )
        assert [one.poll() for one in waiting] == [None, None], [one.communicate() for one in waiting]
        end_of(cloud, child(cloud.pid))
        for process in (watch, approve, upload):
            _, said = process.communicate(timeout=60)
            assert process.returncode == 3, said
            assert "Traceback" not in said
            assert f"Nothing answers at {laptop.url}: start the laptop's cloud" in said.splitlines()[-1]
    assert cloud.returncode == 1
    wait_for(lambda: not alive(int((tmp_path / "job").read_text())), 5)
