"""Preconditions of updating or removing an environment: instance types, running executions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code
from ops.base import output
from ops.base.errors import CommandError, ExitCode
from ops.base.tools import REPOSITORY
from ops.cost.fleets import instance_types
from ops.platform.lookup import try_lookup

if TYPE_CHECKING:
    from infra.settings.environment import Settings
    from ops.base.session import Session

# "endpoint-scaling-update" of the SageMaker developer guide (read 2026-11): an endpoint with a scaled variant refuses
# another instance type.
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_RUNNING = frozenset({"Executing", "Stopping"})


def refuse_other_instances(session: Session, settings: Settings) -> None:
    """Refuse a deployment that gives a live, scaled endpoint another instance type, which SageMaker would refuse.

    Raises:
        CommandError: with the steps that lead there.
    """
    for endpoint, wanted, steps in _scaled_endpoints(settings):
        other = partial(_other_types_of_scaled, session, endpoint, wanted)
        if found := try_lookup(other, f"{endpoint} has another instance type"):
            raise CommandError(
                f"{endpoint} runs on {_listed(found)} and scales: SageMaker refuses {_listed(wanted)} while it does. "
                f"{steps}"
            )


def refuse_another_kind(session: Session, settings: Settings) -> None:
    """Refuse a deployment that makes a live endpoint on instances serverless, as SageMaker would.

    What the setting `endpoint.kind` says of it was not tried in an account.

    Raises:
        CommandError: with the steps that lead there.
    """
    if settings.endpoint.kind != "serverless":
        return
    if found := try_lookup(
        lambda: _instance_types(session.client("sagemaker"), settings.name), f"{settings.name} runs on instances"
    ):
        raise CommandError(
            f"{settings.name} runs on {_listed(found)}, and SageMaker makes no endpoint on instances serverless. "
            f"Remove it first (`aws cloudformation update-stack --stack-name {settings.name}-endpoint "
            "--use-previous-template --parameters ParameterKey=ModelPackageArn,ParameterValue=`), deploy, "
            "and approve the version again."
        )


def settings_of(env: str) -> Settings:
    """The settings of an environment in this repository's cdk.json.

    Raises:
        CommandError: one is missing or wrong, there is no such environment, or the file is no JSON.
    """
    from infra.settings.environment import Settings  # noqa: PLC0415 - no other command needs it
    from infra.settings.section import SettingsError  # noqa: PLC0415 - likewise

    try:
        context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    except ValueError as error:
        raise CommandError(f"cdk.json cannot be read: {error}.", ExitCode.USAGE) from error
    try:
        return Settings.load({**context, "env": env})
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _listed(types: tuple[str, ...]) -> str:
    return ", else ".join(types)


def _scaled_endpoints(settings: Settings) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Name and instance types of each endpoint that settings let scale, and how to change these."""
    if settings.endpoint.kind == "realtime":
        least, most = settings.endpoint.instance_count, settings.endpoint.scaling.max_instances
        yield (
            settings.name,
            (settings.endpoint.instance_type, *settings.endpoint.fallback_instance_types),
            f"Deploy three times: with the older type and endpoint.scaling.max_instances {least}, which is "
            f"instance_count and ends the scaling; with the new type; and with max_instances {most} again.",
        )
    if settings.asynchronous:
        yield (
            f"{settings.name}-async",
            (settings.asynchronous.instance_type, *settings.asynchronous.fallback_instance_types),
            "Wait until its queue is empty, deploy with `asynchronous` null, removing the endpoint and its topics, and "
            "with the new type; who subscribed to the topics has to subscribe again.",
        )


def _instance_types(sagemaker: Any, endpoint: str) -> tuple[str, ...]:
    """Instance types of the endpoint; none where there is no such endpoint, or it is serverless or has no fleet yet."""
    try:
        # Not among the required members of DescribeEndpointOutput (botocore 1.43's service model, read 2026-11-30).
        config = sagemaker.describe_endpoint(EndpointName=endpoint).get("EndpointConfigName")
    except Exception as error:
        if error_code(error) == "ValidationException" and "ould not find" in str(error):
            return ()
        raise
    if config is None:
        return ()
    return instance_types(sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0])


def _other_types_of_scaled(session: Session, endpoint: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Instance types of the endpoint where it scales and they are others than those; else none."""
    found = _instance_types(session.client("sagemaker"), endpoint)
    return found if found and found != wanted and _is_scaled(session, endpoint) else ()


def _is_scaled(session: Session, endpoint: str) -> bool:
    answer = session.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker",
        ResourceIds=[f"endpoint/{endpoint}/variant/AllTraffic"],
        ScalableDimension=_DIMENSION,
    )
    return bool(answer["ScalableTargets"])


def stop_executions(session: Session, pipelines: list[str], *, poll_seconds: float) -> int:
    """Stop all executions of pipelines and wait for their end; how many were stopped.

    DeletePipeline refuses a pipeline with a running execution (service model of SageMaker, botocore 1.43).
    """
    sagemaker = session.client("sagemaker")
    stopped: set[str] = set()
    for pipeline in pipelines:
        # Asked again after each wait: a schedule or an upload may have started another one.
        while running := list(_running(sagemaker, pipeline)):
            for arn, status in running:
                if status == "Executing" and arn not in stopped:
                    output.say(f"stopping {arn.rpartition('/')[2]} of {pipeline} ...")
                    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
                    stopped.add(arn)
            time.sleep(poll_seconds)
    return len(stopped)


def _running(sagemaker: Any, pipeline: str) -> Iterator[tuple[str, str]]:
    for page in sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline):
        for summary in page["PipelineExecutionSummaries"]:
            if summary["PipelineExecutionStatus"] in _RUNNING:
                yield summary["PipelineExecutionArn"], summary["PipelineExecutionStatus"]
