"""Suppressions of cdk-nag findings, each with its reason where the construct is made."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(construct: IConstruct, *rules: str, reason: str) -> None:
    """Say why rules of the pack AwsSolutions do not hold for a construct and for everything below it.

    The tests run the pack (tests/infra/base/test_nag_findings.py); a synthesis only records the reasons, beside the
    templates.
    Wildcards in policies (AwsSolutions-IAM5) are explained in `policy/wildcards.py` instead, action by action.

    Args:
        rules: names such as `AwsSolutions-S1`.
        reason: what a reviewer has to know to agree.
    """
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason) for rule in rules)
    )
