"""The documentation names everything a reader may meet, and nothing that is not there."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lambdas.http.problems import KINDS
from lambdas.trigger.rejection import Reason
from ops.cli import commands
from pipeline import reference

REPOSITORY = Path(__file__).resolve().parents[1]
# Settings that no environment has to say.
OPTIONAL = {
    *("account", "notification_email", "permissions_boundary"),
    *(f"api.authentication.{name}" for name in ("issuer", "audience", "scope_prefix")),
    *(f"api.authentication.sign_in.{name}" for name in ("client_id", "authorization_endpoint", "token_endpoint")),
}

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
# Pages whose commands a reader types.
GUIDES = tuple(f"docs/{name}.md" for name in ("operations", "datasets", "external_validation", "releases", "laptop"))


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def first_cells(name: str, heading: str = "") -> set[str]:
    """Code in the first or second cell of the tables of a page, or of what stands below one of its headings."""
    part = text(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else text(name)
    rows = [row.split("|")[1:3] for row in part.splitlines() if row.startswith("|")]
    return {code for row in rows for cell in row for code in re.findall(r"^`([A-Za-z_.]+)`$", cell.strip())}


def setting_names() -> set[str]:
    context = json.loads(text("cdk.json"))["context"]

    def paths(group: dict[str, Any], above: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in group.items():
            grouped = isinstance(value, dict) and name != "tags"  # which names its own
            found |= paths(value, f"{above}{name}.") if grouped else {above + name}
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

    assert documented == (setting_names() - defaults) | parameter_names()


def test_the_tables_of_settings_and_parameters_are_those_of_models_and_contract() -> None:
    assert reference.page(text("docs/settings.md")) == text("docs/settings.md"), "run `make pipeline`"


@pytest.mark.synth  # gateway responses are constructs
def test_every_error_code_of_the_api_and_every_reason_of_a_refusal_is_explained_and_no_other() -> None:
    from infra.api import gateway_responses

    codes = {
        *KINDS,
        *(code for _, code, _, _ in gateway_responses.PROBLEMS.values()),
        *(code for code, _ in gateway_responses.FALLBACKS.values()),
    }

    assert first_cells("docs/api.md") == codes
    assert first_cells("docs/datasets.md", "Why an archive was refused") == {reason.value for reason in Reason}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", *GUIDES])
def test_every_command_in_the_documentation_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))
    known = {name.split()[0] for name in commands()}

    assert set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", text(page), re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^\$ |bin/|`)cxr ([a-z]+)", text(page), re.MULTILINE)) <= known


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, *(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", text(page)):
            assert (REPOSITORY / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_links_to_a_heading_find_it() -> None:
    """Of the page itself or another one, by the anchor that GitHub makes of a heading."""
    pages = [*PAGES, *(path for path in tracked() if path.startswith("docs/") and path.endswith(".md"))]
    missing = {
        f"{page} -> {target}#{anchor}"
        for page in pages
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text(page))
        if anchor not in anchors((REPOSITORY / page).parent / target if target else REPOSITORY / page)
    }
    assert missing == set()


@cache
def anchors(page: Path) -> frozenset[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def test_every_file_that_a_page_names_exists() -> None:
    """As `folder/file.py`, `file.py`, `folder/` or a pattern, of folders that are under version control.

    A decision record that another one supersedes may name what is gone.
    """
    folders = {line.split("/")[0] for line in tracked() if "/" in line}
    missing = {}
    for page in [*PAGES, *(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))]:
        if re.search(r"^\W*Status\W*Superseded", text(page), re.MULTILINE):
            continue
        said = re.sub(r"https?://\S+", "", text(page))
        for path in re.findall(r"(?<![\w./@:~-])((?:[.\w-]+/)+(?:[\w.*-]*[\w*])?)", said):
            below = path.split("/")[0] in folders and not re.search("[A-Z]{3}", path.removesuffix(".md"))
            found = any(fnmatch(one, path) or one.startswith(f"{path.rstrip('/')}/") for one in tracked())
            if below and not found and not (REPOSITORY / page).parent.joinpath(path).exists():
                missing[path] = page
        for name in re.findall(r"`(\w+\.py)`", said):
            if not any(Path(one).name == name for one in tracked()):
                missing[name] = page
    assert missing == {}


@cache
def tracked() -> tuple[str, ...]:
    """Files of the working tree that git would keep."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(name for name in listed if (REPOSITORY / name).is_file())
