"""For data teams: `cxr upload`, `start`, `watch`, `executions`, `report`, `logs`, `monitor` and others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from model_code.archive.entries import shown
from model_code.contract.archives import parameters
from model_code.contract.parameters import INPUT_ARCHIVE_URI, NETWORK_ISOLATION
from ops.base import output
from ops.base.errors import CommandError, ExitCode
from ops.commands import overview
from ops.commands.options import (
    Env,
    Json,
    Named,
    Parameters,
    Region,
    Save,
    Start,
    Timeout,
    evaluation_report,
    open_workspace,
    sent_archive,
    tell_started,
    written_report,
    zipped,
)
from ops.commands.workspace import Workspace
from ops.pipelines import archive, inventories, reports, uploads, watching
from ops.pipelines import datasets as archives
from ops.pipelines.parameters import check, pairs
from ops.pipelines.reports import Reporting

# For the Trigger function to copy an inventory, its start and a repetition included.
_KEPT_WITHIN_SECONDS = 600.0


def upload(
    ctx: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            exists=True, help="A zip file or a folder, with {train,test}/{NORMAL,PNEUMONIA} or a labels.csv."
        ),
    ],
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Then follow the execution to its end.")] = False,
    check: Annotated[bool, typer.Option(help="Look at the archive before sending it.")] = True,
    timeout: Start = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Upload an archive and name the execution that starts on it; a refused archive ends with the reason.

    A large file goes up in parts. Called again after an interruption, it sends only the parts that have not arrived.
    """
    workspace = open_workspace(ctx, env, region)
    bucket = workspace.deployment.data_bucket
    reader = workspace.executions
    with zipped(path, check=check) as source:
        sent = sent_archive(workspace.s3, source, of=path, bucket=bucket)
    arn = uploads.await_start(workspace.s3, reader, sent, timeout=timeout * 60, poll=workspace.poll_seconds)
    if watch:
        _follow(workspace, arn, as_json=as_json)
    else:
        tell_started(arn, {"bucket": sent.bucket, "key": sent.key}, as_json=as_json)


