"""Quotas that an environment needs, by its templates, and whether its account has them."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from ops.base import definitions
from ops.cost.fleets import fleets
from ops.platform.findings import Finding, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.base.assembly import Assembly
    from ops.base.session import Session

# Code of Lambda's quota, and what most accounts have: "New AWS accounts have reduced concurrency and memory quotas. AWS
# raises these quotas automatically based on your usage" ("Lambda quotas" of the developer guide, read 2026-11-30).
_CALLS_AT_ONCE = ("L-B99A9384", 1000)
# Name of SageMaker's quota L-96300102, as its page in the console has it (in other projects' lists of what to ask for:
# quotas/L-96300102, read 2026-11-30): 10 in accounts that have asked for no more.
SERVERLESS = "Maximum total concurrency that can be allocated across all serverless endpoints"
# An answer to CreateEndpoint: "The account-level service limit 'Memory size in MB per serverless endpoint' is 3072
# MBs". Some found it in Service Quotas, others had to ask AWS Support (other projects' notes, read 2026-11-30): asked
# about where a container has more than everybody may.
MEMORY, USUAL_MEMORY_MB = "Memory size in MB per serverless endpoint", 3072
# L-BC8DC54C: 0 in a new account of another project (its notes, read 2026-11-30).
GROUPS = "Maximum number of SageMaker Model Package Groups allowed per account"
# All types together have quotas besides those of each: "The account-level service limit 'Number of instances across
# active endpoints' is 3 Instances" was an answer to CreateEndpoint, and a new account has 4 of endpoints and training
# (names with their codes, such as L-00C91CB5 and L-7A3DF611, and values, as other projects read them of their accounts;
# read 2026-11-30).
TOTALS = {
    "training job usage": "Number of instances across all training jobs",
    "spot training job usage": "Number of instances across all spot training jobs",
    "processing job usage": "Number of instances across all processing jobs",
    "transform job usage": "Number of instances across all transform jobs",
}
ENDPOINTS = "Number of instances across active endpoints"


def quotas(session: Session, assembly: Assembly) -> Iterator[Finding]:
    """SageMaker's quotas for what the templates name, and Lambda's; a new account has none of most instances."""
    needed = needed_quotas(assembly)
    client = session.client("service-quotas")
    # The account's own values go before the defaults. "For some quotas, only the default values are available", and
    # ListServiceQuotas leaves these out (Service Quotas in botocore 1.43's service model, read 2026-11).
    found = {
        quota["QuotaName"]: quota
        for operation in ("list_aws_default_service_quotas", "list_service_quotas")
        for page in client.get_paginator(operation).paginate(ServiceCode="sagemaker")
        for quota in page["Quotas"]
    }
    for name, least in needed.items():
        quota = found.get(name)
        if quota is None:
            advice = "Look for it in Service Quotas, Amazon SageMaker, or ask AWS Support what this account has."
            yield Finding(f"quota: {name}", State.UNKNOWN, "Service Quotas has none of this name", advice)
        elif quota["Value"] < least:
            advice = _raised(quota, least, session.region)
            yield Finding(f"quota: {name}", State.WRONG, f"{quota['Value']:g}, {least} needed", advice)
        else:
            yield Finding(f"quota: {name}", State.FINE, f"{quota['Value']:g}, {least} needed")
    if least := needed_calls_at_once(assembly):
        yield calls_at_once(session, least)


def _raised(quota: dict[str, Any], least: int, region: str | None) -> str:
    """Advice on a quota that is too small."""
    if not quota.get("Adjustable", True):
        return "Service Quotas raises this one for nobody: ask AWS Support."
    return f"Run `{_request('sagemaker', quota['QuotaCode'], least, region)}`; it takes hours to days."


def _request(service: str, code: str, value: int, region: str | None) -> str:
    """Command that asks for a quota."""
    return (
        f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} "
        f"--desired-value {value} --region {region}"
    )


def calls_at_once(session: Session, least: int) -> Finding:
    """Lambda's quota of calls at once, of all functions of the account and region: the gateway answers 500 above it."""
    check, (code, usual) = "quota: Lambda concurrent executions", _CALLS_AT_ONCE
    found = session.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if found >= least:
        return Finding(check, State.FINE, f"{found}, {least} needed")
    request = _request("lambda", code, max(usual, least), session.region)
    advice = f"Run `{request}`; a new account has fewer than others."
    return Finding(check, State.WRONG, f"{found}, {least} needed", advice)


