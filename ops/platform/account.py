"""State of an account that would stop a deployment: rights of the CDK's role, stuck stacks, groups, log role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.aws.errors import error_code, is_absent
from ops.base.deployment import Deployment, Stack
from ops.platform.findings import Finding, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.base.assembly import Assembly
    from ops.base.session import Session
    from ops.platform.bootstrap import Bootstrap

_ADMINISTRATOR, _GENERATED = "AdministratorAccess", "github-cxr-"
_RECOVERY = "docs/deployment.md, Recovery"
# States that CloudFormation updates no stack in, and what leads out of each ("Understand CloudFormation stack creation
# events" and "Continue rolling back an update" of the user guide, read 2026-11-30; not tried in an account). The CDK
# removes one in ROLLBACK_COMPLETE itself, unless it is protected.
_NEVER_MADE = f"Delete it without its protection, and deploy again ({_RECOVERY})."
_STUCK = {
    "CREATE_FAILED": _NEVER_MADE,
    "ROLLBACK_COMPLETE": f"Take its protection from termination away, if it has any, and deploy again ({_RECOVERY}).",
    "ROLLBACK_FAILED": _NEVER_MADE,
    "DELETE_FAILED": "Read its events, take away what stopped the deletion, and delete it again.",
    "UPDATE_ROLLBACK_FAILED": "Read its events, mend the cause, and run `aws cloudformation continue-update-rollback "
    "--stack-name {name} --region {region}`.",
}
# In these a stack has no resources: its first deployment was not begun, or is rolled back (`RetainExceptOnCreate`).
_EMPTY = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")


def rights(session: Session, bootstrap: Bootstrap) -> Finding:
    """Whether the CDK's role has the policies of this environment, where it has those of others (`make policy`).

    There is one role for the account and region, and each `cdk bootstrap` sets all its policies: that for a second
    environment takes the first one's away.
    """
    account = session.client("sts").get_caller_identity()["Account"]
    role = bootstrap.role_in(account, session.region)
    pages = session.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    try:
        names = {policy["PolicyName"] for page in pages for policy in page["AttachedPolicies"]}
    except Exception as error:
        if error_code(error) == "NoSuchEntity":
            return Finding("rights", State.SKIPPED, "no role of the CDK's yet")
        raise
    others = {name for name in names if not name.startswith(_GENERATED)}
    generated = {name.split("-")[2] for name in names - others}
    if session.env in generated or _ADMINISTRATOR in names or (others and not generated):
        return Finding("rights", State.FINE, f"CloudFormation acts with {', '.join(sorted(names))}")
    advice = (
        "Bootstrap again with the outputs ExecutionPolicies of all environments of the account and region in one list."
    )
    if not names:
        # The role's own policies would be a bootstrap template of somebody's own.
        return Finding("rights", State.UNKNOWN, "CloudFormation's role has no managed policy", advice)
    found = f"CloudFormation may make {', '.join(sorted(generated))} here"
    if others:
        rest = f"{found}; of {session.env} only {', '.join(sorted(others))} can say"
        return Finding("rights", State.UNKNOWN, rest, advice)
    return Finding("rights", State.WRONG, f"{found}, and not {session.env}", advice)


def stacks(session: Session, assembly: Assembly) -> Iterator[Finding]:
    """Stacks that no deployment goes on from, and what an environment that was removed left under a fixed name."""
    deployment = Deployment(session.client("cloudformation"), env=session.env, region=session.region)
    found = {part: deployment.describe(part) for part in assembly.parts}
    stuck = [stack for stack in found.values() if stack is not None and stack.status in _STUCK]
    for stack in stuck:
        advice = _STUCK[stack.status].format(name=stack.name, region=session.region)
        yield Finding(f"stack: {stack.name}", State.WRONG, f"is in {stack.status}", advice)
    groups = {
        str(group.properties["ModelPackageGroupName"]): found[group.part]
        for group in assembly.of("AWS::SageMaker::ModelPackageGroup")
    }
    taken = [name for name, stack in groups.items() if _holds_nothing(stack) and _is_there(session, name)]
    for name in taken:
        advice = f"Give it back together with buckets and keys, or delete its versions and then itself ({_RECOVERY})."
        yield Finding(f"group: {name}", State.WRONG, "is there and of no stack: a deployment stops at its name", advice)
    if not stuck and not taken:
        there = sum(stack is not None for stack in found.values())
        yield Finding("stacks", State.FINE, f"{there} of {len(found)} are there, and nothing is in the way")


def _holds_nothing(stack: Stack | None) -> bool:
    """Whether what is there under a fixed name cannot be the stack's own."""
    return stack is None or stack.status in _EMPTY


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
        deployment = Deployment(session.client("cloudformation"), env=session.env, region=session.region)
        if not _holds_nothing(deployment.describe("api")):
            # Whoever set it came later. CloudFormation updates nothing whose template stays as it is.
            return Finding(check, State.FINE, f"{name}, which another sets, writes access logs in place of this one's")
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
