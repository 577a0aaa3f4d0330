"""docs/commands.md, written from the commands themselves: `python -m ops.reference`. A test compares the two."""

from __future__ import annotations

import inspect
from typing import Any

from ops import schemas
from ops.base.errors import ExitCode
from ops.base.tools import REPOSITORY
from ops.cli import commands

PAGE = REPOSITORY / "docs" / "commands.md"

_OPENING = """# The `cxr` command

Written by `python -m ops.reference` from the commands themselves. `cxr COMMAND --help` prints the same.

Results go to standard output, progress and errors to standard error: a pipe gets results only. `--json` answers in one
JSON document (`predict`: one a line) as its [schema](schemas) says: names stay as they are, others may come. `--env`
(or `CXR_ENV`, else `dev`) names the environment, before or after the command. With `AWS_ENDPOINT_URL` set the same
commands work against the laptop's cloud. An error is one sentence; `CXR_DEBUG=1` shows where it came from.
`cxr --install-completion` completes commands and options in your shell.

| exit code | meaning |
| --- | --- |
"""

_EXIT_CODES = {
    ExitCode.SUCCEEDED: "done",
    ExitCode.FAILED: "what was asked for failed: execution, release, any file's prediction, check, refused archive",
    ExitCode.USAGE: "wrong usage",
    ExitCode.UNAVAILABLE: "not deployed, not signed in, not allowed, or not reachable",
    ExitCode.TIMED_OUT: "gave up waiting; what was waited for goes on",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.UNREAD: "nobody reads the output any more, as behind `head`: what it had not come to is not done",
}

# What one types first; each is parsed by a test.
EXAMPLES = {
    "upload": ["cxr upload chest_xray.zip", "cxr upload my_radiographs/ --watch"],
    "entries": ["cxr entries archive.zip entry-17.dcm", "cxr entries my_radiographs/"],
    "datasets": ["cxr datasets"],
    "start": [
        "cxr start --set Epochs=24 --set Backbone=EfficientNetV2B0",
        "cxr start 1f0c9b2a --watch",
        "cxr start --from s3://bucket/prefix/",
    ],
    "watch": ["cxr watch", "cxr watch 7md9jfchs8ik --timeout 30"],
    "executions": ["cxr executions --limit 3"],
    "logs": ["cxr logs --step TrainModel"],
    "report": ["cxr report", "cxr report --model latest --save report.html"],
    "labels export": ["cxr labels export --csv review.csv", "cxr labels export --model latest | head -50"],
    "labels import": ["cxr labels import review.csv", "cxr labels import review.csv --model 3"],
    "monitor": ["cxr monitor", "cxr monitor --set Days=30 --save monitoring.html"],
    "models": ["cxr models"],
    "compare": ["cxr compare 3 4"],
    "verify": ["cxr verify 3", "cxr --env prod verify latest --json"],
    "dossier": ["cxr dossier 3 --save dossier.md"],
    "bom": ["cxr bom 3 --save model.cdx.json"],
    "evaluate": [
        "cxr evaluate our_hospital.zip --model 3",
        "cxr evaluate our_hospital/ --model latest --save report.html",
    ],
    "calibrate": [
        "cxr calibrate 3 --archive our_hospital.zip",
        "cxr calibrate 3 --labels --since 2026-09-01",
    ],
    "approve": ["cxr approve latest --comment 'reviewed by the imaging board'"],
    "reject": ["cxr reject 4 --reason 'misses lobar opacities'"],
    "rollback": ["cxr rollback --reason 'too many false alarms'"],
    "promote": ["cxr --env staging promote 7 --to prod --from-profile staging --to-profile prod"],
    "predict": [
        "cxr predict radiograph.jpeg",
        "cxr predict radiographs/ --overlay overlays --csv",
        "cxr predict study.dcm --dicom results --store https://pacs.example.org/dicom-web",
    ],
    "store": ["cxr store results --to https://pacs.example.org/dicom-web"],
    "batch": ["cxr batch radiographs/ --output scores.csv", "cxr batch s3://bucket/prefix/ --async"],
    "status": ["cxr status", "cxr --env prod status --json"],
    "doctor": ["cxr doctor --env prod"],
    "destroy": ["cxr destroy --env dev", "cxr destroy --env dev --yes"],
    "deploy": ["cxr deploy --env dev", "cxr deploy api --env dev --yes"],
    "cost": ["cxr cost --env prod", "cxr cost --env dev --seconds 0.3 --image-mb 0.5"],
    "up": ["cxr up"],
    "down": ["cxr down"],
}


def page() -> str:
    """The whole page."""
    lines = [_OPENING + "\n".join(f"| {code.value} | {text} |" for code, text in _EXIT_CODES.items()), ""]
    for audience, its_commands in _by_audience().items():
        lines.append(f"## {audience}\n")
        for name, command in its_commands.items():
            lines.append(_section(name, command))
    return "\n".join(lines).rstrip() + "\n"


def _by_audience() -> dict[str, dict[str, Any]]:
    """Commands under the heading of the module that they are in."""
    found: dict[str, dict[str, Any]] = {}
    for name, command in commands().items():
        module = inspect.getmodule(command.callback)
        heading = (inspect.getdoc(module) or "").splitlines()[0].partition(":")[0].strip("`. ")
        found.setdefault("What it costs" if name == "cost" else heading, {})[name] = command
    return found


def _section(name: str, command: Any) -> str:
    usage = " ".join(
        ["cxr", name, *(_usage(parameter) for parameter in command.params if not parameter.opts[0].startswith("-"))]
    )
    rows = [_row(parameter, name) for parameter in command.params if "--help" not in parameter.opts]
    examples = "\n".join(f"$ {example}" for example in EXAMPLES.get(name, []))
    table = "\n".join(["| argument or option | meaning | default |", "| --- | --- | --- |", *rows])
    return f"### `{usage} [options]`\n\n{_prose(command.help)}\n\n```console\n{examples}\n```\n\n{table}\n"


def _usage(parameter: Any) -> str:
    label = parameter.metavar or parameter.name.upper()
    label = str(label).strip("[]").removesuffix("]...").removesuffix("...")
    label += "..." if parameter.nargs == -1 else ""
    return label if parameter.required else f"[{label}]"


def _row(parameter: Any, command: str) -> str:
    if parameter.opts[0].startswith("-"):
        value = "" if parameter.is_flag or not parameter.metavar else f" {parameter.metavar}"
        names = ", ".join(f"`{name}{value}`" for name in [*parameter.opts, *parameter.secondary_opts])
    else:
        names = f"`{_usage(parameter).strip('[]')}`"
    schema = f" [Its schema](schemas/{schemas.file_name(command)})." if "--json" in parameter.opts else ""
    return f"| {names} | {_prose(parameter.help)}{schema} | {_default(parameter)} |"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    shown = parameter.show_default if isinstance(getattr(parameter, "show_default", None), str) else parameter.default
    if shown is None or shown is False or shown in ("", []):
        return ""
    if shown is True:
        return f"`{parameter.opts[0]}`"
    return f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`"


def _prose(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