def needed_calls_at_once(assembly: Assembly) -> int:
    """Calls of functions at once: the API's at its full rate, a second each, and one of each function; 0 without it."""
    rates = [
        float(setting["ThrottlingRateLimit"])
        for stage in assembly.of("AWS::ApiGateway::Stage")
        for setting in stage.properties.get("MethodSettings", [])
        if "ThrottlingRateLimit" in setting
    ]
    return math.ceil(sum(rates)) + len(assembly.of("AWS::Lambda::Function")) if rates else 0


def needed_quotas(assembly: Assembly) -> dict[str, int]:
    """Needed numbers of instances and containers at once, and of groups of models, by names of Service Quotas."""
    needed: Counter[str] = Counter()
    for pipeline in assembly.of("AWS::SageMaker::Pipeline"):
        # An execution's steps come one after another, those of two pipelines may not.
        needed += _of_pipeline(definitions.of(pipeline.properties))
    batch = assembly.outputs.get("endpoint", {})
    if "BatchInstanceType" in batch:
        # `cxr batch` starts a job for each of two media types.
        needed[f"{batch['BatchInstanceType']} for transform job usage"] += 2 * int(batch["BatchInstanceCount"])
    for name, count in list(needed.items()):
        needed[TOTALS[name.partition(" for ")[2]]] += count
    for fleet in fleets(assembly):
        # A blue/green switch has the new fleet beside the old one.
        count = fleet.most * (2 if fleet.is_switched else 1)
        needed[ENDPOINTS] += count
        # All of a fleet may come to be of any of its types.
        for instance_type in fleet.instance_types:
            needed[f"{instance_type} for endpoint usage"] += count
    for kind in ("AWS::SageMaker::ModelPackageGroup", "Custom::ModelPackageGroup"):
        needed[GROUPS] += len(assembly.of(kind))
    return dict(needed + _of_serverless(assembly))


def _of_serverless(assembly: Assembly) -> Counter[str]:
    """The containers of all serverless endpoints, and the memory of the largest where it is more than usual."""
    needed: Counter[str] = Counter()
    for config in assembly.of("AWS::SageMaker::EndpointConfig"):
        for variant in config.properties.get("ProductionVariants", []):
            if serverless := variant.get("ServerlessConfig"):
                needed[SERVERLESS] += int(serverless["MaxConcurrency"])
                needed[MEMORY] = max(needed[MEMORY], int(serverless["MemorySizeInMB"]))
    if needed[MEMORY] <= USUAL_MEMORY_MB:
        del needed[MEMORY]
    return needed


def _of_pipeline(definition: dict[str, Any]) -> Counter[str]:
    """The instances of the largest step of each kind."""
    most: Counter[str] = Counter()
    values = definitions.defaults(definition)
    for step in definitions.all_steps(definition):
        arguments, at_once = step["Arguments"], 1
        if step["Type"] == "Processing":
            use, cluster = "processing job usage", arguments["ProcessingResources"]["ClusterConfig"]
        elif step["Type"] in {"Training", "Tuning"}:
            job = arguments
            if step["Type"] == "Tuning":
                job = arguments["TrainingJobDefinition"]
                limits = arguments["HyperParameterTuningJobConfig"]["ResourceLimits"]
                at_once = int(definitions.value(limits["MaxParallelTrainingJobs"], values))
            is_spot = bool(job.get("EnableManagedSpotTraining"))
            use, cluster = f"{'spot ' if is_spot else ''}training job usage", job["ResourceConfig"]
        else:
            continue
        kind, count = (definitions.value(cluster[key], values) for key in ("InstanceType", "InstanceCount"))
        most |= Counter({f"{kind} for {use}": at_once * int(count)})
    return most
