"""Output of commands: results on standard output, progress and errors on standard error, JSON on request."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

_STYLES = {
    "Succeeded": "green",
    "InService": "green",
    "Approved": "green",
    "Completed": "green",
    "serving": "bold green",
    "serving, Rejected": "bold red",
    "serving, PendingManualApproval": "bold yellow",
    "Failed": "red",
    "Stopped": "red",
    "Rejected": "red",
    "Executing": "cyan",
    "Starting": "cyan",
    "Updating": "cyan",
    "Creating": "cyan",
    "PendingManualApproval": "yellow",
    "Pending": "dim",
    "fine": "green",
    "skipped": "dim",
    "unknown": "yellow",
    "wrong": "red",
}

_NEVER_WRAPPED = frozenset(
    ["id", "step", "status", "version", "took", "registered", "AUROC", "sensitivity", "specificity", "resource", "USD"]
) | {"calibration\nerror", "at most"}
# What goes into a pipe or a file is read by a program, or by a person with an editor: nothing is folded or cut off.
_ENDLESS = 10_000


class _Console(Console):
    """A console that leaves a closed pipe to the command: Rich's own ends the process with the code of a failure."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise  # noqa: PLE0704 - Rich calls this while it handles BrokenPipeError


def close_results() -> None:
    """Write nothing more to standard output, whose reader is gone: what is buffered would end the process once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def results() -> Console:
    """Console on standard output. Made per use, so that a test's or a pipe's standard output is the one written to."""
    return _Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else _ENDLESS)


def progress() -> Console:
    """Console on standard error, so that progress and errors never mix with results in a pipe."""
    return _Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def say(sentence: str) -> None:
    """Print one line of progress to standard error; markup is not interpreted."""
    progress().print(sentence, markup=False)


@contextlib.contextmanager
def said_on_interrupt(sentence: str) -> Iterator[None]:
    """Ctrl-C ends the waiting and nothing else: the sentence says what goes on."""
    try:
        yield
    except KeyboardInterrupt:
        say(sentence)
        raise


def fail(sentence: str) -> None:
    """Print the sentence a command ends with."""
    console = progress()
    console.print("error:", style="bold red", end=" ")
    console.print(sentence, markup=False)


def print_json(document: Any) -> None:
    """Print one JSON object on one line, at once: a reader of a pipe sees each result when it is there."""
    sys.stdout.write(json.dumps(document, default=_as_text, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def answer(document: Any, sentence: str, *, as_json: bool) -> None:
    """A command's result: JSON for scripts, or a sentence for people."""
    if as_json:
        print_json(document)
    else:
        results().print(sentence, markup=False)


def print_csv(cells: Iterable[str]) -> None:
    """Print one line of comma-separated values, at once."""
    csv.writer(sys.stdout, lineterminator="\n").writerow(cells)
    sys.stdout.flush()


def status_text(status: str) -> str:
    """The status with its colour, as Rich markup; statuses are AWS's words and hold no markup of their own."""
    style = _STYLES.get(status)
    if style is None:
        style = "red" if "ROLLBACK" in status or status.endswith("FAILED") else ""
    return f"[{style}]{status}[/]" if style else status


def table(*columns: str) -> Table:
    """An empty table in the look of every command; a column's title has two lines on a terminal only."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        title = column if sys.stdout.isatty() else column.replace("\n", " ")
        made.add_column(title, overflow="fold", no_wrap=column in _NEVER_WRAPPED)
    return made


def size(count: int) -> str:
    """A number of bytes for people, such as `812 bytes`, `4.1 kB` or `1.2 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"


def duration(start: datetime | None, end: datetime | None = None) -> str:
    """Elapsed time such as `42 s`, `3 min 05 s` or `1 h 12 min`; empty before a start."""
    if start is None:
        return ""
    seconds = max(0, round(((end or datetime.now(UTC)) - start).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def day(when: datetime) -> str:
    """A date in this machine's time zone."""
    return when.astimezone().strftime("%Y-%m-%d")


def moment(when: datetime | None) -> str:
    """A point in time in this machine's time zone, to the minute."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else ""


def interactive() -> bool:
    """Whether standard output is a terminal outside CI: a live table then, lines otherwise."""
    return sys.stdout.isatty() and "CI" not in os.environ


@contextlib.contextmanager
def byte_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar of `total` bytes on standard error; yields what is to be called with each piece's bytes."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=progress(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(escape(description), total=total)
        yield lambda amount: bar.update(task, advance=amount)


@contextlib.contextmanager
def count_progress(description: str, total: int, *, absolute: bool = False) -> Iterator[Callable[[int], None]]:
    """A progress bar of `total` things on standard error; yields what is to be called with how many more are done.

    With `absolute` it is called with how many are done in all.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=progress(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(escape(description), total=total)
        if absolute:
            yield lambda amount: bar.update(task, completed=amount)
        else:
            yield lambda amount: bar.update(task, advance=amount)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
