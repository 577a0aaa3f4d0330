"""docs/commands.md is what the commands say of themselves, all of it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer.main

from ops import reference
from ops.base.errors import ExitCode
from ops.cli import app, commands

GROUP: Any = typer.main.get_command(app)
COMMANDS = commands()
PAGE = reference.PAGE.read_text(encoding="utf-8")


def test_the_page_is_the_one_that_the_commands_make() -> None:
    assert reference.page() == PAGE, "run `python -m ops.reference`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented_with_a_sentence(name: str) -> None:
    """Looked for in the page, not asked of what writes it."""
    section = PAGE.partition(f"\n### `cxr {name} ")[2].partition("\n### ")[0]
    assert len(section.splitlines()[2]) > 12, "the command's own sentence"
    for parameter in COMMANDS[name].params:
        for option in (option for option in parameter.opts if option.startswith("-") and option != "--help"):
            rows = [row for row in section.splitlines() if row.startswith("| ") and f"`{option}" in row]
            assert rows, f"{name} {option}"
            assert len(rows[0].split("|")[2].strip()) > 8, f"what {name} {option} means"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_it_takes(name: str) -> None:
    for example in reference.EXAMPLES[name]:
        program, *arguments = shlex.split(example)
        context = GROUP.make_context(program, arguments, resilient_parsing=True)
        rest = [*context._protected_args, *context.args]
        command = COMMANDS[name]
        known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
        assert rest[: len(name.split())] == name.split()
        assert {word for word in rest if word.startswith("--")} <= known, example


def test_every_exit_code_is_documented() -> None:
    for code in ExitCode:
        assert f"\n| {code.value} | " in PAGE
