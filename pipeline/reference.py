"""The tables of docs/settings.md: settings from their models, parameters from `contract.parameters`.

Written by `python -m pipeline.reference`, which is part of `make pipeline`.

In docs/settings.md what stands between two markers is replaced. A test compares the page with the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from infra.settings import reference as settings
from model_code.contract.parameters import INPUT_ARCHIVE_SENTENCE, INPUT_ARCHIVE_URI, MONITORING, TRAINING, Parameter
from model_code.contract.site_parameters import (
    CALIBRATION,
    CALIBRATION_REQUIRED,
    LABEL_CALIBRATION,
    LABEL_CALIBRATION_REQUIRED,
    SITE,
    SITE_REQUIRED,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
_HEAD = "| parameter | meaning | default | accepted |\n| --- | --- | --- | --- |"


def page(text: str) -> str:
    """The page with its tables as settings and parameters are.

    Raises:
        ValueError: it has no place for one of the tables.
    """
    named = [f"| `{name}` | {meaning} |" for name, meaning in settings.rows()]
    text = _with(text, "settings", "\n".join(["| setting | meaning |", "| --- | --- |", *named]))
    archive = f"| `{INPUT_ARCHIVE_URI}` | {INPUT_ARCHIVE_SENTENCE} | | |"
    text = _with(text, "training parameters", "\n".join([_HEAD, archive, *_rows(TRAINING.values())]))
    for title, required, table in (
        ("site evaluation parameters", SITE_REQUIRED, SITE),
        ("calibration parameters", CALIBRATION_REQUIRED, CALIBRATION),
        ("label calibration parameters", LABEL_CALIBRATION_REQUIRED, LABEL_CALIBRATION),
    ):
        named = [f"| `{name}` | {sentence} | | |" for name, sentence in required.items()]
        text = _with(text, title, "\n".join([_HEAD, *named, *_rows(table.values())]))
    return _with(text, "monitoring parameters", "\n".join([_HEAD, *_rows(MONITORING.values())]))


def _with(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}: written by `make pipeline` -->", f"<!-- end of {name} -->"
    before, begins, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not (begins and ends):
        raise ValueError(f"docs/settings.md has no place for a table between {begin} and {end}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def _rows(parameters: Iterable[Parameter]) -> list[str]:
    return [
        f"| `{parameter.name}` | {parameter.sentence} | {_default(parameter)} | {_accepted(parameter)} |"
        for parameter in parameters
    ]


def _default(parameter: Parameter) -> str:
    if isinstance(parameter.default, bool):
        return f"`{str(parameter.default).lower()}`"
    if not parameter.setting:
        return "of the deployment"
    return f"{parameter.default}" if isinstance(parameter.default, int | float) else f"`{parameter.default}`"


def _accepted(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(f"`{choice}`" for choice in parameter.choices)
    if parameter.least is not None and parameter.greatest is not None:
        none = "0, or " if parameter.above_zero else ""
        return f"{none}{parameter.above_zero or parameter.least:.10g} to {parameter.greatest:.10g}"
    return "" if parameter.least is None else f"at least {parameter.least:.10g}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
