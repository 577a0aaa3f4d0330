"""For those who decide about models: `cxr models`, `compare`, `approve`, `reject`, `rollback`, `promote`."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.base import output
from ops.base.errors import CommandError, ExitCode
from ops.commands import overview
from ops.commands.options import Env, Json, Region, Timeout, Version, open_workspace, remark
from ops.commands.workspace import Workspace
from ops.models import comparison, promotion, releases, site_evaluations
from ops.models.registry import ModelVersion, Serving


def models(ctx: typer.Context, as_json: Json = False, env: Env = None, region: Region = None) -> None:
    """List registered models with their figures on the test split, and which one is serving.

    Below the table is what `cxr evaluate` found on sites' radiographs.
    """
    workspace = open_workspace(ctx, env, region)
    registry = workspace.registry
    versions = [registry.with_metrics(version) for version in registry.versions()]
    serving = registry.serving()
    bucket = workspace.deployment.artifact_bucket
    sites = [site_evaluations.of_version(workspace.s3, bucket, version) for version in versions]
    if as_json:
        output.print_json(
            [
                {**overview.model_json(version, serving), "site_evaluations": site_evaluations.as_json(found)}
                for version, found in zip(versions, sites, strict=True)
            ]
        )
    else:
        overview.print_models(versions, serving)
        for version, found in zip(versions, sites, strict=True):
            site_evaluations.say(version, found)


def compare(
    ctx: typer.Context,
    first: Version,
    second: Version,
    *,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Put the figures of two versions side by side, with their 95 % intervals."""
    workspace = open_workspace(ctx, env, region)
    registry, bucket = workspace.registry, workspace.deployment.artifact_bucket
    sides: list[comparison.Evaluated] = []
    sites = []
    for name in (first, second):
        version = registry.resolve(name)
        sides.append(comparison.Evaluated(version, registry.evaluation(version)))
        sites.append(site_evaluations.of_version(workspace.s3, bucket, version))
    if as_json:
        versions = [
            {**side.as_json(), "site_evaluations": site_evaluations.as_json(found)}
            for side, found in zip(sides, sites, strict=True)
        ]
        output.print_json({"versions": versions, "caution": comparison.caution(*sides)})
    else:
        comparison.print_comparison(*sides)
        output.say(comparison.caution(*sides))
        for side, found in zip(sides, sites, strict=True):
            site_evaluations.say(side.version, found)


