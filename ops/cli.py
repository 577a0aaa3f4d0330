"""The `cxr` command: its group, its errors and the list of its commands, which are in `ops/commands`."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
import typer.core

from ops.base import output
from ops.base.errors import CommandError, explain
from ops.commands import audit, clients, cost, evaluation, labels, models, platform, training
from ops.commands.options import Env, Region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HELP = """
Operate a deployed chest X-ray stack: from an archive of radiographs to predictions.

The same commands work against AWS and, with AWS_ENDPOINT_URL set, against the laptop's cloud. Everything is found
through the outputs of the stacks cxr-ENV-*.

Exit codes: 0 done; 1 what was asked for failed (execution, release, any file's prediction, refused archive);
2 wrong usage; 3 not deployed, not signed in, not allowed or not reachable; 4 gave up waiting; 130 interrupted.
"""


class Group(NamedTuple):
    """Commands of two words: the first, what they are about, and the commands by their second word."""

    name: str
    help: str
    commands: Mapping[str, Callable[..., None]]


# In the order of `cxr --help`, which is the order in which one needs them.
COMMANDS: tuple[Callable[..., None] | Group, ...] = (
    training.upload,
    training.entries,
    training.datasets,
    training.start,
    training.watch,
    training.executions,
    training.logs,
    training.report,
    Group(
        "labels",
        "Have labels reviewed, and make a new version of a dataset.",
        {"export": labels.export, "import": labels.import_},
    ),
    training.monitor,
    models.models,
    models.compare,
    audit.verify,
    audit.bom,
    audit.dossier,
    evaluation.evaluate,
    evaluation.calibrate,
    models.approve,
    models.reject,
    models.rollback,
    models.promote,
    clients.predict,
    clients.store,
    clients.batch,
    platform.status,
    platform.doctor,
    platform.deploy,
    platform.destroy,
    cost.cost,
    platform.up,
    platform.down,
)


class _Command(typer.core.TyperCommand):
    """A command whose help shows no type beside a flag, which takes no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As Typer has them."""
        found: list[Any] = super().get_params(ctx)
        for parameter in found:
            if getattr(parameter, "is_flag", False):
                parameter.display_type_rich = lambda _ctx: None
        return found


class _Commands(typer.core.TyperGroup):
    """Ends every command that fails with one sentence and its exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """As `COMMANDS` has them; Typer puts groups first."""
        del ctx
        return [entry.name if isinstance(entry, Group) else entry.__name__ for entry in COMMANDS]

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
        found |= {name: command} if inner is None else {f"{name} {own}": one for own, one in inner.items()}
    return found


for _entry in COMMANDS:
    if isinstance(_entry, Group):
        _group = typer.Typer(help=_entry.help, no_args_is_help=True)
        for _name, _command in _entry.commands.items():
            _group.command(_name, cls=_Command)(_command)
        app.add_typer(_group, name=_entry.name)
    else:
        app.command(cls=_Command)(_entry)
