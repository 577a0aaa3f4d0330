"""A job's command ends with whoever runs it, also where that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from local.jobs.job_process import JobProcess
from tests.local.fake_cloud import wait_for
from tests.local.run_jobs import alive

HOST = """
import os, pathlib
from local.jobs.job_process import JobProcess

script = "trap '' TERM; sleep 600 & echo $$ $! > note.new; mv note.new note; wait"
JobProcess(["sh", "-c", script], os.environ, pathlib.Path(os.environ["FOLDER"]), print).wait(lambda: False, None)
"""


def test_a_killed_emulator_leaves_no_command(tmp_path: Path) -> None:
    """A training that says nothing for minutes would not even notice that nobody reads it."""
    note = tmp_path / "note"
    with subprocess.Popen([sys.executable, "-c", HOST], env={**os.environ, "FOLDER": str(tmp_path)}) as host:
        try:
            wait_for(note.exists)
        finally:
            os.kill(host.pid, signal.SIGKILL)
    for number in note.read_text().split():
        wait_for(lambda number=number: not alive(int(number)), 5)


def test_the_command_has_no_input_and_no_child_that_is_not_its_own(tmp_path: Path) -> None:
    """One that waits for all of its children would wait for ever."""
    lines: list[str] = []
    script = "import os, sys\nprint(repr(sys.stdin.read()), sorted(os.listdir('/dev/fd'))[:3], flush=True)\nos.wait()"
    process = JobProcess([sys.executable, "-c", script], os.environ, tmp_path, lines.append)
    assert process.wait(lambda: False, 20) == 1
    assert lines[0].startswith("'' ['0', '1', '2']")
    assert lines[-1].strip() == "ChildProcessError: [Errno 10] No child processes"
