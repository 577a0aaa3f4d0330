"""Processor time and memory of processes are those that proc(5) tells, of everything below one."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.operation import processes


def test_a_process_counts_with_its_children_that_ended() -> None:
    """A transform job's container is gone when the time is taken."""
    before = processes.processor_seconds(os.getpid())
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert processes.processor_seconds(os.getpid()) - before > 0.25


def test_a_child_that_runs_is_below_and_holds_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            assert {os.getpid(), child.pid} <= processes.below(os.getpid())
            now, most = processes.megabytes(child.pid)
            assert 0 < now <= most
        finally:
            child.kill()
    assert child.pid not in processes.below(os.getpid())
