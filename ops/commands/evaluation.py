"""Other sites and readers: `cxr evaluate`, `calibrate`, of a registered model and without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from model_code.contract.documents import Evaluation, SiteEvaluation, read_evaluation, read_site_evaluation
from model_code.contract.metrics import figure
from ops.base import output
from ops.base.errors import CommandError, ExitCode
from ops.commands.options import (
    Env,
    Json,
    Region,
    Save,
    Start,
    Version,
    open_workspace,
    sent_archive,
    written_report,
    zipped,
)
from ops.commands.workspace import Workspace
from ops.pipelines import reports, uploads, watching
from ops.pipelines.executions import Execution, ExecutionReader
from ops.pipelines.reports import Reporting

_SHOWN = {
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "calibration_error": "calibration error",
}
_DAY = ["%Y-%m-%d"]
# Before any prediction was kept.
_FIRST_DAY = date(2020, 1, 1)
_LAYOUT = "A zip file or a folder of the site's radiographs, with {NORMAL,PNEUMONIA} or a labels.csv."


def evaluate(
    ctx: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(metavar="ARCHIVE", exists=True, help=_LAYOUT),
    ],
    *,
    model: Annotated[str, typer.Option("--model", "-m", help="Version number, ARN or `latest`.")],
    save: Save = None,
    timeout: Start = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Evaluate a registered model on a site's labelled radiographs, and open the report.

    Nothing is trained. The figures stand beside the model's own, with a verdict: usable as it is, usable after
    calibration, not usable, or too few images to say. Images that the model has seen are left out. A bad verdict is a
    finding and no failure: the exit code is 0, and `--json` has all that was found.
    """
    workspace = open_workspace(ctx, env, region)
    version = workspace.registry.resolve(model)
    folder, reader = uploads.to_evaluate(version.version), workspace.site_evaluations
    execution = _executed(workspace, path, folder, reader, timeout=timeout, quiet=as_json)
    _check(execution, version.version, "evaluated")
    uri = reports.of_execution(workspace.sagemaker, execution, Reporting.SITE)
    found = read_site_evaluation(json.loads(reports.fetch(workspace.s3, reports.beside(uri, "site_evaluation.json"))))
    written = _written(workspace, uri, execution, save)
    if as_json:
        output.print_json({**written, "evaluation": found})
    else:
        _print(found)
        output.results().print(written["file"], markup=False, soft_wrap=True)


