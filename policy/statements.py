"""IAM policy statements for a CloudFormation template, and the resource names that they share."""

from typing import Any

NAMES = "cxr-${Environment}"
ARN = "arn:${AWS::Partition}"
HERE = "${AWS::Region}:${AWS::AccountId}"


def allow(
    sid: str, actions: list[str], resources: tuple[str, ...], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A statement that allows actions; `$` in a resource is substituted by CloudFormation."""
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": [resource if "$" not in resource else {"Fn::Sub": resource} for resource in resources],
    }
    return {**statement, "Condition": condition} if condition else statement
