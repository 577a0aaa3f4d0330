"""A running execution on the screen: a live table for a person, a line per change for a log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ops.base.errors import CommandError, ExitCode
from ops.base.output import duration, interactive, results, said_on_interrupt, status_text, table
from ops.base.polling import looks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.pipelines.executions import Execution, ExecutionReader

_RUNNING = frozenset({"Starting", "Executing", "Stopping"})


@dataclasses.dataclass(frozen=True)
class _Moment:
    execution: Execution
    lines: list[str]


def watch(reader: ExecutionReader, arn: str, *, timeout: float | None, poll: float, quiet: bool = False) -> Execution:
    """Follow the execution to its end and return it as it ended.

    Args:
        reader: reader of the pipeline the execution belongs to.
        timeout: seconds after which to give up with exit code 4; None waits as long as it takes.
        poll: seconds between two looks.
        quiet: print nothing on the way.
    """
    moments = _follow(reader, arn, timeout=timeout, poll=poll)
    last: _Moment | None
    with said_on_interrupt(f"Interrupted; the execution goes on: `cxr watch {arn}` follows it."):
        if quiet:
            last = list(moments)[-1]
        elif interactive():
            last = _show_live(reader, arn, moments)
        else:
            last = _print_lines(moments)
    if last is None:
        raise CommandError(f"{arn} told nothing of itself.")
    return last.execution


def _follow(reader: ExecutionReader, arn: str, *, timeout: float | None, poll: float) -> Iterator[_Moment]:
    for _ in looks(timeout, poll):
        execution = reader.read(arn)
        running = [step for step in execution.steps if step.status in _RUNNING and step.has_log]
        yield _Moment(execution, reader.last_lines(running[-1]) if running else [])
        if execution.finished:
            return
    raise CommandError(
        f"{execution.id} is still {execution.status} after {timeout:.0f} seconds; it goes on running.",
        ExitCode.TIMED_OUT,
    )


def _show_live(reader: ExecutionReader, arn: str, moments: Iterator[_Moment]) -> _Moment | None:
    planned = reader.planned_steps(arn)
    last: _Moment | None = None
    with Live(console=results(), get_renderable=lambda: _render(last, planned), refresh_per_second=4):
        for moment in moments:
            last = moment
    return last


def _render(moment: _Moment | None, planned: list[str]) -> Group | Text:
    if moment is None:
        return Text("asking ...", style="dim")
    execution = moment.execution
    steps = table("step", "status", "took")
    for step in execution.steps:
        took = "cached" if step.cached else duration(step.started, step.ended)
        steps.add_row(step.name, status_text(step.status), took)
    if not execution.finished:
        started = {step.name for step in execution.steps}
        for name in planned:
            if name not in started:
                steps.add_row(Text(name, style="dim"), status_text("Pending"), "")
    total = f"execution {execution.id}  {status_text(execution.status)}  {duration(execution.started, execution.ended)}"
    searches = [step.search.sentence for step in execution.steps if step.search]
    below = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in moment.lines]
    return Group(Text.from_markup(total), steps, *map(Text, searches), *below)


def _print_lines(moments: Iterator[_Moment]) -> _Moment | None:
    seen: dict[str, str] = {}
    shown: list[str] = []
    say = results().out
    last: _Moment | None = None
    for last in moments:
        if not seen:
            say(f"execution {last.execution.id}")
            seen[""] = ""
        for step in last.execution.steps:
            if seen.get(step.name) != step.status:
                seen[step.name] = step.status
                took = "cached" if step.cached else duration(step.started, step.ended) if step.ended else ""
                say(f"  {step.name:<18} {step.status:<10} {took}".rstrip())
            if step.search and seen.get(step.search.job) != step.search.sentence:
                seen[step.search.job] = step.search.sentence
                say(f"    {step.search.sentence}")
        for line in last.lines:
            if line not in shown:
                say(f"    {line}")
        shown = last.lines or shown
    return last
