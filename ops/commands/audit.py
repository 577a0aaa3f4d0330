"""For those who audit models: `cxr verify`, `bom`, `dossier`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lambdas.aws.statement import Difference
from ops.base import output
from ops.commands.options import Env, Json, Region, Version, open_workspace, writable
from ops.commands.workspace import Workspace
from ops.models import bill_of_materials, site_evaluations, verification
from ops.models import dossier as dossiers
from ops.models.registry import ModelVersion

_Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", callback=writable, help="Write it there instead of printing it."),
]


def verify(ctx: typer.Context, version: Version, as_json: Json = False, env: Env = None, region: Region = None) -> None:
    """Verify that a version is what was signed when it was registered: model, evidence, dataset, source, containers.

    Everything that was signed is read again. Whatever is otherwise now is named, and the command fails.
    """
    workspace = open_workspace(ctx, env, region)
    model_version = workspace.registry.resolve(version)
    package = workspace.sagemaker.describe_model_package(ModelPackageName=model_version.arn)
    found = verification.verify(package, workspace.provenance)
    if as_json:
        output.print_json({"version": model_version.version, **found.as_json()})
    else:
        changed = {difference.name: difference for difference in found.changed}
        listing = output.table("signed", "value", "now")
        for name in [*found.members, *(name for name in changed if name not in found.members)]:
            now = _now(changed[name]) if name in changed else "the same"
            listing.add_row(*(escape(cell) for cell in (name, found.members.get(name, "-"), now)))
        output.results().print(listing)
    if found.changed:
        raise verification.not_as_signed(str(model_version.version), found.changed)
    key = workspace.deployment.signing_key
    output.say(f"Version {model_version.version} is what {found.statement_uri} says, which the key {key} signed.")


def _now(changed: Difference) -> str:
    return changed.now or ("not known any more" if changed.unknown else "gone")


def bom(ctx: typer.Context, version: Version, save: _Save = None, env: Env = None, region: Region = None) -> None:
    """Print a version's bill of materials (CycloneDX 1.6, JSON): model, figures, dataset, libraries, container.

    It is made of what was signed when the version was registered, once the files are verified to be that.
    """
    workspace = open_workspace(ctx, env, region)
    with _fetched(workspace, workspace.registry.resolve(version), bill_of_materials.NEEDED) as found:
        content = bill_of_materials.text(found.package, found.signed, found.files)
    _write(content.decode(), save)


def dossier(ctx: typer.Context, version: Version, save: _Save = None, env: Env = None, region: Region = None) -> None:
    """Print a version's dossier (Markdown): what its evidence answers of CLAIM, TRIPOD+AI and Annex IV of the AI Act.

    It is made of what was signed, once the files are verified to be that. What they cannot know is named as open.
    """
    workspace = open_workspace(ctx, env, region)
    model_version = workspace.registry.resolve(version)
    sites = site_evaluations.of_version(workspace.s3, workspace.deployment.artifact_bucket, model_version)
    with _fetched(workspace, model_version, dossiers.NEEDED) as found:
        content = dossiers.text(dossiers.read(found, sites.found))
    _write(content, save)


@contextmanager
def _fetched(workspace: Workspace, version: ModelVersion, names: Iterable[str]) -> Iterator[verification.Fetched]:
    """Files of a version, which are what was signed, as long as the block lasts."""
    package = workspace.sagemaker.describe_model_package(ModelPackageName=version.arn)
    with tempfile.TemporaryDirectory(prefix="cxr-") as scratch:
        yield verification.fetch(package, workspace.provenance, names, Path(scratch))


def _write(content: str, save: Path | None) -> None:
    if save is None:
        typer.echo(content, nl=False)
    else:
        save.write_text(content, encoding="utf-8")
        output.say(f"wrote {save}")