def approve(
    ctx: typer.Context,
    version: Version = "latest",
    *,
    comment: Annotated[str, typer.Option(help="Kept with the version: why it may be released.", callback=remark)] = "",
    wait: Annotated[bool, typer.Option(help="Wait until the endpoint serves this version.")] = True,
    timeout: Timeout = 60,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Approve a model, which releases it, and wait until the Release function has asked it: it has to answer."""
    workspace = open_workspace(ctx, env, region)
    registry = workspace.registry
    model_version = registry.resolve(version)
    if version == "latest" and model_version.approval == "Rejected":
        number = model_version.version
        raise CommandError(
            f"Version {number} is the latest and was rejected: `cxr approve {number}` approves it all the same, and "
            "`cxr models` lists the others.",
            ExitCode.USAGE,
        )
    serving = registry.serving()
    if (
        serving.status != "InService"
        or serving.package_arn != model_version.arn
        or model_version.approval != "Approved"
    ):
        if wait:
            serving = _release(workspace, model_version, comment, timeout=timeout)
        else:
            releases.approve(registry, model_version, comment)
    is_served = serving.package_arn == model_version.arn
    state = "serving" if is_served else "approved; its release has been asked for"
    output.answer(
        {"version": model_version.version, "arn": model_version.arn, "approval": "Approved", "serving": is_served},
        f"version {model_version.version} is {state}",
        as_json=as_json,
    )


def reject(
    ctx: typer.Context,
    version: Version,
    *,
    reason: Annotated[str, typer.Option(help="Kept with the version: why it must not be released.", callback=remark)],
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Reject a model. One that serves goes on serving until another is approved; a release under way is rolled back."""
    workspace = open_workspace(ctx, env, region)
    registry = workspace.registry
    model_version = registry.resolve(version)
    registry.decide(model_version, "Rejected", reason)
    is_served = registry.serving().package_arn == model_version.arn
    is_released = releases.under_way(workspace.deployment, model_version)
    answer = {"version": model_version.version, "arn": model_version.arn, "approval": "Rejected", "serving": is_served}
    sentence = f"version {model_version.version} is rejected"
    output.answer({**answer, "being_released": is_released}, sentence, as_json=as_json)
    if is_released:
        output.say("Its release is under way, and is rolled back when it ends, if another version served before.")
    elif is_served:
        output.say("It is still what serves: approve another version to replace it.")


def rollback(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="The version to return to; the one that served before by default.")
    ] = None,
    *,
    reason: Annotated[
        str, typer.Option(help="Kept with both versions: why the endpoint goes back.", callback=remark)
    ] = "rolled back with cxr rollback",
    reject: Annotated[bool, typer.Option(help="Reject the version that is left, once it serves no more.")] = True,
    timeout: Timeout = 60,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Go back to the version that served before, and wait until it is what really serves.

    That version is approved again, which releases it as every approval does. Until it serves, the present one does.
    """
    workspace = open_workspace(ctx, env, region)
    registry = workspace.registry
    serving = registry.serving()
    target = registry.resolve(version) if version else registry.served_before(serving)
    if target.arn == serving.package_arn:
        raise CommandError(f"Version {target.version} is what serves: there is nothing to go back from.")
    left = next((known for known in registry.versions() if known.arn == serving.package_arn), None)
    output.say(f"going back from version {serving.version or 'none'} to version {target.version}")
    _release(workspace, target, reason, timeout=timeout)
    # After the switch: before it, a rejection would be reported as one of the model that serves.
    if reject and left is not None and left.approval != "Rejected":
        registry.decide(left, "Rejected", reason)
    answer = {"version": target.version, "arn": target.arn, "serving": True, "left": left.version if left else None}
    rejected = f"; version {left.version} is rejected" if reject and left else ""
    output.answer(answer, f"version {target.version} is serving{rejected}", as_json=as_json)


def _release(workspace: Workspace, version: ModelVersion, comment: str, *, timeout: float) -> Serving:
    """Approve a version and wait, at most `timeout` minutes, until it is what the endpoint serves."""
    snapshot = releases.Snapshot.of(workspace.deployment, workspace.s3, version)
    releases.approve(workspace.registry, version, comment)
    with output.said_on_interrupt(
        f"Interrupted; version {version.version} is approved, and its release goes on: `cxr status` shows it."
    ):
        return releases.await_serving(
            workspace.registry,
            workspace.deployment,
            version,
            snapshot=snapshot,
            timeout=timeout * 60,
            poll=workspace.poll_seconds,
            tell=output.say,
        )


def promote(
    ctx: typer.Context,
    version: Version,
    *,
    to: Annotated[str, typer.Option("--to", metavar="ENV", help="Environment that the version is registered in.")],
    from_profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="AWS profile that reads; else the credentials in use.")
    ] = None,
    to_profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="AWS profile that writes; else the credentials in use.")
    ] = None,
    to_region: Annotated[
        str | None, typer.Option(metavar="REGION", help="Region of that environment (else cdk.json's).")
    ] = None,
    as_json: Json = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Take an approved model to another environment, with its evidence and without training it again.

    `--env` is where it was approved. Its files are copied to the other environment's artifact bucket, read back and
    compared by their SHA-256; then it is registered there and waits for that environment's own approval. Promoting the
    same version again registers nothing new.
    """
    source = open_workspace(ctx, env, region, profile=from_profile)
    target = Workspace(env=to, region=to_region, profile=to_profile)
    if source.session.env == to:
        raise CommandError(f"{to} is where the version is: name another environment with --to.", ExitCode.USAGE)
    model_version = source.registry.resolve(version)
    promoted = promotion.promote(
        model_version.arn,
        source.promotion_side(),
        target.promotion_side(),
        bucket=target.deployment.artifact_bucket,
        image=promotion.serving_image(target.executions.definition()),
        tell=output.say,
    )
    if as_json:
        output.print_json(promoted.as_json())
        return
    state = f"was there already ({promoted.approval})" if promoted.known else "waits for approval"
    sentence = (
        f"version {model_version.version} of {source.session.env} is version {promoted.version} of {to} and {state}"
    )
    output.results().print(sentence, markup=False)
    if promoted.approval == "PendingManualApproval":
        output.say(f"Next: `cxr --env {to} approve {promoted.version}`.")
