"""Processes of this machine while they are measured: those below one, their processor time, their memory (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Of `stat` behind the name: the parent, and user's and system's ticks, its own and of those that it waited for.
_PARENT, _TIMES = 1, slice(11, 15)


def below(root: int) -> set[int]:
    """A process and everything below it."""
    return set(_below(root))


def processor_seconds(root: int) -> float:
    """Of a process and everything below it, those included that have ended and were waited for."""
    return sum(sum(map(int, fields[_TIMES])) for fields in _below(root).values()) / _TICKS


def megabytes(process: int) -> tuple[float, float]:
    """Resident memory of one process in MiB, now and at most."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    held = dict(line.split(":", 1) for line in lines if ":" in line)
    now, most = (int(held[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def _below(root: int) -> dict[int, list[str]]:
    """Fields of `stat` behind the name, by process."""
    stats = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    parents = {pid: int(fields[_PARENT]) for pid, fields in stats.items() if fields}
    found, new = {root}, {root}
    while new := {pid for pid, parent in parents.items() if parent in new} - found:
        found |= new
    return {pid: stats[pid] for pid in found if stats.get(pid)}


def _stat(process: Path) -> list[str]:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended since
        return []
