"""Roles by the start of their names, for policies that name a role of a stack that is deployed later."""

from aws_cdk import Stack


def named(stack: Stack, prefix: str) -> list[str]:
    """Patterns of `aws:PrincipalArn` of roles whose names start so; the rest of a name is generated."""
    return [
        stack.format_arn(service="iam", region="", resource="role", resource_name=f"{prefix}*"),
        # Evaluators that see the session's ARN where IAM sees the role's.
        stack.format_arn(service="sts", region="", resource="assumed-role", resource_name=f"{prefix}*"),
    ]
