"""State of an account that would stop a deployment: rights of the CDK's role, stuck stacks, groups, log role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.aws.errors import error_code, is_absent
from ops.base.deployment import Deployment
from ops.platform.findings import Finding, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.base.assembly import Assembly
    from ops.base.session import Session

_ADMINISTRATOR = "AdministratorAccess"
_WAYS_BACK = "docs/deployment.md, Ways back"
# States that CloudFormation updates no stack in, and what leads out of each ("Understand CloudFormation stack creation
# events" and "Continue rolling back an update" of the user guide, read 2026-11-30; not tried in an account). The CDK
# removes one in ROLLBACK_COMPLETE itself, unless it is protected.
_NEVER_MADE = f"Delete it without its protection, and deploy again ({_WAYS_BACK})."
_STUCK = {
    "CREATE_FAILED": _NEVER_MADE,
    "ROLLBACK_COMPLETE": f"Take its protection from termination away, if it has any, and deploy again ({_WAYS_BACK}).",
    "ROLLBACK_FAILED": _NEVER_MADE,
    "DELETE_FAILED": "Read its events, take away what stopped the deletion, and delete it again.",
    "UPDATE_ROLLBACK_FAILED": "Read its events, mend the cause, and run `aws cloudformation continue-update-rollback "
    "--stack-name {name}`.",
}


def rights(session: Session) -> Finding:
    """Whether the CDK's role has the policies of this environment, where it has those of others (`make policy`).

    There is one role for the account and region, and each `cdk bootstrap` sets all its policies: that for a second
    environment takes the first one's away.
    """
    account = session.client("sts").get_caller_identity()["Account"]
    role = f"cdk-hnb659fds-cfn-exec-role-{account}-{session.region}"
    pages = session.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    try:
        names = {policy["PolicyName"] for page in pages for policy in page["AttachedPolicies"]}
    except Exception as error:
        if error_code(error) == "NoSuchEntity":
            return Finding("rights", State.SKIPPED, "no role of the CDK's yet")
        raise
    generated = {name.split("-")[2] for name in names if name.startswith("github-cxr-")}
    if not generated or session.env in generated or _ADMINISTRATOR in names:
        return Finding("rights", State.FINE, f"CloudFormation acts with {', '.join(sorted(names)) or 'no policy'}")
    return Finding(
        "rights",
        State.WRONG,
        f"CloudFormation may make {', '.join(sorted(generated))} here, and not {session.env}",
        "Bootstrap again with the outputs ExecutionPolicies of all environments of the account and region in one list.",
    )


def stacks(session: Session, assembly: Assembly) -> Iterator[Finding]:
    """Stacks that no deployment goes on from, and what an environment that was removed left under a fixed name."""
    deployment = Deployment(session.client("cloudformation"), env=session.env, region=session.region)
    found = {part: deployment.describe(part) for part in assembly.parts}
    wrong = [
        Finding(f"stack: {one.name}", State.WRONG, f"is in {one.status}", _STUCK[one.status].format(name=one.name))
        for one in found.values()
        if one is not None and one.status in _STUCK
    ]
    for group in assembly.of("AWS::SageMaker::ModelPackageGroup"):
        name = str(group.properties["ModelPackageGroupName"])
        if found[group.part] is None and _is_there(session, name):
            wrong.append(
                Finding(
                    f"group: {name}",
                    State.WRONG,
                    "is there and of no stack: a deployment stops at its name",
                    f"Give it to the new stack, or delete it with its versions ({_WAYS_BACK}).",
                )
            )
    there = sum(one is not None for one in found.values())
    yield from wrong or [Finding("stacks", State.FINE, f"{there} of {len(found)} are there, and nothing is in the way")]


def _is_there(session: Session, group: str) -> bool:
    try:
        session.client("sagemaker").describe_model_package_group(ModelPackageGroupName=group)
    except Exception as error:
        if is_absent(error):
            return False
        raise
    return True


def log_role(session: Session, assembly: Assembly) -> Finding:
    """The role that API Gateway writes access logs with, of which an account has one in a region.

    Without one the stage is refused: "CloudWatch Logs role ARN must be set in account settings to enable logging"
    (aws-samples/amazon-bedrock-knowledgebase-slackbot#6). Who sets it sets it for every API there, and where it is
    removed with its stack none of them is logged any more (aws-solutions/workload-discovery-on-aws#81; both read
    2026-11-30).
    """
    check, own = "log role", f"cxr-{session.env}-api-"
    owns = bool(assembly.of("AWS::ApiGateway::Account"))
    arn = str(session.client("apigateway").get_account().get("cloudwatchRoleArn") or "")
    name = arn.rpartition("/")[2]
    gone = bool(name) and not _has_role(session, name)
    if owns and name and not gone and not name.startswith(own):
        return Finding(
            check,
            State.WRONG,
            f"{name} writes the access logs of this account's APIs in {session.region}, and a deployment replaces it",
            "Set `api.owns_account_log_role` to false in cdk.json, or leave it to this environment alone.",
        )
    if not owns and (gone or not name):
        found = f"{name} is gone, so no access log is written" if gone else "none, so a deployment of the API fails"
        return Finding(
            check,
            State.WRONG,
            found,
            "Set `api.owns_account_log_role` to true in cdk.json, or deploy first what sets the role.",
        )
    return Finding(check, State.FINE, f"{name} writes access logs" if name and not gone else "a deployment sets it")


def _has_role(session: Session, name: str) -> bool:
    try:
        session.client("iam").get_role(RoleName=name)
    except Exception as error:
        if error_code(error) == "NoSuchEntity":
            return False
        raise
    return True
