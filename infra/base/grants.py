"""Grants of rights that the CDK's own constructs have no method for."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import aws_iam as iam


def allow(
    grantee: iam.IGrantable, actions: Iterable[str], *resources: str, conditions: Mapping[str, Any] | None = None
) -> None:
    """Allow actions on resources, by a statement of the grantee's own policy."""
    grantee.grant_principal.add_to_principal_policy(
        iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
    )
