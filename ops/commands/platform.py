"""For platform teams: `cxr status`, `doctor`, `deploy`, `destroy`, `up`, `down`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ops.base import output, tools
from ops.base.deployment import STACKS
from ops.base.errors import CommandError, ExitCode
from ops.commands import overview
from ops.commands.options import Assembly, Env, Json, Region, environment, open_workspace
from ops.platform import doctor as checks
from ops.platform import laptop, lifecycle, network
from ops.platform.findings import State


def status(ctx: typer.Context, as_json: Json = False, env: Env = None, region: Region = None) -> None:
    """Show what is deployed, training, waiting for approval and serving."""
    found = overview.collect(open_workspace(ctx, env, region))
    if as_json:
        output.print_json(found.as_json())
    else:
        overview.print_status(found)
    if any(stack is None for stack in found.stacks.values()):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def doctor(
    ctx: typer.Context,
    *,
    assembly: Assembly = tools.REPOSITORY / "cdk.out",
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Check tools, credentials, bootstrap, stacks, quotas, zones, images and who hears of alarms; say what to do.

    Exit code 1: something is wrong. Exit code 3: something could not be looked at, as without the right to.
    """
    session = open_workspace(ctx, env, region).session
    findings = list(checks.examine(session, assembly))
    states = {finding.state for finding in findings}
    if as_json:
        output.print_json([finding.as_json() for finding in findings])
    else:
        listing = output.table("check", "status", "found")
        for finding in findings:
            listing.add_row(escape(finding.check), output.status_text(finding.state.value), escape(finding.found))
        output.results().print(listing)
        for finding in findings:
            if finding.advice:
                output.say(f"{finding.check}: {finding.advice}")
    if State.WRONG in states:
        raise typer.Exit(ExitCode.FAILED)
    if State.UNKNOWN in states:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def deploy(
    ctx: typer.Context,
    stacks: Annotated[
        list[str] | None, typer.Argument(metavar="[STACK]...", help="Parts, such as `api`; all by default.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before permissions are widened.")] = False,
    as_json: Json = False,
    env: Env = None,
) -> None:
    """Deploy an environment with the CDK, to the account of your credentials."""
    workspace = open_workspace(ctx, env, None)
    settings = lifecycle.settings_of(workspace.session.env)
    lifecycle.refuse_other_instances(workspace.session, settings)
    lifecycle.refuse_another_kind(workspace.session, settings)
    network.refuse_another(lambda: workspace.deployment, settings)
    for command in tools.deploy_commands(environment(ctx, env), stacks or [], yes=yes):
        tools.run(command)
    if not stacks and not settings.network.vpc:
        network.tell_of_one_left(lambda: workspace.deployment, settings.name)
    if as_json:
        deployment = workspace.deployment
        deployed = [found for part in stacks or STACKS if (found := deployment.describe(part))]
        output.print_json(
            {"stacks": {stack.name: {"status": stack.status, "outputs": stack.outputs} for stack in deployed}}
        )


def destroy(
    ctx: typer.Context,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    as_json: Json = False,
    env: Env = None,
) -> None:
    """Remove an environment with the CDK, after its running executions were stopped; what settings retain stays."""
    workspace = open_workspace(ctx, env, None)
    name = workspace.session.env
    if not yes:
        _confirm(f"Remove all stacks cxr-{name}-* and stop what runs in them?")
    deployed = [workspace.deployment.describe(part) for part in ("training", "monitoring")]
    outputs = [item for stack in deployed if stack for item in stack.outputs.items()]
    pipelines = [pipeline for key, pipeline in outputs if key.endswith("PipelineName")]
    stopped = lifecycle.stop_executions(workspace.session, pipelines, poll_seconds=workspace.poll_seconds)
    tools.run(tools.destroy_command(name))
    network.tell_of_one_left(lambda: workspace.deployment, f"cxr-{name}")
    if as_json:
        output.print_json({"stopped_executions": stopped})


def _confirm(question: str) -> None:
    """Go on where the answer is yes, at a terminal or through a pipe; nothing to read is no answer."""
    try:
        is_meant = typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        raise CommandError(
            "Nothing was removed: whether it is meant is asked at a terminal. --yes says so without one.",
            ExitCode.USAGE,
        ) from None
    if not is_meant:
        raise typer.Abort


def up(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the cloud listens on 127.0.0.1.")] = 4566,
    deploy: Annotated[bool, typer.Option(help="Deploy the app to it.")] = True,
    as_json: Json = False,
) -> None:
    """Start the laptop's cloud in the background and deploy the app to it; `cxr down` ends it."""
    cloud = laptop.LaptopCloud()
    variables = cloud.start(port)
    try:
        if deploy:
            output.say("deploying the app to it ...")
            for command in laptop.deploy_commands():
                tools.run(command, laptop.only_here(variables), log=cloud.deploy_log, check=cloud.check)
    except BaseException:
        cloud.stop()  # its folder stays, with the logs
        raise
    shown = _shown(cloud.variables_file)
    if as_json:
        output.print_json({"endpoint_url": variables["AWS_ENDPOINT_URL"], "environment": shown, "pid": cloud.pid})
    else:
        output.results().print(f"The laptop's cloud answers at {variables['AWS_ENDPOINT_URL']}", markup=False)
        output.say(f"In every shell that uses it: source {shown}")
        output.say("Then: cxr status; cxr upload PATH; cxr down")


def down(as_json: Json = False) -> None:
    """End the laptop's cloud and everything that it started."""
    ended = laptop.LaptopCloud().stop()
    output.answer({"ended": ended}, "ended" if ended else "The laptop's cloud was not running.", as_json=as_json)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
