"""The demo ends when what it waits for is gone, and says why."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from botocore.exceptions import EndpointConnectionError

from local import demo, stages
from local.supervisor import ServerLostError


class Cloud:
    """Stands in for the laptop's cloud, which somebody kills once the demo waits for Ctrl-C."""

    def __init__(self, state_dir: Path, *, port: int) -> None:
        self.log = state_dir / "cloud.log"
        self.lost = self.stopped = False
        del port

    def wait(self) -> NoReturn:
        raise ServerLostError("The embedded cloud was killed: see its log.")

    def check(self) -> None:
        if self.lost:
            self.wait()

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> list[Cloud]:
    made: list[Cloud] = []

    def make(state_dir: Path, *, port: int) -> Cloud:
        made.append(Cloud(state_dir, port=port))
        return made[-1]

    monkeypatch.setattr(stages, "Laptop", make)
    monkeypatch.setattr(stages.signal, "signal", lambda *_: None)
    for stage in ("run", "invite"):
        monkeypatch.setattr(stages.Demo, stage, lambda *_: None)
    return made


def test_a_killed_cloud_ends_the_demo_with_a_reason(cloud: list[Cloud], capsys: pytest.CaptureFixture[str]) -> None:
    """It waited for Ctrl-C, and every command in another terminal found nothing."""
    assert demo.main([]) == 1
    assert capsys.readouterr().out == "The demo stopped: The embedded cloud was killed: see its log.\n"
    assert cloud[0].stopped


@pytest.mark.parametrize("lost", [False, True])
def test_a_question_that_fails_is_not_the_reason_where_the_cloud_is_gone(
    cloud: list[Cloud], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    def ask(_demo: stages.Demo, _archive: Path | None) -> None:
        cloud[0].lost = lost
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:4566")

    monkeypatch.setattr(stages.Demo, "run", ask)
    assert demo.main([]) == 1
    said = capsys.readouterr().out
    assert ("was killed" in said, "Could not connect" in said, "The embedded cloud's log: " in said) == (
        lost,
        not lost,
        not lost,
    )


def test_without_staying_nothing_is_waited_for(cloud: list[Cloud]) -> None:
    assert demo.main(["--no-stay"]) == 0
    assert cloud[0].stopped


def test_an_archive_that_is_not_there_is_reported_before_anything_starts(
    cloud: list[Cloud], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--archive", str(tmp_path / "absent.zip")]) == 2
    assert "absent.zip" in capsys.readouterr().err
    assert cloud == []


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_what_is_no_port_is_refused_before_anything_starts(
    cloud: list[Cloud], capsys: pytest.CaptureFixture[str], port: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        demo.main(["--port", port])
    assert refused.value.code == 2
    assert not cloud
    assert f"{port} is no port" in capsys.readouterr().err
