"""What must be there before a deploy or an execution works, and what to do about what is not."""

from __future__ import annotations

import dataclasses
import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ops.base import tools
from ops.base.assembly import Assembly
from ops.base.errors import CommandError, error_code, explain
from ops.cost.fleets import fleets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ops.base.session import Session

_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
# What the synthesizer of this app asks for, where no template says so itself.
_BOOTSTRAP_VERSION = 6
_NODE = 20
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z0-9.]*/([a-z0-9/_-]+):([\w.-]+)")


class State(StrEnum):
    """How a check ended."""

    FINE = "fine"
    UNKNOWN = "unknown"  # could not be looked at, or need not be
    WRONG = "wrong"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        check: what was looked at.
        state: how it is.
        found: what is there.
        advice: what to do; empty where nothing is to be done.
    """

    check: str
    state: State
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return dataclasses.asdict(self)


def examine(session: Session, folder: Path) -> Iterator[Finding]:
    """All checks of an environment, in the order in which one meets what they are about.

    Args:
        session: of the environment.
        folder: with its templates, which say what instances, images and bootstrap it needs.
    """
    yield node()
    yield cdk()
    identity = _asked("credentials", lambda: credentials(session))
    yield identity
    yield region(session)
    if session.endpoint_url:
        for check in ("bootstrap", "quotas", "images"):
            yield Finding(check, State.UNKNOWN, "not of the laptop's cloud")
        return
    if identity.state is not State.FINE:
        for check in ("bootstrap", "quotas", "images"):
            yield Finding(check, State.UNKNOWN, "not asked without credentials")
        return
    yield _asked("bootstrap", lambda: bootstrap(session, folder))
    try:
        assembly = Assembly.read(folder, session.env)
    except CommandError as error:
        for check in ("quotas", "images"):
            yield Finding(check, State.UNKNOWN, "the templates are not there", str(error))
        return
    yield from _each("quotas", lambda: quotas(session, assembly))
    yield from _each("images", lambda: images(session, assembly))


def node() -> Finding:
    """Node, which the CDK runs on."""
    version = tools.answer(["node", "--version"])
    if version is None:
        return Finding("node", State.WRONG, "not installed", f"Install Node {_NODE} or newer.")
    major = re.match(r"v(\d+)", version)
    if major is None or int(major[1]) < _NODE:
        return Finding("node", State.WRONG, version, f"Install Node {_NODE} or newer.")
    return Finding("node", State.FINE, version)


def cdk() -> Finding:
    """The CDK command line, at the version that the library's assemblies are for."""
    version, pinned = tools.answer(["cdk", "--version"]), tools.pinned_cdk()
    if version is None:
        return Finding("cdk", State.WRONG, "not installed", "Run `make synth`, which installs it in node_modules.")
    if version.split()[0] != pinned:
        return Finding("cdk", State.WRONG, version, f"package.json pins {pinned}: run `npm ci`.")
    return Finding("cdk", State.FINE, version.split()[0])


def credentials(session: Session) -> Finding:
    """Who asks, and in which account."""
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
    """SageMaker's quotas for the instances that the templates name; a new account has none of most."""
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


def needed_quotas(assembly: Assembly) -> dict[str, int]:
    """How many of which instances may run at once, by the names that Service Quotas has for them."""
    needed: dict[str, int] = {}
    for pipeline in assembly.of("AWS::SageMaker::Pipeline"):
        definition = _definition(pipeline.properties)
        values = {item["Name"]: item.get("DefaultValue") for item in definition["Parameters"]}
        text = json.dumps(definition)
        kind, count = values["ProcessingInstanceType"], int(values["ProcessingInstanceCount"])
        needed[f"{kind} for processing job usage"] = count
        use = "spot training job usage" if '"EnableManagedSpotTraining": true' in text else "training job usage"
        needed[f"{values['TrainingInstanceType']} for {use}"] = int(values.get("TuningParallelJobs") or 1)
    for fleet in fleets(assembly):
        name = f"{fleet.instance_type} for endpoint usage"
        # A blue/green switch has the new fleet beside the old one.
        needed[name] = needed.get(name, 0) + fleet.most * (2 if fleet.is_switched else 1)
    return needed


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


def _definition(properties: dict[str, Any]) -> dict[str, Any]:
    body = properties["PipelineDefinition"]["PipelineDefinitionBody"]
    template = body["Fn::Sub"] if isinstance(body, dict) else body
    return dict(json.loads(template[0] if isinstance(template, list) else template))


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
