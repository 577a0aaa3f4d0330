"""`cxr labels`: labels that look wrong go to readers, and what they decided makes a new version of the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model_code.contract.label_review import FILE as SUSPECTS
from model_code.contract.label_review import changes
from model_code.contract.parameters import INPUT_ARCHIVE_URI
from ops.base import output
from ops.commands.options import (
    Env,
    Json,
    Named,
    Region,
    Start,
    evaluation_report,
    open_workspace,
    tell_started,
    writable,
)
from ops.pipelines import label_import, reports, uploads


def export(
    ctx: typer.Context,
    execution: Named = None,
    *,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Of this version instead: number, ARN or `latest`.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", callback=writable, help="Write it there instead of printing."),
    ] = None,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Export the dataset's images with their labels, those that look most wrong first, for a reader to decide.

    The score is how probable the label is to a model that was not fitted on the patient's images: a list to look at,
    no verdict. The columns reviewed_label, reviewer and comment are for the reader; what stays empty stays as it is.
    `cxr entries` tells which file of an archive with DICOM is `entry-17`.
    """
    workspace = open_workspace(ctx, env, region)
    report = evaluation_report(workspace, execution, model).uri
    uri = reports.beside(report, SUSPECTS)
    table = reports.fetch(workspace.s3, uri)
    if csv is not None:
        csv.write_bytes(table)
    images = max(0, len(table.splitlines()) - 1)
    if as_json:
        output.print_json({"source": uri, "file": None if csv is None else str(csv), "images": images})
    elif csv is None:
        output.results().out(table.decode("utf-8").rstrip("\n"))
    else:
        output.results().print(f"{csv}: {images} images, the most suspect first", markup=False, soft_wrap=True)


def import_(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The table that readers filled in.")
    ],
    *,
    execution: Annotated[
        str | None, typer.Option("--execution", help="That it was exported of; the newest by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Version that it was exported of: number, ARN or `latest`.")
    ] = None,
    timeout: Start = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Make a new version of a dataset with the labels that readers gave, and name the execution that starts on it.

    The archive is copied within S3, with the corrections and what they come from in it; the one of before stays. Every
    patient stays in the split where the first labels put it, and the report says what was changed. The columns reviewer
    and comment are not sent.
    """
    workspace = open_workspace(ctx, env, region)
    reader = workspace.executions
    if model is None:
        # Once: another may become the newest meanwhile.
        execution = reader.resolve(execution)
    report = evaluation_report(workspace, execution, model).uri
    if execution is not None:
        archive = reader.parameters(execution)[INPUT_ARCHIVE_URI]
    else:
        archive = workspace.registry.archive_uri(workspace.registry.resolve(str(model)))
    table = path.read_bytes()
    exported = reports.fetch(workspace.s3, reports.beside(report, SUSPECTS))
    changed = label_import.reviewed(table, exported, path.name)
    sent = label_import.send(workspace.s3, archive, changed, table, bucket=workspace.deployment.data_bucket)
    ways = changes((label["given"], label["reviewed"]) for label in changed.values())
    counted = ", ".join(f"{count} {way}" for way, count in ways.items())
    output.say(f"{len(changed):,} labels change ({counted}); sent as s3://{sent.bucket}/{sent.key}")
    arn = uploads.await_start(workspace.s3, reader, sent, timeout=timeout * 60, poll=workspace.poll_seconds)
    about = {"bucket": sent.bucket, "key": sent.key, "derived_from": archive, "changed": ways}
    tell_started(arn, about, as_json=as_json)
