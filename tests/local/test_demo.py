"""The demo ends when what it waits for is gone, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import demo, stages


class Cloud:
    """Stands in for the laptop's cloud, which somebody kills once the demo waits for Ctrl-C."""

    def __init__(self, state_dir: Path, *, port: int) -> None:
        self.log = state_dir / "cloud.log"
        self.stopped = False
        del port

    def wait(self) -> int:
        return -9

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
    assert "The demo stopped: the embedded cloud ended by itself with status -9" in capsys.readouterr().out
    assert cloud[0].stopped


def test_without_staying_nothing_is_waited_for(cloud: list[Cloud]) -> None:
    assert demo.main(["--no-stay"]) == 0
    assert cloud[0].stopped


def test_an_archive_that_is_not_there_is_told_before_anything_starts(
    cloud: list[Cloud], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--archive", str(tmp_path / "absent.zip")]) == 2
    assert "absent.zip" in capsys.readouterr().err
    assert cloud == []
