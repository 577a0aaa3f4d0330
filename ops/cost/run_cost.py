"""Maximum cost of pipeline executions: every job runs to its time limit, on demand.

The definition is read from the template, with the defaults of its parameters. Spot capacity is never dearer than on
demand, and what it will cost nobody knows beforehand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ops.base import definitions
from ops.base.assembly import Assembly, Resource
from ops.base.errors import CommandError
from ops.cost.charges import HOURS_PER_MONTH, Charge
from ops.pipelines.parameters import check

# After these a job may have run, and is run again
# (docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html).
_AFTER_RUNNING = frozenset({"SageMaker.JOB_INTERNAL_ERROR", "SageMaker.JOB_TIMEOUT"})
_DEFAULT_ATTEMPTS = 5
# Parameters by which the pipelines are told apart.
TRAINING, SITE_EVALUATION, CALIBRATION = "Backbone", "ModelVersion", "ModelPackageArn"


def run(assembly: Assembly, parameters: Mapping[str, str], *, having: str = TRAINING) -> list[Charge]:
    """The charges of one execution of a pipeline.

    Args:
        assembly: with the pipeline.
        parameters: as a start would name them; the others have their defaults.
        having: the parameter that only this pipeline has: `TRAINING`, `SITE_EVALUATION` or `CALIBRATION`.

    Raises:
        CommandError: the templates hold no such pipeline, or it has no such parameter.
    """
    for pipeline in assembly.of("AWS::SageMaker::Pipeline"):
        definition = definitions.of(pipeline.properties)
        if any(item["Name"] == having for item in definition["Parameters"]):
            check(parameters, definition)
            return _execution(definition, parameters, assembly, "training")
    raise CommandError(f"The templates of {assembly.env} hold no pipeline with the parameter {having}.")


def scheduled(schedule: Resource, assembly: Assembly, runs: float) -> list[Charge]:
    """The charges of what a schedule starts: so many executions of the pipeline of its stack."""
    return [
        dataclasses.replace(
            charge,
            resource=f"{schedule.name}: {charge.resource}",
            quantity=runs * charge.quantity,
            most=None if charge.most is None else runs * charge.most,
            formula=f"{runs:.3g} runs x ({charge.formula})",
        )
        for pipeline in assembly.of("AWS::SageMaker::Pipeline")
        if pipeline.part == schedule.part
        for charge in _execution(definitions.of(pipeline.properties), {}, assembly, schedule.part)
    ]


def _execution(
    definition: dict[str, Any], parameters: Mapping[str, str], assembly: Assembly, part: str
) -> list[Charge]:
    values = definitions.defaults(definition) | dict(parameters)
    return [
        dataclasses.replace(charge, part=part)
        for step in definitions.all_steps(definition)
        for charge in _step(step, values, assembly)
    ]


def _step(step: dict[str, Any], values: Mapping[str, Any], assembly: Assembly) -> Iterator[Charge]:
    arguments = step["Arguments"]
    attempts = 1 + sum(
        int(policy.get("MaxAttempts", _DEFAULT_ATTEMPTS))
        for policy in step.get("RetryPolicies") or []
        if _AFTER_RUNNING & set(policy["ExceptionType"])
    )
    if step["Type"] == "Processing":
        cluster = arguments["ProcessingResources"]["ClusterConfig"]
        yield from _job("Processing", step["Name"], cluster, arguments, values, jobs=1, attempts=attempts)
    elif step["Type"] == "Training":
        yield from _job(
            "Train", step["Name"], arguments["ResourceConfig"], arguments, values, jobs=1, attempts=attempts
        )
    elif step["Type"] == "Tuning":
        job = arguments["TrainingJobDefinition"]
        limits = arguments["HyperParameterTuningJobConfig"]["ResourceLimits"]
        jobs = int(definitions.value(limits["MaxNumberOfTrainingJobs"], values))
        yield from _job("Train", step["Name"], job["ResourceConfig"], job, values, jobs=jobs, attempts=attempts)
    elif step["Type"] == "Lambda":
        yield from _lambda(step, assembly)


def _job(
    usage: str,
    name: str,
    cluster: dict[str, Any],
    job: dict[str, Any],
    values: Mapping[str, Any],
    *,
    jobs: int,
    attempts: int,
) -> Iterator[Charge]:
    """The instances of a job and their volumes, until its time limit."""
    kind = str(definitions.value(cluster["InstanceType"], values))
    instances = int(definitions.value(cluster["InstanceCount"], values))
    hours = float(definitions.value(job["StoppingCondition"]["MaxRuntimeInSeconds"], values)) / 3600
    counted = f"{jobs} jobs x " if jobs > 1 else ""
    counted += f"{instances} x {kind} x {hours:g} h"
    if attempts > 1:
        counted += f", {attempts} attempts at most"
    total = jobs * instances * hours
    yield Charge("training", name, "compute", total, f"AmazonSageMaker/{usage}:{kind}", counted, most=total * attempts)
    gb = int(definitions.value(cluster["VolumeSizeInGB"], values))
    months = gb * total / HOURS_PER_MONTH
    yield Charge(
        "training", name, "storage", months, f"AmazonSageMaker/{usage}:VolumeUsage.gp2", f"{gb} GB volumes meanwhile",
        most=months * attempts,
    )  # fmt: skip


def _lambda(step: dict[str, Any], assembly: Assembly) -> Iterator[Charge]:
    logical_id = step["FunctionArn"].removeprefix("${").removesuffix("}").removesuffix("FunctionArn")
    function = next(
        (found for found in assembly.of("AWS::Lambda::Function") if found.name.startswith(logical_id)), None
    )
    if function is not None:
        yield from invocations(step["Name"], function.properties, 1, function.properties.get("Timeout", 3), "training")


def invocations(name: str, function: dict[str, Any], count: float, seconds: float, part: str) -> Iterator[Charge]:
    """Calls of a function that take so many seconds each."""
    arm = "-ARM" if function.get("Architectures") == ["arm64"] else ""
    gb = int(function.get("MemorySize", 128)) / 1024
    yield Charge(
        part, name, "requests", count, f"AWSLambda/Request{arm}", f"{count:,g} {'call' if count == 1 else 'calls'}"
    )
    yield Charge(
        part, name, "compute", count * gb * seconds, f"AWSLambda/Lambda-GB-Second{arm}",
        f"{count:,g} x {gb:g} GB x {seconds:g} s",
    )  # fmt: skip
