"""Checks of prerequisites: tools, credentials, bootstrap, quotas, availability zones, images, subscribers."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code
from ops.base import definitions, tools
from ops.base.assembly import Assembly
from ops.base.deployment import Deployment
from ops.base.errors import CommandError, explain
from ops.cost.fleets import fleets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ops.base.session import Session

_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
# What the synthesizer of this app asks for, where no template says so itself.
_BOOTSTRAP_VERSION = 6
_NODE = 20
# Code of Lambda's quota, and what most accounts have: "New AWS accounts have reduced concurrency and memory quotas. AWS
# raises these quotas automatically based on your usage" ("Lambda quotas" of the developer guide, read 2026-11-30).
_CALLS_AT_ONCE = ("L-B99A9384", 1000)
# Name of SageMaker's quota L-96300102, as its page in the console has it (in other projects' lists of what to ask for:
# quotas/L-96300102, read 2026-11-30): 10 in accounts that have asked for no more.
_SERVERLESS = "Maximum total concurrency that can be allocated across all serverless endpoints"
_OF_TEMPLATES = ("quotas", "zones", "images", "subscribers")
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z0-9.]*/([a-z0-9/_-]+):([\w.-]+)")


class State(StrEnum):
    """Result of a check."""

    FINE = "fine"
    SKIPPED = "skipped"  # need not be looked at
    UNKNOWN = "unknown"  # could not be looked at
    WRONG = "wrong"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Result of one check, with its state and advice.

    Attributes:
        check: name of the check.
        state: result of the check.
        found: one sentence on what was found.
        advice: one sentence on what to do; empty where nothing is to be done.
    """

    check: str
    state: State
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`."""
        return dataclasses.asdict(self)


def examine(session: Session, folder: Path) -> Iterator[Finding]:
    """All checks of an environment, in the order in which one meets what they are about.

    Args:
        session: session of the environment.
        folder: folder with its templates, which say what instances, images and bootstrap it needs.
    """
    yield node()
    yield cdk()
    identity = _asked("credentials", lambda: credentials(session))
    yield identity
    yield region(session)
    if session.endpoint_url:
        for check in ("bootstrap", *_OF_TEMPLATES):
            yield Finding(check, State.SKIPPED, "not of the laptop's cloud")
        return
    if identity.state is not State.FINE:
        for check in ("bootstrap", *_OF_TEMPLATES):
            yield Finding(check, State.UNKNOWN, "not asked without credentials")
        return
    yield _asked("bootstrap", lambda: bootstrap(session, folder))
    try:
        assembly = Assembly.read(folder, session.env)
    except CommandError as error:
        for check in _OF_TEMPLATES:
            yield Finding(check, State.UNKNOWN, "the templates are not there", str(error))
        return
    yield from _each("quotas", lambda: quotas(session, assembly))
    yield from _each("zones", lambda: zones(session, assembly))
    yield from _each("images", lambda: images(session, assembly))
    yield _asked("subscribers", lambda: subscribers(session, assembly))


def node() -> Finding:
    """Node, which the CDK runs on."""
    version = tools.output_of(["node", "--version"])
    if version is None:
        return Finding("node", State.WRONG, "not installed", f"Install Node {_NODE} or newer.")
    major = re.match(r"v(\d+)", version)
    if major is None or int(major[1]) < _NODE:
        return Finding("node", State.WRONG, version, f"Install Node {_NODE} or newer.")
    return Finding("node", State.FINE, version)


def cdk() -> Finding:
    """The CDK command line, at the version that the library's assemblies are for."""
    version, pinned = tools.installed_cdk(), tools.pinned_cdk()
    if version is None:
        return Finding("cdk", State.WRONG, "not installed", "Run `make synth`, which installs it in node_modules.")
    if version != pinned:
        return Finding("cdk", State.WRONG, version, f"package.json pins {pinned}: run `npm ci`.")
    return Finding("cdk", State.FINE, version)


def credentials(session: Session) -> Finding:
    """The caller's identity and account."""
    who = session.client("sts").get_caller_identity()
    return Finding("credentials", State.FINE, f"{who['Arn']} in account {who['Account']}")


def region(session: Session) -> Finding:
    """The region that everything is asked in."""
    if not session.region:
        advice = "Pass --region, set AWS_REGION, or name the environment in cdk.json."
        return Finding("region", State.WRONG, "none is known", advice)
    return Finding("region", State.FINE, session.region)


def bootstrap(session: Session, folder: Path) -> Finding:
    """The CDK's own stack of the account and region, at the version that the templates ask for."""
    needed = _needed_bootstrap(folder, session.env)
    advice = f"Run `make bootstrap ENV={session.env}`, once for each account and region."
    try:
        found = int(session.client("ssm").get_parameter(Name=_BOOTSTRAP)["Parameter"]["Value"])
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            return Finding("bootstrap", State.WRONG, f"{session.region} is not bootstrapped", advice)
        raise
    if found < needed:
        return Finding("bootstrap", State.WRONG, f"version {found}, {needed} is needed", advice)
    return Finding("bootstrap", State.FINE, f"version {found}, {needed} is needed")


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
            advice = "Look for it in Service Quotas, Amazon SageMaker."
            yield Finding(f"quota: {name}", State.UNKNOWN, "Service Quotas has none of this name", advice)
        elif quota["Value"] < least:
            code = quota["QuotaCode"]
            advice = (
                f"Run `aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code {code} "
                f"--desired-value {least} --region {session.region}`; it takes hours to days."
            )
            yield Finding(f"quota: {name}", State.WRONG, f"{quota['Value']:g}, {least} needed", advice)
        else:
            yield Finding(f"quota: {name}", State.FINE, f"{quota['Value']:g}, {least} needed")
    if least := needed_calls_at_once(assembly):
        yield calls_at_once(session, least)


