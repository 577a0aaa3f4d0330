"""docs/schemas: JSON Schemas of what commands answer with `--json`: `python -m ops.schemas`. A test compares."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from ops.answers import clients, executions, models, platform
from ops.base.tools import REPOSITORY

FOLDER = REPOSITORY / "docs" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

COMMANDS: dict[str, Any] = {
    "upload": executions.Uploaded | executions.Execution,
    "entries": list[executions.Entry],
    "datasets": list[executions.Dataset],
    "start": executions.Started | executions.Execution,
    "watch": executions.Execution,
    "executions": list[executions.Execution],
    "logs": executions.Logs,
    "report": executions.EvaluationReport,
    "labels export": executions.Exported,
    "labels import": executions.Imported,
    "monitor": executions.Monitored,
    "models": list[models.ListedVersion],
    "compare": models.Comparison,
    "verify": models.Verified,
    "evaluate": models.EvaluatedSite,
    "calibrate": models.Calibrated,
    "approve": models.Approved,
    "reject": models.Rejected,
    "rollback": models.RolledBack,
    "promote": models.Promoted,
    "predict": clients.Scored | clients.Failed,
    "batch": clients.Batch,
    "status": platform.Status,
    "doctor": list[platform.Finding],
    "deploy": platform.Deployed,
    "destroy": platform.Destroyed,
    "cost": platform.Cost,
    "up": platform.Up,
    "down": platform.Down,
}
"""By command, as one types it. `upload` and `start` answer the execution where `--watch` is given; `predict` answers
one document for each file, on a line of its own."""


class _Untitled(GenerateJsonSchema):
    """Without titles that repeat the members' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        del schema
        return False


def file_name(command: str) -> str:
    """Name of a command's schema file, below `FOLDER`."""
    return f"{command.replace(' ', '-')}.json"


def schema(command: str) -> dict[str, Any]:
    """The schema of one document of a command's; members that it does not name may come with later versions.

    Args:
        command: as one types it, such as `labels export`.
    """
    made = TypeAdapter(COMMANDS[command]).json_schema(schema_generator=_Untitled)
    title = "A line of " if command == "predict" else ""
    return {"$schema": _DIALECT, **made, "title": f"{title}`cxr {command} --json`"}


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.json"):
        file.unlink()
    for command in COMMANDS:
        (FOLDER / file_name(command)).write_text(json.dumps(schema(command), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
