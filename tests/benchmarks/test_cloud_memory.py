"""The measurement of the cloud's memory runs, and finds metrics and logs bounded where this project bounds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def last(*options: str) -> list[float]:
    """Megabytes of the process and of metrics, log streams, log records and tables after the last prediction."""
    command = [sys.executable, "-m", "benchmarks.operation.cloud_memory", "--predictions", "3000", "--rate", "2"]
    run = subprocess.run([*command, *options], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    line = run.stdout.splitlines()[-1]
    return [float(word) for word in line.replace("MB", " ").replace("ms", " ").replace(",", "").split()[1:6]]


def test_metrics_and_logs_are_smaller_than_what_the_emulator_alone_keeps_and_tables_the_same() -> None:
    bounded, alone = last(), last("--emulator-alone")
    _, metrics, streams, _, tables = bounded
    _, all_metrics, all_streams, _, all_tables = alone
    assert metrics < all_metrics / 2, "3,000 predictions in 25 minutes"
    assert streams < all_streams / 2, "1,000 streams of 3,000"
    assert tables == all_tables > 0, "no kept record is lost"
