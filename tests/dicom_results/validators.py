"""dciodvfy and dsrdump, which Debian has as dicom3tools and dcmtk: a test that asks one is skipped without it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


def dciodvfy(path: Path) -> list[str]:
    """Its errors about a file; it can print some and exit 0, so its lines are what counts."""
    done = subprocess.run(
        [_program("dciodvfy", "dicom3tools"), path], capture_output=True, text=True, errors="replace", check=False
    )
    lines = done.stderr.splitlines()
    assert lines, "it names the IOD at least"
    return [line for line in lines if line.startswith("Error")]


def dsrdump(path: Path) -> tuple[str, list[str]]:
    """Print of a report's content by dsrdump, and its errors."""
    done = subprocess.run(
        [_program("dsrdump", "dcmtk"), "+Pl", path], capture_output=True, text=True, errors="replace", check=False
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))]
    return done.stdout, errors if done.returncode == 0 or errors else [f"exit code {done.returncode}"]
