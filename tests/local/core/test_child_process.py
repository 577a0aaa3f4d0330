"""A command beside this process: it ends when what it needs is gone, with all that it started."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from local.core.child_process import Command
from tests.local.fake_cloud import wait_for
from tests.local.run_jobs import alive

STARTS_ANOTHER = "sleep 600 & echo $! > note.new; mv note.new note; wait"


def command(script: str, tmp_path: Path, *, capture: bool = True) -> Command:
    return Command(["sh", "-c", script], cwd=tmp_path, environment=os.environ, capture=capture)


def nothing_wrong() -> None:
    return


def gone() -> None:
    raise LookupError("it is gone")


def test_output_of_any_length_comes_back_beside_the_exit_code(tmp_path: Path) -> None:
    with command("head -c 300000 /dev/zero; echo \xff no text >&2; exit 3", tmp_path) as begun:
        done = begun.wait(nothing_wrong)
    assert (len(done.stdout), done.returncode) == (300000, 3)
    assert done.stderr.endswith("no text\n")


def test_what_it_needs_being_gone_ends_it_and_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with pytest.raises(LookupError), command(STARTS_ANOTHER, tmp_path) as begun:
        begun.wait(lambda: gone() if note.exists() else None)
    wait_for(lambda: not alive(int(note.read_text())), 5)


def test_that_goes_before_its_own_failure_and_not_before_its_success(tmp_path: Path) -> None:
    with pytest.raises(LookupError), command("exit 1", tmp_path) as begun:
        begun.wait(gone)
    with command("exit 0", tmp_path) as begun:
        time.sleep(0.3)
        assert begun.wait(gone).returncode == 0


def test_a_command_that_takes_no_signal_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.core.child_process._GRACE_SECONDS", 0.2)
    begin = time.monotonic()
    deaf = "trap '' INT TERM; echo > note; while :; do sleep 1; done"
    with pytest.raises(subprocess.TimeoutExpired), command(deaf, tmp_path, capture=False) as begun:
        begun.wait(nothing_wrong, timeout=1)
    assert (tmp_path / "note").exists()
    assert time.monotonic() - begin < 10
