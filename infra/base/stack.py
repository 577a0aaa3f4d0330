"""Arguments of every stack (environment, synthesizer, termination protection, tags, boundary), and ARNs in one."""

from typing import TypedDict

from aws_cdk import ArnFormat, DefaultStackSynthesizer, Environment, PermissionsBoundary, Stack

from infra.settings.environment import Settings


class StackProperties(TypedDict):
    """Keyword arguments of `aws_cdk.Stack`."""

    description: str
    env: Environment
    synthesizer: DefaultStackSynthesizer
    termination_protection: bool
    tags: dict[str, str]
    permissions_boundary: PermissionsBoundary | None


def deployable(settings: Settings, description: str) -> StackProperties:
    """Arguments of a stack: region and account from the settings; without an account, that of who deploys it."""
    boundary = settings.permissions_boundary
    return {
        "description": description,
        "env": Environment(account=settings.account, region=settings.region),
        # The rule reads a parameter of type SSM, which an update with previous parameters and few rights cannot do.
        "synthesizer": DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        "termination_protection": settings.retain,
        # CloudFormation puts a stack's tags on everything in it that takes tags.
        "tags": {**settings.tags, "environment": settings.environment},
        "permissions_boundary": PermissionsBoundary.from_name(boundary) if boundary else None,
    }


def alarm_arn(stack: Stack, name: str) -> str:
    """ARN of a CloudWatch alarm, or with wildcards a pattern of such."""
    return stack.format_arn(
        service="cloudwatch", resource="alarm", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )


def objects_arn(stack: Stack, bucket: str, prefix: str = "") -> str:
    """ARN of the objects of a bucket, of whichever account, whose keys begin with a prefix."""
    return stack.format_arn(service="s3", account="", region="", resource=bucket, resource_name=f"{prefix}*")