def calls_at_once(session: Session, least: int) -> Finding:
    """Lambda's quota of calls at once, of all functions of the account and region: the gateway answers 500 above it."""
    check, (code, usual) = "quota: Lambda concurrent executions", _CALLS_AT_ONCE
    found = session.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if found >= least:
        return Finding(check, State.FINE, f"{found}, {least} needed")
    advice = (
        f"Run `aws service-quotas request-service-quota-increase --service-code lambda --quota-code {code} "
        f"--desired-value {max(usual, least)} --region {session.region}`; a new account has fewer than others."
    )
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
    """Needed numbers of instances, or of containers of serverless endpoints, at once, by names of Service Quotas."""
    needed: Counter[str] = Counter()
    for pipeline in assembly.of("AWS::SageMaker::Pipeline"):
        # An execution's steps come one after another, those of two pipelines may not.
        needed += _of_pipeline(definitions.of(pipeline.properties))
    for fleet in fleets(assembly):
        # All of a fleet may come to be of any of its types. A blue/green switch has the new fleet beside the old one.
        for instance_type in fleet.instance_types:
            needed[f"{instance_type} for endpoint usage"] += fleet.most * (2 if fleet.is_switched else 1)
    for config in assembly.of("AWS::SageMaker::EndpointConfig"):
        for variant in config.properties.get("ProductionVariants", []):
            if "ServerlessConfig" in variant:
                needed[_SERVERLESS] += int(variant["ServerlessConfig"]["MaxConcurrency"])
    batch = assembly.outputs.get("endpoint", {})
    if "BatchInstanceType" in batch:
        # `cxr batch` starts a job for each of two media types.
        needed[f"{batch['BatchInstanceType']} for transform job usage"] += 2 * int(batch["BatchInstanceCount"])
    return dict(needed)


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


def zones(session: Session, assembly: Assembly) -> Iterator[Finding]:
    """Whether each service of an interface endpoint is in all zones of the VPC's subnets; nothing without a VPC.

    A deployment fails where one is not: "does not support the Availability Zone of the subnet"
    (repost.aws/knowledge-center/interface-endpoint-availability-zone, read 2026-11-30). A zone's letter may mean
    another one in another account, so that only the account itself can say.
    """
    ours = {str(subnet.properties["AvailabilityZone"]) for subnet in assembly.of("AWS::EC2::Subnet")}
    endpoints = [endpoint.properties for endpoint in assembly.of("AWS::EC2::VPCEndpoint")]
    services = {str(endpoint["ServiceName"]) for endpoint in endpoints if endpoint["VpcEndpointType"] == "Interface"}
    if not services:
        return
    wanted = [
        {"Name": "service-type", "Values": ["Interface"]},
        {"Name": "service-name", "Values": sorted(services)},
    ]
    pages = session.client("ec2").get_paginator("describe_vpc_endpoint_services").paginate(Filters=wanted)
    found = {
        service["ServiceName"]: set(service["AvailabilityZones"])
        for page in pages
        for service in page["ServiceDetails"]
    }
    lacking = {name: missing for name in sorted(services) if (missing := ours - found.get(name, set()))}
    if not lacking:
        yield Finding("zones", State.FINE, f"{', '.join(sorted(ours))} have all {len(services)} services")
        return
    told = "; ".join(f"{name} is not in {', '.join(sorted(missing))}" for name, missing in lacking.items())
    usable = sorted(set.intersection(*(found.get(name, set()) for name in services)))
    advice = f"Name others under `network.zones` in cdk.json: all services are in {', '.join(usable) or 'none'}."
    yield Finding("zones", State.WRONG, told, advice)


