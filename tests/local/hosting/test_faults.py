"""Faults of a container are noticed: its process is replaced, and a damaged artifact never serves."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.fake_cloud import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.hosted import Hosting

pytestmark = pytest.mark.system


def serving(hosting: Hosting, endpoint: str) -> list[int]:
    """The serving processes of an endpoint."""
    folder = hosting.laptop.state_dir / "endpoints" / endpoint
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,stat=,command="], capture_output=True, text=True, check=True)
    found = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [int(pid) for pid, state, command in found if f"--model-dir {folder}/" in command and state[0] != "Z"]


def asked(hosting: Hosting, endpoint: str) -> dict[str, Any] | None:
    try:
        return hosting.ask(endpoint)
    except ClientError:
        return None


def told(hosting: Hosting, endpoint: str, words: str) -> bool:
    """Whether the endpoint's log says so."""
    events = hosting.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")["events"]
    return any(words in event["message"] for event in events)


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting) -> str:
    """One for the module: each start of a container imports TensorFlow."""
    return hosting.endpoint("served", hosting.config("served", hosting.model("served")))


def test_a_damaged_artifact_never_gets_traffic(hosting: Hosting, endpoint: str) -> None:
    """A bit that flips in the weights changes answers, and `tar` without the checksum behind it notices nothing."""
    artifact = hosting.model("flipped")
    content = bytearray(hosting.s3.get_object(Bucket="artifacts", Key=f"{artifact}/model.tar.gz")["Body"].read())
    content[-6] ^= 1  # of the checksum itself, so that every file unpacks
    hosting.s3.put_object(Bucket="artifacts", Key=f"{artifact}/model.tar.gz", Body=bytes(content))
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=hosting.config("flipped", artifact))
    described = hosting.settled(endpoint)
    assert described["EndpointConfigName"] == "served"
    assert "Failed to extract model data archive" in described["FailureReason"]
    assert hosting.ask(endpoint)["name"] == "served"


def test_a_killed_serving_process_is_replaced(hosting: Hosting, endpoint: str) -> None:
    """Its endpoint answered 502 for ever."""
    (before,) = serving(hosting, endpoint)
    os.kill(before, signal.SIGKILL)
    with pytest.raises(ClientError, match="The container is gone"):
        hosting.ask(endpoint)
    answer = wait_for(lambda: asked(hosting, endpoint), 120)
    assert answer["name"] == "served"
    (after,) = serving(hosting, endpoint)
    assert after != before
    assert wait_for(lambda: told(hosting, endpoint, "ended with exit code -9 and is started again"), 60)


@pytest.mark.long
def test_a_hung_serving_process_is_replaced(hosting: Hosting, endpoint: str) -> None:
    """As `tests/local/containers` has it, with the real limits: more than a minute."""
    (before,) = serving(hosting, endpoint)
    os.kill(before, signal.SIGSTOP)
    assert wait_for(lambda: serving(hosting, endpoint) not in ([], [before]) or None, 180)
    answer = wait_for(lambda: asked(hosting, endpoint), 120)
    assert answer["name"] == "served"
    assert wait_for(lambda: told(hosting, endpoint, "answered nothing any more, was killed and is started again"), 60)


def test_a_process_that_is_being_replaced_goes_with_its_endpoint(hosting: Hosting, endpoint: str) -> None:
    (process,) = serving(hosting, endpoint)
    os.kill(process, signal.SIGKILL)
    hosting.sagemaker.delete_endpoint(EndpointName=endpoint)
    folder: Path = hosting.laptop.state_dir / "endpoints" / endpoint
    assert wait_for(lambda: not any(folder.iterdir()) or None, 60)
    assert serving(hosting, endpoint) == []
