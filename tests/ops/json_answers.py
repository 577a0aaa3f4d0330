"""Holds what a command answered with `--json` to its schema in docs/schemas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from ops import schemas
from ops.schemas import COMMANDS


def check(arguments: Sequence[str], stdout: str) -> list[Any]:
    """The documents in what a command printed; none where it was not asked for JSON or ended before an answer.

    Args:
        arguments: of `cxr`.
        stdout: what it printed.

    Raises:
        AssertionError: a document is not what the schema says, or has a member that the schema does not name.
    """
    if "--json" not in arguments or "--help" in arguments:
        return []
    name = _command(arguments)
    documents = [json.loads(line) for line in stdout.splitlines()]
    assert len(documents) <= 1 or name == "predict", f"cxr {name} answers in one document"
    for document in documents:
        found = "; ".join(f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(document))
        assert not found, f"cxr {name}, docs/schemas/{schemas.file_name(name)}: {found}"
    return documents


def _command(arguments: Sequence[str]) -> str:
    words = " ".join(arguments).split(" ")
    for position in range(len(words)):
        for length in (2, 1):
            if (name := " ".join(words[position : position + length])) in COMMANDS:
                return name
    raise AssertionError(f"no command with a schema in {arguments}")


@cache
def _validator(name: str) -> Draft202012Validator:
    """Of the file in docs, which must name every member."""
    document = json.loads((schemas.FOLDER / schemas.file_name(name)).read_text(encoding="utf-8"))
    for one in (document, *document.get("$defs", {}).values()):
        if "properties" in one:
            one["additionalProperties"] = False
    return Draft202012Validator(document, format_checker=FormatChecker())
