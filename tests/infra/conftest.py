"""The templates of each environment, synthesised once for all tests."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from policy.contexts import with_setting

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("dev", "staging", "prod", "laptop")
PARTS = ("data", "training", "release", "endpoint", "api", "monitoring")
IN_ORDER = (
    "data",
    "network",
    "training",
    "release",
    "endpoint",
    "api",
    "monitoring",
)  # of deployment, where there is a network

Template = dict[str, Any]
# A name and a context to the folder of what is synthesised from it.
Assembly = Callable[[str, dict[str, Any]], Path]


@pytest.fixture
def context() -> dict[str, Any]:
    """The context of cdk.json, the test's own copy."""
    return copy.deepcopy(_context())


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Template]]:
    """The templates of an environment by part: `templates("dev")["data"]`."""

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


@pytest.fixture(scope="session")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The templates of prod in a network of its own."""
    return _synthesise(with_setting(_context(), "network.vpc"), tmp_path_factory.mktemp("isolated"))


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The templates of prod with a trail of data events."""
    return _synthesise(with_setting(_context(), "buckets.data_events"), tmp_path_factory.mktemp("audited"))


@pytest.fixture(scope="session")
def gated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The templates of prod where a release asks for a site evaluation."""
    return _synthesise(
        with_setting(_context(), "site_evaluation.required_for_release"), tmp_path_factory.mktemp("gated")
    )


@pytest.fixture(scope="session")
def coded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The templates of prod where the API answers with results in DICOM."""
    return _synthesise(with_setting(_context(), "api.dicom_results"), tmp_path_factory.mktemp("coded"))


@pytest.fixture(scope="session")
def snapped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The templates of prod where the Dicom function begins from a snapshot."""
    return _synthesise(with_setting(_context(), "api.dicom_snap_start"), tmp_path_factory.mktemp("snapped"))


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The templates of prod with the environment's key on volumes."""
    return _synthesise(with_setting(_context(), "encryption.volume_key"), tmp_path_factory.mktemp("keyed"))


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """A folder with the templates and cdk-nag's report of a context, synthesised once: `assembly("name", context)`."""
    folders: dict[str, Path] = {}

    def synthesised(name: str, context: dict[str, Any]) -> Path:
        if name not in folders:
            folder = tmp_path_factory.mktemp(name)
            synthesise_app(context, folder, nag=True)
            folders[name] = folder
        return folders[name]

    return synthesised


@pytest.fixture
def synthesise(tmp_path: Path) -> Callable[[dict[str, Any]], dict[str, Template]]:
    """The templates of a changed context by part."""
    return lambda changed: _synthesise(changed, tmp_path)


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """The resources of a type by logical id."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def pipeline_of(template: dict[str, Any], name: str = "Pipeline") -> dict[str, Any]:
    """The pipeline whose logical id begins so: of training, or `SiteEvaluation`."""
    (found,) = (item for key, item in of_type(template, "AWS::SageMaker::Pipeline").items() if key.startswith(name))
    return found


def untagged(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a deployed pipeline without the stack's tags, as they are compiled."""
    steps = copy.deepcopy(definition["Steps"])
    for step in steps:
        step["Arguments"].pop("Tags", None)
    return list(steps)


def _context() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    return content


def environment_context(environment: str) -> dict[str, Any]:
    """The context of cdk.json for one environment."""
    return {**_context(), "env": environment}


def synthesise_app(context: dict[str, Any], output: Path, *, nag: bool = False, staged: bool = False) -> str:
    """Synthesise a context; the start of its stacks' names.

    Args:
        context: as cdk.json gives it.
        output: where the templates go.
        nag: let cdk-nag write `validation-report.json` beside them.
        staged: copy the assets beside them too.
    """
    from infra.application import add_stacks
    from infra.settings.environment import Settings
    from policy.synthesis import UNSTAGED

    # After `infra`, which configures jsii before it starts.
    from aws_cdk import App, Validations  # isort: skip

    settings = Settings.load(context)
    app = App(context=context if staged else {**context, **UNSTAGED}, outdir=str(output))
    add_stacks(app, settings)
    if nag:
        from cdk_nag import AwsSolutionsChecks

        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        # Findings end a synthesis, after everything is written; what they are is what a caller wants to know.
        if not (nag and "ValidationFailed" in str(error)):
            raise
    return settings.name


def _synthesise(context: dict[str, Any], output: Path) -> dict[str, Template]:
    name = synthesise_app(context, output)
    files = {part: output / f"{name}-{part}.template.json" for part in IN_ORDER}
    return {part: json.loads(file.read_text(encoding="utf-8")) for part, file in files.items() if file.exists()}
