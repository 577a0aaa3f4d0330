"""The templates of each environment, synthesised once for all tests."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("dev", "prod", "laptop")
PARTS = ("data", "training", "endpoint", "api")

Template = dict[str, Any]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def context() -> dict[str, Any]:
    """The context of cdk.json, the test's own copy."""
    return copy.deepcopy(_context())


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Template]]:
    """The four templates of an environment by part: `templates("dev")["data"]`."""

    @cache
    def synthesised(environment: str) -> dict[str, Template]:
        return _synthesise({**_context(), "env": environment}, tmp_path_factory.mktemp(environment))

    return synthesised


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The training template of dev where settings choose tuning, with 12 jobs."""
    context = {**copy.deepcopy(_context()), "env": "dev"}
    context["environments"]["dev"]["pipeline"] = {"tuning": True, "tuning_jobs": 12}
    return _synthesise(context, tmp_path_factory.mktemp("tuned"))["training"]


@pytest.fixture
def synthesise(tmp_path: Path) -> Callable[[dict[str, Any]], dict[str, Template]]:
    """The four templates of a changed context."""
    return lambda changed: _synthesise(changed, tmp_path)


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """The resources of a type by logical id."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def _context() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    return content


def _synthesise(context: dict[str, Any], output: Path) -> dict[str, Template]:
    with pytest.MonkeyPatch.context() as patch:
        # Validating takes most of a synthesis; test_app.py has it done once for each environment.
        patch.setenv("CDK_VALIDATION", "false")
        import infra  # noqa: F401, I001 - configures jsii before aws_cdk starts it
        from aws_cdk import App

        from infra.application import add_stacks
        from infra.settings import Settings

        settings = Settings.load(context)
        app = App(context=context, outdir=str(output))
        add_stacks(app, settings)
        app.synth()
    return {
        part: json.loads((output / f"{settings.name}-{part}.template.json").read_text(encoding="utf-8"))
        for part in PARTS
    }
