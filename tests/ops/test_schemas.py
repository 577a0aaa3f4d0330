"""docs/schemas has the schema of every command that answers with `--json`. That each answer is as it says, `cxr` of
conftest.py holds for every test that runs a command."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from ops import schemas
from ops.cli import commands
from ops.schemas import COMMANDS
from tests.ops import json_answers


def test_every_command_with_json_has_a_schema() -> None:
    answering = {name for name, command in commands().items() for one in command.params if "--json" in one.opts}
    assert set(COMMANDS) == answering
    assert {file.name for file in schemas.FOLDER.iterdir()} == {schemas.file_name(name) for name in answering}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_schema_in_docs_is_that_of_the_command(name: str) -> None:
    written = json.loads((schemas.FOLDER / schemas.file_name(name)).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(written)
    assert written == schemas.schema(name), "run `python -m ops.schemas`"


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        ('{"ended": "yes"}', "is not of type 'boolean'"),
        ("{}", "'ended' is a required property"),
        ('{"ended": true, "more": 1}', "'more' was unexpected"),
        ('{"ended": true}\n{"ended": true}', "one document"),
    ],
)
def test_an_answer_that_is_not_as_its_schema_says_fails_the_test_that_asked(answered: str, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        json_answers.check(["down", "--json"], answered)
