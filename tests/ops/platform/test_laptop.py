"""The laptop's cloud is started in the background, found again from another shell, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from ops.base.errors import CommandError, ExitCode
from ops.platform import laptop
from ops.platform.laptop import LaptopCloud

# In place of the cloud: it says that it is ready and waits for its end. Its command line ends as the real one's does.
READY = """
import os, signal, sys, time
assert not [name for name in os.environ if name.startswith("AWS_")], "a person's AWS settings reached the cloud"
print("Ready: AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_ACCESS_KEY_ID=test AWS_REGION=us-east-1 (account 1)", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(15)
"""
COMMAND = laptop._command
BROKEN = "print('Port 4566 is in use.', flush=True)"
DEAF = READY.replace(
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LaptopCloud]:
    _is(monkeypatch, READY)
    made = LaptopCloud(tmp_path / "cloud")
    monkeypatch.setattr("ops.platform.laptop.LaptopCloud", lambda: made)
    yield made
    made.stop()


def _is(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(
        "ops.platform.laptop._command", lambda _port, _folder: [sys.executable, "-c", script, "-m local --port"]
    )


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    commands: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr("ops.base.tools.run", lambda command, more, **_: commands.append((command, more)))
    return commands


def test_up_starts_deploys_and_says_how_to_use_it(
    cloud: LaptopCloud, ran: list[tuple[list[str], dict[str, str]]], cxr: Callable[..., Result]
) -> None:
    result = cxr("up")
    assert result.exit_code == 0
    assert "answers at http://127.0.0.1:4" in result.stdout
    assert "source " in result.stderr
    assert [command[:2] for command, _ in ran] == [["cdk", "synth"], ["cdk", "deploy"]]
    assert cloud.pid is not None
    again = cxr("up")
    assert again.exit_code == ExitCode.FAILED
    assert "running already: end it with `cxr down`" in again.stderr


def test_the_deploy_can_reach_no_other_cloud_than_this(
    cloud: LaptopCloud, ran: list[tuple[list[str], dict[str, str]]], cxr: Callable[..., Result]
) -> None:
    """With a person's profile still in effect it would deploy to their account."""
    cxr("up")
    for _, variables in ran:
        assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4"
        assert variables["AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION"] == "http://127.0.0.1:4"
        assert variables["AWS_CONFIG_FILE"] == os.devnull
        assert variables["AWS_PROFILE"] == ""


def test_the_variables_lead_a_shell_to_the_cloud(cloud: LaptopCloud) -> None:
    cloud.start(4566)
    script = f". {cloud.variables_file}; echo $AWS_ENDPOINT_URL $AWS_REGION $CXR_ENV"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    assert done.stdout.split() == ["http://127.0.0.1:4", "us-east-1", "laptop"]


def test_down_ends_it_from_another_shell(cloud: LaptopCloud, cxr: Callable[..., Result]) -> None:
    cloud.start(4566)
    number = cloud.pid
    assert number is not None
    assert LaptopCloud(cloud.folder).pid == number
    assert cxr("down").stdout == "ended\n"
    assert cloud.pid is None
    assert not cloud.variables_file.exists()
    assert json.loads(cxr("down", "--json").stdout) == {"ended": False}


def test_a_cloud_that_does_not_listen_is_ended_all_the_same(
    cloud: LaptopCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    _is(monkeypatch, DEAF)
    monkeypatch.setattr("ops.platform.laptop._STOP_SECONDS", 0.3)
    cloud.start(4566)
    number = cloud.pid
    assert number is not None
    assert cloud.stop()
    time.sleep(0.2)
    assert not laptop._is_ours(number)


def test_a_cloud_that_does_not_start_says_why(cloud: LaptopCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    _is(monkeypatch, BROKEN)
    with pytest.raises(CommandError, match=r"did not start: Port 4566 is in use \(log: "):
        cloud.start(4566)
    assert cloud.pid is None


def test_a_deploy_that_fails_leaves_no_cloud_behind(
    cloud: LaptopCloud, cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_command: list[str], _more: dict[str, str], **_given: object) -> None:
        raise CommandError("`cdk deploy` ended with exit code 1.")

    monkeypatch.setattr("ops.base.tools.run", fail)
    assert cxr("up").exit_code == ExitCode.FAILED
    assert cloud.pid is None


def test_a_number_that_another_process_has_by_now_is_left_alone(cloud: LaptopCloud) -> None:
    cloud.folder.mkdir(parents=True)
    (cloud.folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
    assert cloud.pid is None
    assert cloud.stop() is False


def test_the_command_that_is_started_is_the_one_that_is_recognised() -> None:
    """`stop` ends nothing whose command line it does not know."""
    assert " -m local " in " ".join(COMMAND(4566, Path("folder")))


def test_a_cloud_that_dies_during_the_deploy_ends_it_with_the_reason(
    cloud: LaptopCloud, cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CDK command line would ask an address where nobody answers, again and again."""
    dies = READY.replace("time.sleep(15)", "time.sleep(0.5); sys.exit('The embedded cloud (process 1) was killed.')")
    _is(monkeypatch, dies)
    monkeypatch.setattr("ops.platform.laptop.deploy_commands", lambda: [["sleep", "60"]])
    begin = time.monotonic()
    result = cxr("up")
    assert time.monotonic() - begin < 20
    assert result.exit_code == ExitCode.FAILED
    said = "ended with exit code 1: The embedded cloud (process 1) was killed (log: "
    assert said in result.stderr.replace("\n", " ")
    assert cloud.pid is None
