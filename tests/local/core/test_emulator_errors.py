"""Failures inside the emulator reach its clients as a sentence; where it stops serving, the cloud's log has one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local.laptop import REPOSITORY, Laptop
from local.supervisor import environment
from ops.base.errors import explain
from tests.local.account import Account, allow
from tests.local.fake_cloud import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

# The server as it is, on a disk that takes nothing more once there is a bucket of that name.
FULL = """
import errno, os
from local import server
from ministack import app
from ministack.services import cloudformation, dynamodb, s3

def full(module):
    handle = module.handle_request
    async def handle_request(method, path, *rest):
        if "full" in path or b"full" in rest[1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/laptop/object")
        return await handle(method, path, *rest)
    module.handle_request = handle_request

for module in (cloudformation, dynamodb, s3):
    full(module)
server.main()
"""
# The server as it is, whose emulator stops listening a moment after it was ready.
STOPS = """
import asyncio
from local import server

async def serve(host, port, stopping):
    await asyncio.sleep(0.3)
    if os.environ["HOW"] == "fails":
        raise OSError(98, "Address already in use")

import os
server.emulator.serve = serve
server.bootstrap = lambda cloud: None
server.main()
"""


@contextlib.contextmanager
def served(script: str, laptop: Laptop, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    (laptop.state_dir / "tmp").mkdir(parents=True)
    ready = laptop.state_dir / "ready"
    with (
        laptop.log.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=REPOSITORY,
            env={**environment(laptop.port, laptop.state_dir, ready), **variables},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            wait_for(lambda: ready.exists() or process.poll() is not None, 60)
            yield process
        finally:
            process.kill()


def test_a_full_disk_is_named_in_the_shape_of_each_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    laptop = Laptop(tmp_path / "cloud", port=0)
    sentence = (
        f"The laptop's disk is full ([Errno 28] {os.strerror(28)}: '/laptop/object'): free some space and try again."
    )
    with served(FULL, laptop):
        s3 = laptop.client("s3")
        s3.create_bucket(Bucket="data")
        asked = {
            "InternalError": lambda: s3.put_object(Bucket="data", Key="full", Body=b"x"),
            "InternalFailure": lambda: laptop.client("cloudformation").describe_stacks(StackName="full"),
            "InternalFailure ": lambda: laptop.client("dynamodb").describe_table(TableName="full"),
        }
        for code, ask in asked.items():
            with pytest.raises(ClientError) as failed:
                ask()
            error = failed.value.response["Error"]
            assert (error["Code"], error["Message"]) == (code.strip(), sentence)
            assert "The laptop's disk is full" in str(explain(failed.value))
        assert s3.list_buckets()["Buckets"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [("fails", "Address already in use"), ("ends", "The emulator stopped serving, which nobody asked it to.")],
)
def test_an_emulator_that_stops_serving_ends_the_cloud_with_a_reason(tmp_path: Path, how: str, reason: str) -> None:
    """The cloud stopped with exit code 0 and said nothing."""
    laptop = Laptop(tmp_path / "cloud", port=0)
    with served(STOPS, laptop, HOW=how) as process:
        assert process.wait(30) == 1
    assert reason in laptop.log_tail(2)


def test_a_function_whose_process_is_killed_fails_its_step_and_the_execution(tmp_path: Path) -> None:
    with Laptop(tmp_path / "cloud", port=0) as laptop:
        account = Account(laptop.url)
        function = account.function("dies", "import os\ndef handle(event, context):\n    os.kill(os.getpid(), 9)\n")
        role = account.role(allow("lambda:InvokeFunction", function), service="sagemaker.amazonaws.com")
        step = {"Name": "Find", "Type": "Lambda", "FunctionArn": function, "Arguments": {}, "OutputParameters": []}
        sagemaker = account.client("sagemaker")
        definition = json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [step]})
        sagemaker.create_pipeline(
            PipelineName="p", PipelineDefinition=definition, ClientRequestToken="t" * 32, RoleArn=role
        )
        execution = sagemaker.start_pipeline_execution(PipelineName="p")["PipelineExecutionArn"]
        wait_for(
            lambda: (
                sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)["PipelineExecutionStatus"]
                == "Failed"
            )
        )
        (told,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
        assert told["FailureReason"] == (
            f"ClientError: {function} failed (Unhandled): Runtime.HandlerError: Worker process died"
        )
