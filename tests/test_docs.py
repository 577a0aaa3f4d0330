"""The documentation names everything a reader may meet, and nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.api.gateway_responses import FALLBACKS, PROBLEMS
from lambdas.http.problems import KINDS
from lambdas.trigger.rejection import Reason
from ops.cli import app
from pipeline import reference

REPOSITORY = Path(__file__).resolve().parents[1]
# Settings that no environment has to say.
OPTIONAL = {
    *("account", "notification_email", "permissions_boundary"),
    *(f"api.authentication.{name}" for name in ("issuer", "audience", "scope_prefix")),
}


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def first_cells(name: str) -> set[str]:
    """What stands as code in the first or second cell of the tables of a page."""
    rows = [row.split("|")[1:3] for row in text(name).splitlines() if row.startswith("|")]
    return {code for row in rows for cell in row for code in re.findall(r"^`([A-Za-z_.]+)`$", cell.strip())}


def setting_names() -> set[str]:
    context = json.loads(text("cdk.json"))["context"]

    def paths(group: dict[str, Any], above: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in group.items():
            found |= paths(value, f"{above}{name}.") if isinstance(value, dict) else {above + name}
        return found

    return set().union(*map(paths, [context["shared"], *context["environments"].values()])) | OPTIONAL


def parameter_names() -> set[str]:
    files = (REPOSITORY / "pipeline").glob("definition*.json")
    return {parameter["Name"] for file in files for parameter in json.loads(file.read_text("utf-8"))["Parameters"]}


def snake(name: str) -> str:
    return "pipeline." + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_setting_and_every_pipeline_parameter_is_explained_and_no_other() -> None:
    defaults = {snake(name) for name in parameter_names()}
    documented = first_cells("docs/settings.md")

    assert documented == (setting_names() - defaults) | parameter_names() | {"pipeline.max_wait_seconds"}


def test_the_tables_of_parameters_are_those_of_the_contract() -> None:
    assert reference.page(text("docs/settings.md")) == text("docs/settings.md"), "run `make pipeline`"


def test_every_error_code_of_the_api_and_every_reason_of_a_refusal_is_explained_and_no_other() -> None:
    codes = {*KINDS, *(code for _, code, _, _ in PROBLEMS.values()), *(code for code, _ in FALLBACKS.values())}

    assert first_cells("docs/api.md") == codes | {reason.value for reason in Reason}


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_every_command_in_the_documentation_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}

    assert set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", text(page), re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^\$ |bin/|`)cxr ([a-z]+)", text(page), re.MULTILINE)) <= commands


def test_links_between_pages_lead_somewhere() -> None:
    for page in ["README.md", *(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", text(page)):
            assert (REPOSITORY / page).parent.joinpath(target).exists(), f"{page} links to {target}"
