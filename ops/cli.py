"""The `cxr` command. Commands are thin: they ask the services and print."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ops import archive, output, overview, predictions, releases, uploads, watching
from ops.errors import CommandError, ExitCode, explain
from ops.workspace import CONNECTIONS, Workspace

if TYPE_CHECKING:
    from ops.executions import Execution

_HELP = """
Operate a deployed chest X-ray stack: from an archive of radiographs to predictions.

The same commands work against AWS and, with AWS_ENDPOINT_URL set, against the laptop's cloud. Everything is found
through the outputs of the stacks cxr-ENV-*.

Exit codes: 0 done; 1 what was asked for failed (execution, release, any file's prediction, refused archive);
2 wrong usage; 3 not deployed, not signed in, not allowed or not reachable; 4 gave up waiting; 130 interrupted.
"""


class _Commands(typer.core.TyperGroup):
    """Ends every command that fails with one sentence and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("CXR_DEBUG"):
                raise
            known = explain(error)
            if known is None:
                known = CommandError(
                    f"This is a defect of cxr: {type(error).__name__}: {error} (CXR_DEBUG=1 shows where)."
                )
            output.fail(str(known))
            raise typer.Exit(known.exit_code) from error


app = typer.Typer(cls=_Commands, help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False)

Env = Annotated[str | None, typer.Option("--env", "-e", help="Environment: stacks cxr-ENV-* (CXR_ENV, else dev).")]
Region = Annotated[
    str | None, typer.Option("--region", help="AWS region (else cdk.json's, else your AWS configuration's).")
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts instead of text for people.")]
Named = Annotated[str | None, typer.Argument(metavar="[EXECUTION]", help="Identifier or ARN; the newest by default.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="MINUTES", help="Give up waiting after this long (exit 4).")
]


@app.callback()
def main(ctx: typer.Context, env: Env = None, region: Region = None) -> None:
    """Options here apply to every command; a command's own take precedence."""
    ctx.obj = {"env": env, "region": region}


def _open(ctx: typer.Context, env: str | None, region: str | None) -> Workspace:
    chosen = env or ctx.obj["env"] or os.environ.get("CXR_ENV") or "dev"
    return Workspace(env=chosen, region=region or ctx.obj["region"])


@app.command()
def upload(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(exists=True, help="A zip file, or a folder with {train,test}/{NORMAL,PNEUMONIA}.")
    ],
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Then follow the execution to its end.")] = False,
    check: Annotated[bool, typer.Option(help="Look at the archive before sending it.")] = True,
    timeout: Annotated[float, typer.Option(metavar="MINUTES", help="Wait this long for the execution to start.")] = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Upload an archive and name the execution that starts on it; a refused archive ends with the reason."""
    workspace = _open(ctx, env, region)
    bucket = workspace.deployment.data_bucket
    reader = workspace.executions
    with tempfile.TemporaryDirectory(prefix="cxr-") as scratch:
        source = path
        if path.is_dir():
            source = Path(scratch) / "archive.zip"
            output.say(f"{path}: {archive.pack(path, source)}")
        elif check:
            output.say(f"{path}: {archive.inspect(path)}")
        with output.byte_progress(path.name, source.stat().st_size) as advance:
            key = uploads.upload_key(path.resolve().name)
            sent = uploads.send(workspace.s3, source, bucket=bucket, key=key, progress=advance)
    output.say(f"uploaded to s3://{sent.bucket}/{sent.key}")
    arn = uploads.await_start(workspace.s3, reader, sent, timeout=timeout * 60, poll=workspace.poll_seconds)
    if watch:
        _finish(watching.watch(reader, arn, timeout=None, poll=workspace.poll_seconds, quiet=as_json), as_json=as_json)
    elif as_json:
        output.print_json({"execution": arn.rpartition("/")[2], "arn": arn, "bucket": sent.bucket, "key": sent.key})
    else:
        output.results().print(f"execution {arn.rpartition('/')[2]} started; follow it with `cxr watch`", markup=False)


@app.command()
def watch(
    ctx: typer.Context,
    execution: Named = None,
    *,
    timeout: Annotated[float | None, typer.Option(metavar="MINUTES", help="Give up after this long (exit 4).")] = None,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Follow an execution, step by step, to its end. Exit code 0: succeeded; 1: failed or stopped."""
    workspace = _open(ctx, env, region)
    reader = workspace.executions
    seconds = None if timeout is None else timeout * 60
    arn = reader.resolve(execution)
    _finish(watching.watch(reader, arn, timeout=seconds, poll=workspace.poll_seconds, quiet=as_json), as_json=as_json)


def _finish(execution: Execution, *, as_json: bool) -> None:
    if as_json:
        output.print_json(execution.as_json())
    took = output.duration(execution.started, execution.ended)
    if execution.status != "Succeeded":
        raise CommandError(
            f"Execution {execution.id} {execution.status.lower()} after {took}: {execution.reason or 'no reason'}"
        )
    if not as_json:
        version = execution.registered_version
        then = f"; version {version} is registered, `cxr approve {version}` releases it" if version else ""
        output.results().print(f"Succeeded in {took}{then}", markup=False)


@app.command()
def executions(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 10,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """List executions."""
    found = _open(ctx, env, region).executions.recent(limit)
    if as_json:
        output.print_json([execution.as_json() for execution in found])
    else:
        overview.print_executions(found)


@app.command()
def logs(
    ctx: typer.Context,
    execution: Named = None,
    step: Annotated[str | None, typer.Option(help="Name of the step; the last that ran a job by default.")] = None,
    env: Env = None,
    region: Region = None,
) -> None:
    """Print what a step of an execution logged."""
    reader = _open(ctx, env, region).executions
    read = reader.read(reader.resolve(execution))
    jobs = [candidate for candidate in read.steps if candidate.has_log and step in {None, candidate.name}]
    if not jobs:
        known = ", ".join(candidate.name for candidate in read.steps if candidate.has_log) or "none so far"
        raise CommandError(f"Execution {read.id} has no such step with a log; steps with one: {known}.")
    for line in reader.log_lines(jobs[-1]):
        output.results().out(line)


@app.command()
def models(ctx: typer.Context, as_json: Json = False, env: Env = None, region: Region = None) -> None:
    """List registered models with their figures on the test split, and which one is serving."""
    registry = _open(ctx, env, region).registry
    versions = [registry.with_metrics(version) for version in registry.versions()]
    serving = registry.serving()
    if as_json:
        output.print_json([overview.model_json(version, serving) for version in versions])
    else:
        overview.print_models(versions, serving)


@app.command()
def approve(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="Version number, ARN or `latest`.")] = "latest",
    *,
    comment: Annotated[str, typer.Option(help="Kept with the version: why it may be released.")] = "",
    wait: Annotated[bool, typer.Option(help="Wait until the endpoint serves this version.")] = True,
    timeout: Timeout = 60,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Approve a model, which releases it, and wait until it is what really serves."""
    workspace = _open(ctx, env, region)
    registry = workspace.registry
    chosen = registry.resolve(version)
    serving = registry.serving()
    if serving.status != "InService" or serving.package_arn != chosen.arn or chosen.approval != "Approved":
        mark = releases.Mark.of(workspace.deployment)
        releases.approve(registry, chosen, comment)
        if wait:
            serving = releases.await_serving(
                registry,
                workspace.deployment,
                chosen,
                mark=mark,
                timeout=timeout * 60,
                poll=workspace.poll_seconds,
                tell=output.say,
            )
    is_served = serving.package_arn == chosen.arn
    if as_json:
        output.print_json({"version": chosen.version, "arn": chosen.arn, "approval": "Approved", "serving": is_served})
    else:
        state = "serving" if is_served else "approved; its release has been asked for"
        output.results().print(f"version {chosen.version} is {state}", markup=False)


@app.command()
def reject(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="Version number, ARN or `latest`.")],
    reason: Annotated[str, typer.Option(help="Kept with the version: why it must not be released.")],
    env: Env = None,
    region: Region = None,
) -> None:
    """Reject a model. One that is serving goes on serving until another is approved."""
    registry = _open(ctx, env, region).registry
    chosen = registry.resolve(version)
    registry.decide(chosen, "Rejected", reason)
    output.results().print(f"version {chosen.version} is rejected", markup=False)
    if registry.serving().package_arn == chosen.arn:
        output.say("It is still what serves: approve another version to replace it.")


@app.command()
def predict(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="JPEG or PNG files, or folders of them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: path, probability, label, ...")
    ] = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Predict radiographs through the HTTPS API. A file that fails is named with its reason; the others go on."""
    files = predictions.files_to_predict(paths)
    if not files:
        raise CommandError(f"There is no JPEG or PNG file in {', '.join(map(str, paths))}.")
    api = _open(ctx, env, region).prediction_api()
    summary = overview.PredictionSummary(as_json=as_json)
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        try:
            for prediction in pool.map(api.predict, files):
                summary.add(prediction)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    summary.close()
    if summary.failed:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def status(ctx: typer.Context, as_json: Json = False, env: Env = None, region: Region = None) -> None:
    """Show what is deployed, training, waiting for approval and serving."""
    found = overview.collect(_open(ctx, env, region))
    if as_json:
        output.print_json(found.as_json())
    else:
        overview.print_status(found)
    if any(stack is None for stack in found.stacks.values()):
        raise typer.Exit(ExitCode.UNAVAILABLE)