def calibrate(
    ctx: typer.Context,
    version: Version,
    *,
    path: Annotated[
        Path | None,
        typer.Option("--archive", "-a", metavar="ARCHIVE", exists=True, help=_LAYOUT),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Readers' labels of the version's own predictions, instead of an archive.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar="DATE", help="First day of the labels (UTC); all by default."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DAY, metavar="DATE", help="Last day of them; today by default.")
    ] = None,
    save: Save = None,
    timeout: Start = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Calibrate a registered model on a site's radiographs or its readers' labels: a new version, the same weights.

    Half of the site's patients, or of the labelled predictions, choose temperature, bias, decision threshold and
    indeterminate band; the other half shows once what became of it, against the same gates as a training. Another
    prevalence or exposure is mended so. Which radiograph ranks above which is not, and a model that ranks wrongly there
    is refused. Readers choose what they label, which the report says. The new version waits for approval like any
    other.
    """
    days = _period(path, since, until, labels=labels)
    workspace = open_workspace(ctx, env, region)
    model_version = workspace.registry.resolve(version)
    if path is None:
        execution = _executed_on_labels(workspace, model_version.arn, days, quiet=as_json)
    else:
        folder, reader = uploads.to_calibrate(model_version.version), workspace.calibrations
        execution = _executed(workspace, path, folder, reader, timeout=timeout, quiet=as_json)
    _check(execution, model_version.version, "calibrated")
    uri = reports.of_execution(workspace.sagemaker, execution, Reporting.CALIBRATION)
    found = read_evaluation(json.loads(reports.fetch(workspace.s3, reports.beside(uri, "evaluation.json"))))
    written = _written(workspace, uri, execution, save)
    made = execution.registered_version
    if as_json:
        document = {"version": int(made), "calibrated_from": found["calibrated_from"], "evaluation": found}
        output.print_json({**written, **document})
        return
    _print_calibrated(found, model_version.version, made)
    output.results().print(written["file"], markup=False, soft_wrap=True)
    output.say(f"Version {made} waits for approval: `cxr approve {made}` releases it.")


def _period(path: Path | None, since: datetime | None, until: datetime | None, *, labels: bool) -> tuple[str, str]:
    """First and last day of the labels to calibrate on, ISO 8601.

    Raises:
        CommandError: not exactly one of an archive and labels is named, or the days are no period of the past.
    """
    if labels == (path is not None):
        raise CommandError(
            "Name what to calibrate on: --archive ARCHIVE for a site's radiographs, or --labels for the readers' "
            "labels that came in by feedback.",
            ExitCode.USAGE,
        )
    if (since or until) and not labels:
        raise CommandError("--since and --until choose readers' labels: they go with --labels.", ExitCode.USAGE)
    today = datetime.now(UTC).date()
    first = since.date() if since else _FIRST_DAY
    last = until.date() if until else today
    if not first <= last <= today:
        raise CommandError(f"From {first} to {last} no label was given: the days are in UTC.", ExitCode.USAGE)
    return first.isoformat(), last.isoformat()


def _executed_on_labels(workspace: Workspace, arn: str, days: tuple[str, str], *, quiet: bool) -> Execution:
    """Start an execution on readers' labels of a version's predictions, and follow it to its end.

    Raises:
        CommandError: the version lacks what a calibration takes.
    """
    from lambdas.trigger import registered_model  # noqa: PLC0415 - brings botocore along
    from lambdas.trigger.rejection import Rejection  # noqa: PLC0415

    try:
        parameters = registered_model.of(workspace.sagemaker, arn).to_calibrate_on_labels()
    except Rejection as rejection:
        raise CommandError(rejection.detail) from rejection
    reader, (since, until) = workspace.label_calibrations, days
    started = reader.start({**parameters, "Since": since, "Until": until}, name="cxr-calibrate-labels")
    return watching.watch(reader, started, timeout=None, poll=workspace.poll_seconds, quiet=quiet)


def _executed(
    workspace: Workspace, path: Path, folder: str, reader: ExecutionReader, *, timeout: float, quiet: bool
) -> Execution:
    """Upload a site's archive and follow the execution that takes it to its end."""
    with zipped(path, "evaluate") as source:
        sent = sent_archive(workspace.s3, source, of=path, bucket=workspace.deployment.data_bucket, folder=folder)
    arn = uploads.await_start(workspace.s3, reader, sent, timeout=timeout * 60, poll=workspace.poll_seconds)
    return watching.watch(reader, arn, timeout=None, poll=workspace.poll_seconds, quiet=quiet)


def _check(execution: Execution, version: int, done: str) -> None:
    if execution.status != "Succeeded":
        raise CommandError(
            f"Version {version} was not {done}: execution {execution.id} {execution.status.lower()}: "
            f"{execution.reason or 'no reason is stated'}"
        )


def _written(workspace: Workspace, uri: str, execution: Execution, save: Path | None) -> dict[str, Any]:
    """Write the report to a file and open it: where it is from, the file, and whether it is opened."""
    written, opened = written_report(reports.fetch(workspace.s3, uri), execution.id, save)
    return {"source": uri, "file": str(written), "opened": opened}


def _print_calibrated(found: Evaluation, source: int, made: str) -> None:
    """The figures before and after on the half that was held out, and what they say."""
    origin = found["calibrated_from"]
    if origin is None:
        raise CommandError(f"The evaluation of version {made} does not say what it was calibrated from.")
    listing = output.table("", f"version {source}", f"version {made}")
    for name, title in _SHOWN.items():
        listing.add_row(title, _cell(origin["before"][name]), _cell(figure(found, name)))
    output.results().print(listing)
    output.results().print(origin["sentence"], markup=False, soft_wrap=True)
    if guarantee := found["guarantee"]:
        output.results().print(guarantee["sentence"], markup=False, soft_wrap=True)


def _print(found: SiteEvaluation) -> None:
    """The figures beside the model's own, and the verdict."""
    listing = output.table("", "this site", "own test split", "difference")
    for name, title in _SHOWN.items():
        site = figure(found["evaluation"], name)
        listing.add_row(title, _cell(site), _cell(found["own"][name]), _cell(found["differences"][name], "+.3f"))
    refused = found["refused_share"]
    listing.add_row("refused as unlike", _cell(refused), "", "")
    output.results().print(listing)
    output.results().print(found["verdict"]["sentence"], markup=False, soft_wrap=True)
    for doubt in found["doubts"]:
        output.say(doubt)
    if found["known"] is None:
        output.say("Whether the model has seen these images is not known: its dataset left no fingerprints.")


def _cell(found: Mapping[str, Any] | None, form: str = ".3f") -> str:
    if found is None:
        return "-"
    low, high = found["confidence_interval"]
    return f"{format(found['value'], form)} ({format(low, form)} to {format(high, form)})"