def subscribers(session: Session, assembly: Assembly) -> Finding:
    """Whether anybody hears of what the alarms tell."""
    alarms = len(assembly.of("AWS::CloudWatch::Alarm"))
    advice = (
        f"Set `notification_email` of {session.env} in cdk.json and deploy, or subscribe to the topic in the output "
        "NotificationTopicArn yourself."
    )
    deployment = Deployment(session.client("cloudformation"), env=session.env, region=session.region)
    try:
        topic = deployment.output("training", "NotificationTopicArn")
    except CommandError:
        emails = [subscription.properties.get("Endpoint") for subscription in assembly.of("AWS::SNS::Subscription")]
        if any(emails):
            return Finding("subscribers", State.FINE, f"the templates subscribe {len(emails)} to {alarms} alarms")
        return Finding(
            "subscribers", State.WRONG, f"nobody is to hear of {alarms} alarms, releases and refusals", advice
        )
    pages = session.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    arns = [subscription["SubscriptionArn"] for page in pages for subscription in page["Subscriptions"]]
    # SNS answers a word in place of the ARN until the address has confirmed (API_Subscribe).
    confirmed = [arn for arn in arns if arn.startswith("arn:")]
    if confirmed:
        return Finding("subscribers", State.FINE, f"{len(confirmed)} hear of {alarms} alarms")
    if arns:
        return Finding("subscribers", State.WRONG, f"none of {len(arns)} has confirmed", "Open the mail of SNS there.")
    return Finding("subscribers", State.WRONG, f"nobody hears of {alarms} alarms, releases and refusals", advice)


def images(session: Session, assembly: Assembly) -> Iterator[Finding]:
    """AWS's containers, which are not in every region and are removed when they are old."""
    for account, where, repository, tag in sorted(image_names(assembly)):
        answer = session.client("ecr").batch_get_image(
            registryId=account, repositoryName=repository, imageIds=[{"imageTag": tag}]
        )
        name = f"image: {repository}:{tag}"
        if answer["images"]:
            yield Finding(name, State.FINE, f"in {where}")
        else:
            reason = next((failure.get("failureReason", "") for failure in answer.get("failures", [])), "no reason")
            advice = "Choose another tag under `containers` in cdk.json (aws/deep-learning-containers lists them)."
            yield Finding(name, State.WRONG, f"not in {where}: {reason}", advice)


def image_names(assembly: Assembly) -> set[tuple[str, str, str, str]]:
    """(account, region, repository, tag) of each container that the templates name."""
    found: set[tuple[str, str, str, str]] = set()
    for resource in assembly.resources:
        text = json.dumps(resource.properties)
        # A join with the partition's domain, which is all that the templates leave open.
        text = re.sub(r'", \{"Ref": "AWS::URLSuffix"\}, "', "amazonaws.com", text)
        found.update(_IMAGE.findall(text))
    return found


def _needed_bootstrap(folder: Path, env: str) -> int:
    try:
        artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    except (OSError, ValueError, KeyError):
        return _BOOTSTRAP_VERSION
    versions = [
        artifact["properties"].get("requiresBootstrapStackVersion", 0)
        for name, artifact in artifacts.items()
        if name.startswith(f"cxr-{env}-") and "properties" in artifact
    ]
    return max(versions, default=0) or _BOOTSTRAP_VERSION


def _asked(check: str, ask: Callable[[], Finding]) -> Finding:
    return next(_each(check, lambda: iter([ask()])))


def _each(check: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings; an error that AWS answers is one too: a doctor who cannot look says so and goes on."""
    try:
        yield from ask()
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        state = State.WRONG if check == "credentials" else State.UNKNOWN
        yield Finding(check, state, "could not be asked", str(known))