def entries(
    path: Annotated[
        Path, typer.Argument(exists=True, help="The zip file, or the folder that was uploaded, or an inventory.")
    ],
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[ENTRY]...", help="Numbers or names such as entry-17.dcm; else all.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Tell which file of an archive is `entry-17`: what reports, logs and refusals call its 17th entry.

    They name nothing by its name in an archive that holds DICOM, because exports name files and folders after patients.
    Nothing is sent anywhere. A folder has the entries that `cxr upload` packs of it, as long as nobody changes it. An
    inventory, a copy of inventory.jsonl.gz, has those of the bucket's folder that `cxr start --from` listed.
    """
    found = archive.entries(path, wanted or ())
    if as_json:
        output.print_json([entry._asdict() for entry in found])
        return
    for entry in found:
        output.results().out(f"{entry.called} {shown(entry.name, limit=len(entry.name) * 10)}")


def watch(
    ctx: typer.Context,
    execution: Named = None,
    *,
    timeout: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0, help="Give up after this long (exit 4).")
    ] = None,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Follow an execution, step by step, to its end. Exit code 0: succeeded; 1: failed or stopped."""
    workspace = open_workspace(ctx, env, region)
    seconds = None if timeout is None else timeout * 60
    _follow(workspace, workspace.executions.resolve(execution), timeout=seconds, as_json=as_json)


def _follow(workspace: Workspace, arn: str, *, timeout: float | None = None, as_json: bool) -> None:
    """Follow an execution of the training pipeline, and tell how it ended."""
    reader = workspace.executions
    execution = watching.watch(reader, arn, timeout=timeout, poll=workspace.poll_seconds, quiet=as_json)
    if as_json:
        output.print_json(execution.as_json())
    took = output.duration(execution.started, execution.ended)
    if execution.status != "Succeeded":
        raise CommandError(
            f"Execution {execution.id} {execution.status.lower()} after {took}: "
            f"{execution.reason or 'no reason is stated'}"
        )
    if not as_json:
        version = execution.registered_version
        then = f"; version {version} is registered, `cxr approve {version}` releases it" if version else ""
        output.results().print(f"Succeeded in {took}{then}", markup=False)


def executions(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """List executions."""
    found = open_workspace(ctx, env, region).executions.recent(limit)
    if as_json:
        output.print_json([execution.as_json() for execution in found])
    else:
        overview.print_executions(found)


def datasets(
    ctx: typer.Context,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """List the archives that were taken, newest first: what `cxr start` can train on again."""
    workspace = open_workspace(ctx, env, region)
    found = archives.datasets(workspace.s3, workspace.deployment.data_bucket)
    if as_json:
        output.print_json([dataset.as_json() for dataset in found])
    else:
        overview.print_datasets(found)


def start(
    ctx: typer.Context,
    dataset: Annotated[
        str, typer.Argument(help="`latest`, the beginning of its name in `cxr datasets`, or its S3 URI.")
    ] = "latest",
    *,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="S3_URI", help="Instead: a folder of a bucket, as it is now.")
    ] = None,
    set_: Parameters = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Then follow the execution to its end.")] = False,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Start the pipeline on an archive that is there already, with other parameters than the defaults.

    With `--from s3://bucket/prefix/` on what lies below that prefix, without an archive: the objects are listed once,
    with their versions, and the execution reads these, whatever is written there later. The bucket needs versioning,
    and has to be the data bucket, below radiographs/, or named in `archive.sources` of cdk.json.

    docs/settings.md explains each parameter. What the pipeline does not have, or cannot have that value, is refused
    before anything starts.
    """
    given = pairs(set_)
    for name in sorted({INPUT_ARCHIVE_URI, NETWORK_ISOLATION} & set(given)):
        raise CommandError(f"{name} follows from the archive that you name: leave out --set {name}.", ExitCode.USAGE)
    if from_ and dataset != "latest":
        raise CommandError("Name a dataset or a folder with --from, not both.", ExitCode.USAGE)
    workspace = open_workspace(ctx, env, region)
    reader = workspace.executions
    check(given, reader.definition())
    bucket = workspace.deployment.data_bucket
    chosen = _inventory(workspace, from_, bucket) if from_ else archives.resolve(workspace.s3, bucket, dataset)
    arn = reader.start({**parameters(chosen.uri), **given}, name=f"cxr-start-{chosen.token[:8]}")
    if watch:
        _follow(workspace, arn, as_json=as_json)
    else:
        tell_started(arn, {"dataset": chosen.uri, "parameters": given}, as_json=as_json)


def _inventory(workspace: Workspace, uri: str, bucket: str) -> archives.Dataset:
    """The dataset that is the folder's inventory."""
    named = inventories.folder(uri, workspace.deployment.archive_sources)
    taken = inventories.take(workspace.s3, named)
    output.say(f"{named.uri}: {taken.contents}")
    return inventories.keep(
        workspace.s3,
        taken,
        bucket=bucket,
        name=named.prefix.rstrip("/").rpartition("/")[2] or named.bucket,
        timeout=_KEPT_WITHIN_SECONDS,
        poll=workspace.poll_seconds,
    )


def report(
    ctx: typer.Context,
    execution: Named = None,
    *,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Of this version instead: number, ARN or `latest`.")
    ] = None,
    save: Save = None,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Open the evaluation's report of an execution, or of a registered version, in the browser."""
    workspace = open_workspace(ctx, env, region)
    uri, name, package_arn = evaluation_report(workspace, execution, model)
    page, decision = reports.fetch(workspace.s3, uri), ""
    if package_arn:
        decision = workspace.registry.decision(package_arn)
        page = reports.with_decision(page, decision)
    path, opened = written_report(page, name, save)
    if as_json:
        output.print_json({"source": uri, "file": str(path), "opened": opened, "decision": decision})
    else:
        output.results().print(str(path), markup=False)
        if decision:
            output.say(decision)
        output.say(f"Every test image's row: {reports.beside(uri, 'test_predictions.csv')}")


def monitor(
    ctx: typer.Context,
    *,
    set_: Parameters = None,
    newest: Annotated[bool, typer.Option("--newest", help="Show the newest run instead of starting one.")] = False,
    save: Save = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Compare the predictions of the last days with the model's evaluation, and open the report.

    The same run that the schedule starts: its metrics are those the alarms watch. Drift is a finding and no failure:
    the exit code is 0, and `--json` has all that was found. docs/monitoring.md explains it.
    """
    given = pairs(set_)
    if given and newest:
        raise CommandError("--set is for a run that starts now, --newest for one that ended.", ExitCode.USAGE)
    workspace = open_workspace(ctx, env, region)
    reader = workspace.monitoring_runs
    if newest:
        arn = reader.latest()
    else:
        check(given, reader.definition())
        arn = reader.start(given, name="cxr-monitor")
    run = watching.watch(reader, arn, timeout=timeout * 60, poll=workspace.poll_seconds, quiet=as_json)
    if run.status != "Succeeded":
        raise CommandError(f"Monitoring run {run.id} {run.status.lower()}: {run.reason or 'no reason is stated'}")
    uri = reports.of_execution(workspace.sagemaker, run, Reporting.MONITORING)
    findings = json.loads(reports.fetch(workspace.s3, reports.beside(uri, "monitoring.json")))
    path, opened = written_report(reports.fetch(workspace.s3, uri), run.id, save)
    if as_json:
        output.print_json({"source": uri, "file": str(path), "opened": opened, "findings": findings})
    else:
        output.results().print(f"{reports.sentences(findings)}\n{path}", markup=False, soft_wrap=True)


def logs(
    ctx: typer.Context,
    execution: Named = None,
    *,
    step: Annotated[str | None, typer.Option(help="Name of the step; the last that ran a job by default.")] = None,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Print what a step of an execution logged."""
    reader = open_workspace(ctx, env, region).executions
    read = reader.read(reader.resolve(execution))
    jobs = [candidate for candidate in read.steps if candidate.has_log and step in {None, candidate.name}]
    if not jobs:
        known = ", ".join(candidate.name for candidate in read.steps if candidate.has_log) or "none so far"
        raise CommandError(f"Execution {read.id} has no such step with a log; `--step` takes one of: {known}.")
    if as_json:
        output.print_json({"execution": read.id, "step": jobs[-1].name, "lines": list(reader.log_lines(jobs[-1]))})
        return
    for line in reader.log_lines(jobs[-1]):
        output.results().out(line)
