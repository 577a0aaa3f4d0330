"""Ending a process that this one started."""

from __future__ import annotations

import subprocess


def end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ask the process to stop, make it stop when it has not after the grace, and return when it is gone."""
    process.terminate()  # does nothing to one that has ended
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
