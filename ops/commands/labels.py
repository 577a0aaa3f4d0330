"""`cxr labels`: labels that look wrong go to readers, and what they decided makes a new version of the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.base import output
from ops.commands.options import Env, Json, Named, Region, evaluation_report, open_workspace
from ops.pipelines import reports


def export(
    ctx: typer.Context,
    execution: Named = None,
    *,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Of this version instead: number, ARN or `latest`.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write it there instead of printing.")
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
    report, _ = evaluation_report(workspace, execution, model)
    uri = reports.suspect_labels(report)
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
