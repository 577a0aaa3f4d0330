"""The `cxr` command: its group, its errors and the list of its commands, which are in `ops/commands`."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import typer
import typer.core

from ops.base import output
from ops.base.errors import CommandError, ExitCode, explain
from ops.commands.options import Env, Region

_HELP = """
Operate a deployed chest X-ray stack: from an archive of radiographs to predictions.

The same commands work against AWS and, with AWS_ENDPOINT_URL set, against the laptop's cloud. Everything is found
through the outputs of the stacks cxr-ENV-*.

Exit codes: 0 done; 1 what was asked for failed (execution, release, any file's prediction, refused archive);
2 wrong usage; 3 not deployed, not signed in, not allowed or not reachable; 4 gave up waiting; 130 interrupted;
141 nobody reads the output any more.
"""


class Group(NamedTuple):
    """Commands of two words: the first, what they are about, and the functions by their second word."""

    name: str
    help: str
    functions: Mapping[str, str]


# Functions of `ops.commands`, in the order of `cxr --help`, which is the order in which one needs them. Named and not
# imported: a command pays for what itself needs.
COMMANDS: tuple[str | Group, ...] = (
    "training.upload",
    "training.entries",
    "training.datasets",
    "training.start",
    "training.watch",
    "training.executions",
    "training.logs",
    "training.report",
    Group(
        "labels",
        "Have labels reviewed, and make a new version of a dataset.",
        {"export": "labels.export", "import": "labels.import_"},
    ),
    "training.monitor",
    "models.models",
    "models.compare",
    "audit.verify",
    "audit.bom",
    "audit.dossier",
    "evaluation.evaluate",
    "evaluation.calibrate",
    "models.approve",
    "models.reject",
    "models.rollback",
    "models.promote",
    "clients.predict",
    "clients.store",
    "clients.batch",
    "platform.status",
    "platform.doctor",
    "platform.deploy",
    "platform.destroy",
    "cost.cost",
    "platform.up",
    "platform.down",
)


def _without_types(parameters: list[Any]) -> list[Any]:
    """The parameters, of which flags show no type: they take no value."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.display_type_rich = lambda ctx: None  # noqa: ARG005 - by this name Typer passes it
    return parameters


class _Command(typer.core.TyperCommand):
    """A command whose help shows no type beside a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As Typer has them."""
        return _without_types(super().get_params(ctx))


class _Group(typer.core.TyperGroup):
    """Commands of which the help shows no type beside a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As Typer has them."""
        return _without_types(super().get_params(ctx))


class _Imported(MutableMapping[str, Any]):
    """The commands as Typer has them, in the order of `COMMANDS`; each is imported when it is first asked for."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {
            entry.name if isinstance(entry, Group) else entry.partition(".")[2]: entry for entry in COMMANDS
        }

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        if isinstance(entry, (str, Group)):
            entry = self._entries[name] = _made(entry)
        return entry

    def __setitem__(self, name: str, command: Any) -> None:
        self._entries[name] = command

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _made(entry: str | Group) -> Any:
    if isinstance(entry, Group):
        group = typer.Typer(cls=_Group, name=entry.name, help=entry.help, no_args_is_help=True, add_completion=False)
        for name, function in entry.functions.items():
            group.command(name, cls=_Command)(_function(function))
        return typer.main.get_command(group)
    single = typer.Typer(add_completion=False)
    single.command(cls=_Command)(_function(entry))
    return typer.main.get_command(single)


def _function(name: str) -> Callable[..., None]:
    module, _, function = name.partition(".")
    found: Callable[..., None] = getattr(importlib.import_module(f"ops.commands.{module}"), function)
    return found


class _Commands(_Group):
    """Ends every command that fails with one sentence and its exit code."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Imported()

    def list_commands(self, ctx: Any) -> list[str]:
        """As `COMMANDS` has them; Typer puts groups first."""
        del ctx
        return list(self.commands)

    def main(self, *arguments: Any, **named: Any) -> Any:
        """As Typer runs it, but where nobody reads the output any more, as behind `head`.

        Typer and Rich, which prints help before anything is invoked, end with the code of a failure there. The end is
        that of a program which knows no better, 128 + SIGPIPE.
        """
        try:
            return super().main(*arguments, **named)
        except SystemExit as end:
            if not isinstance(end.__context__, BrokenPipeError):
                raise
            output.close_results()
            sys.exit(ExitCode.UNREAD)

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # File names are bytes. Those that are no text are shown as `\udcXX`, a JSON escape too, and end nothing.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("CXR_DEBUG"):
                raise
            known = explain(error)
            if known is None:
                known = CommandError(
                    f"This is a defect of cxr: {type(error).__name__}: {error} (CXR_DEBUG=1 shows where)."
                )
            output.fail(str(known))
            raise typer.Exit(known.exit_code) from error


app = typer.Typer(cls=_Commands, help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main(ctx: typer.Context, env: Env = None, region: Region = None) -> None:
    """Options here apply to every command; a command's own take precedence."""
    ctx.obj = {"env": env, "region": region}


def commands() -> dict[str, Any]:
    """All commands as Typer has them, by what one types: `start`, `labels export`."""
    root: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        found |= (
            {name: command}
            if inner is None
            else {f"{name} {own}": inner_command for own, inner_command in inner.items()}
        )
    return found
