"""Checks of prerequisites: tools, credentials, bootstrap, stacks, quotas, zones, images, layers, subscribers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code
from ops.base import tools
from ops.base.assembly import Assembly
from ops.base.deployment import Deployment
from ops.base.errors import CommandError, explain
from ops.platform.account import log_role, rights, stacks
from ops.platform.bootstrap import Bootstrap
from ops.platform.findings import Finding, State
from ops.platform.quotas import quotas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ops.base.session import Session

_NODE = 20
# AWS ended support of the CDK on Node 20 on 2026-10-30; it works (docs.aws.amazon.com/cdk/v2/guide/node-versions.html,
# read 2026-11-30).
_SUPPORTED_NODE = 22
_OF_ACCOUNT = ("bootstrap", "rights")
_OF_TEMPLATES = ("stacks", "quotas", "zones", "images", "layers", "log role", "subscribers")
# A layer of another account that is not there is refused like one that nobody may use.
_NOT_PUBLISHED = "resource-based policy"
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z0-9.]*/([a-z0-9/_-]+):([\w.-]+)")


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
        for check in (*_OF_ACCOUNT, *_OF_TEMPLATES):
            yield Finding(check, State.SKIPPED, "not of the laptop's cloud")
        return
    if identity.state is not State.FINE:
        for check in (*_OF_ACCOUNT, *_OF_TEMPLATES):
            yield Finding(check, State.UNKNOWN, "not asked without credentials")
        return
    named = Bootstrap.read(folder, session.env)
    yield _asked("bootstrap", lambda: bootstrap(session, named))
    yield _asked("rights", lambda: rights(session, named))
    try:
        assembly = Assembly.read(folder, session.env)
    except CommandError as error:
        for check in _OF_TEMPLATES:
            yield Finding(check, State.UNKNOWN, "the templates are not there", str(error))
        return
    yield from _each("stacks", lambda: stacks(session, assembly))
    yield from _each("quotas", lambda: quotas(session, assembly))
    yield from _each("zones", lambda: zones(session, assembly))
    yield from _each("images", lambda: images(session, assembly))
    yield from _each("layers", lambda: layers(session, assembly))
    if assembly.of("AWS::ApiGateway::Stage"):
        yield _asked("log role", lambda: log_role(session, assembly))
    yield _asked("subscribers", lambda: subscribers(session, assembly))


def node() -> Finding:
    """Node, which the CDK runs on."""
    version = tools.output_of(["node", "--version"])
    if version is None:
        return Finding("node", State.WRONG, "not installed", f"Install Node {_NODE} or newer.")
    major = re.match(r"v(\d+)", version)
    if major is None or int(major[1]) < _NODE:
        return Finding("node", State.WRONG, version, f"Install Node {_NODE} or newer.")
    if int(major[1]) < _SUPPORTED_NODE:
        return Finding("node", State.FINE, f"{version}, on which AWS no longer supports the CDK: prefer 22 or 24")
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


def bootstrap(session: Session, named: Bootstrap) -> Finding:
    """The CDK's own stack of the account and region, at the version that the templates ask for."""
    needed = named.version
    advice = f"Run `make bootstrap ENV={session.env}`, once for each account and region."
    try:
        found = int(session.client("ssm").get_parameter(Name=named.parameter)["Parameter"]["Value"])
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            return Finding("bootstrap", State.WRONG, f"{session.region} is not bootstrapped", advice)
        raise
    if found < needed:
        return Finding("bootstrap", State.WRONG, f"version {found}, {needed} is needed", advice)
    return Finding("bootstrap", State.FINE, f"version {found}, {needed} is needed")


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


def layers(session: Session, assembly: Assembly) -> Iterator[Finding]:
    """AWS's layers, which come to new regions late, and some for one kind of processor only.

    The table of version 25 of Powertools' names none for ARM in ca-west-1, ap-east-2, ap-southeast-6 and me-west-1
    (docs/includes/_layer_homepage_arm64.md of aws-powertools/powertools-lambda-python, read 2026-11-30).
    """
    client = session.client("lambda")
    layers = [arn for function in assembly.of("AWS::Lambda::Function") for arn in function.properties.get("Layers", [])]
    arns = {_arn(layer, client.meta.partition) for layer in layers}
    for arn in sorted(arns):
        check = f"layer: {arn.partition(':layer:')[2]}"
        try:
            client.get_layer_version_by_arn(Arn=arn)
        except Exception as error:
            if error_code(error) != "ResourceNotFoundException" and _NOT_PUBLISHED not in str(error):
                raise
            advice = "Choose another `powertools_layer.version` in cdk.json, or another region."
            yield Finding(check, State.WRONG, f"not in {session.region}", advice)
        else:
            yield Finding(check, State.FINE, f"in {session.region}")


def _arn(value: Any, partition: str) -> str:
    """An ARN, in which templates leave the partition open for regions that the CDK does not know yet."""
    parts = value["Fn::Join"][1] if isinstance(value, dict) else [value]
    return "".join(partition if part == {"Ref": "AWS::Partition"} else str(part) for part in parts)


def image_names(assembly: Assembly) -> set[tuple[str, str, str, str]]:
    """(account, region, repository, tag) of each container that the templates name."""
    found: set[tuple[str, str, str, str]] = set()
    for resource in assembly.resources:
        text = json.dumps(resource.properties)
        # A join with the partition's domain, which is all that the templates leave open.
        text = re.sub(r'", \{"Ref": "AWS::URLSuffix"\}, "', "amazonaws.com", text)
        found.update(_IMAGE.findall(text))
    return found


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
